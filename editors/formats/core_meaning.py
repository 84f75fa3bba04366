"""Nodes of ComfyUI whose settings mean something else than those of our counterpart.

Each function changes the values and links of such a node, by the names of ComfyUI, until the table
in core_nodes.py can rename them. tests/support/compare_core_nodes.py computes both nodes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Collection
from typing import Any

from .foreign import ForeignNode

Adapt = Callable[[ForeignNode, Collection[int]], str | None]
_STITCHED = {"right": "right", "down": "below"}
_MODES = {"difference": "subtract", "soft_light": "soft light"}
_COLOURS = {
    "white": "#ffffff",
    "black": "#000000",
    "red": "#ff0000",
    "green": "#00ff00",
    "blue": "#0000ff",
}
_MOST_JOINED = 3  # batches that `batch_images` joins
OTHER_FILTER = "if a picture is resized, its pixels differ a little, as the filter is another one"


class UnlikeError(Exception):
    """A node whose pictures would be others here; the text says which of its kind, in a phrase."""


def scaled(node: ForeignNode, used: Collection[int]) -> str | None:
    """ImageScale: exact if pixels are only copied, and nothing is cut off."""
    is_exact = node.values.get("upscale_method") == "nearest-exact"
    is_exact = is_exact and node.values.get("crop") == "disabled"
    return None if is_exact else OTHER_FILTER


def resized(node: ForeignNode, used: Collection[int]) -> str | None:
    """ResizeImageMaskNode, which has its settings under the name of their group."""
    kind = _fixed(node, "resize_type")
    sizes = {"scale dimensions": ("width", "height"), "scale width": ("width",)}
    sizes["scale height"] = ("height",)
    if kind not in sizes:
        raise UnlikeError(f"with {kind!r}")
    node.values |= {"width": 0, "height": 0}
    for name in sizes[kind]:
        _renamed(node, f"resize_type.{name}", name)
    _renamed(node, "resize_type.crop", "crop")
    node.values.setdefault("crop", "disabled")
    _renamed(node, "scale_method", "upscale_method")
    _renamed(node, "input", "image")
    return scaled(node, used)


def cropped(node: ForeignNode, used: Collection[int]) -> None:
    """ImageCropV2, which has one value with four numbers."""
    region = _fixed(node, "crop_region")
    if not isinstance(region, dict):
        raise UnlikeError("without a region")
    usual = {"x": 0, "y": 0, "width": 512, "height": 512}
    node.values |= {name: region.get(name, default) for name, default in usual.items()}


def rotated(node: ForeignNode, used: Collection[int]) -> None:
    """ImageRotate turns clockwise."""
    angle = str(_fixed(node, "rotation")).split()[0]
    node.values["rotation"] = -float(angle) if angle.isdecimal() else 0.0


def blended(node: ForeignNode, used: Collection[int]) -> str:
    """ImageBlend, whose difference is not one of distances, but is cut off at black."""
    mode = _fixed(node, "blend_mode")
    if mode == "difference" and _fixed(node, "blend_factor") != 1:
        raise UnlikeError("with 'difference' and a factor below 1")
    node.values["blend_mode"] = {"difference": "subtract", "soft_light": "soft light"}.get(
        mode, mode
    )
    return OTHER_FILTER


def joined(node: ForeignNode, used: Collection[int]) -> str:
    """BatchImagesNode, which has as many inputs as there are wires."""
    slots = sorted(
        (slot for slot in node.links if slot.startswith("images.image")),
        key=lambda slot: int(slot.removeprefix("images.image")),
    )
    if not 2 <= len(slots) <= _MOST_JOINED:
        raise UnlikeError(f"with {len(slots)} inputs")
    for number, slot in enumerate(slots, 1):
        _renamed(node, slot, f"image{number}")
    return OTHER_FILTER


def repeated(node: ForeignNode, used: Collection[int]) -> None:
    """RepeatImageBatch: two or three copies are a batch that is joined with itself."""
    amount = _fixed(node, "amount")
    if amount not in range(2, _MOST_JOINED + 1) or "image" not in node.links:
        raise UnlikeError(f"with {amount} copies")
    node.links = {f"image{number}": node.links["image"] for number in range(1, amount + 1)}


def stitched(node: ForeignNode, used: Collection[int]) -> str:
    """ImageStitch: the first picture decides about the size, and stays first."""
    direction = _fixed(node, "direction")
    if direction not in _STITCHED or "image2" not in node.links:
        raise UnlikeError(f"to the {direction}" if "image2" in node.links else "of one picture")
    if _fixed(node, "match_image_size") is not True:
        raise UnlikeError("of pictures with their own sizes")
    gap = _fixed(node, "spacing_width") or 0
    node.values["direction"] = _STITCHED[direction]
    node.values["spacing_width"] = gap + gap % 2
    colour = _fixed(node, "spacing_color")
    node.values["spacing_color"] = _COLOURS.get(colour, colour)
    return OTHER_FILTER


def padded(node: ForeignNode, used: Collection[int]) -> str:
    """ImagePadForOutpaint: a grey that 8 bits cannot express, and a mask."""
    if 1 in used:
        raise UnlikeError("whose mask is used")
    return "its grey is 0.498 instead of 0.5, which is the same in a saved picture"


def thresholded(node: ForeignNode, used: Collection[int]) -> None:
    """ThresholdMask: white above the value, and not at it."""
    value = _fixed(node, "value")
    if not isinstance(value, int | float) or not 0 <= value < 1:
        raise UnlikeError(f"at {value}")
    node.values["value"] = _next_single(value)


def one_channel(node: ForeignNode, used: Collection[int]) -> str:
    """ImageToMask."""
    return "if the picture has transparent parts, they are black in the mask"


def film(node: ForeignNode, used: Collection[int]) -> None:
    """SaveAnimatedWEBP: without losses, its quality does not count."""
    if _fixed(node, "lossless") is not False:
        node.values["quality"] = 100
        node.links.pop("quality", None)


def _fixed(node: ForeignNode, slot: str) -> Any:
    """Returns a value that must not come from a wire, as its meaning is another one here."""
    if slot in node.links:
        raise UnlikeError(f"with a wire to `{slot}`")
    return node.values.get(slot)


def _renamed(node: ForeignNode, slot: str, name: str) -> None:
    if slot in node.values:
        node.values[name] = node.values.pop(slot)
    if slot in node.links:
        node.links[name] = node.links.pop(slot)


def _next_single(value: float) -> float:
    """Returns the smallest float32 above a value from 0 to 1, after it is rounded to float32."""
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    (found,) = struct.unpack("<f", struct.pack("<I", bits + 1))
    return found if math.isfinite(found) else value
