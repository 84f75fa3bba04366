"""The nodes of ComfyUI itself that have a counterpart in artgraph."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_SMOOTH = ("bilinear", "area", "bicubic", "lanczos")
_FILTERS = {"nearest-exact": "pixels"} | dict.fromkeys(_SMOOTH, "smooth")


@dataclass(frozen=True)
class CoreNode:
    """Our counterpart of one of ComfyUI's own nodes.

    inputs:      our name of each input that the two nodes share.
    outputs:     our name of each output; None if we do not have it.
    passthrough: the input that the node returns unchanged, if it has such an output.
    values:      our value for a value of an input, by our name of the input.
    fixed:       values of ours that the other node always has.
    """

    node: str
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: tuple[str | None, ...] = ()
    passthrough: str | None = None
    values: dict[str, dict[Any, Any]] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)


CORE = {
    "LoadImage": CoreNode("load_image", {"image": "path"}, ("image", "mask")),
    "SaveImage": CoreNode(
        "save_image", {"images": "image", "filename_prefix": "name"}, (), "images"
    ),
    "PreviewImage": CoreNode("preview_image", {"images": "image"}, (), "images"),
    "ImageScale": CoreNode(
        "resize_image",
        {
            "image": "image",
            "upscale_method": "filter",
            "width": "width",
            "height": "height",
            "crop": "fit",
        },
        ("image",),
        values={"filter": _FILTERS, "fit": {"disabled": "stretch", "center": "crop"}},
    ),
    "ImageBatch": CoreNode("batch_images", {"image1": "first", "image2": "second"}, ("image",)),
    "ImageFromBatch": CoreNode(
        "pick_images",
        {"image": "image", "batch_index": "start", "length": "count"},
        ("image",),
    ),
    "SplitImageWithAlpha": CoreNode("image_alpha", {"image": "image"}, ("image", "mask")),
    "JoinImageWithAlpha": CoreNode("set_alpha", {"image": "image", "alpha": "mask"}, ("image",)),
    "SaveAnimatedWEBP": CoreNode(
        "save_animation",
        {
            "images": "image",
            "filename_prefix": "name",
            "fps": "fps",
            "quality": "quality",
        },
        fixed={"format": "webp"},
    ),
    "SaveAnimatedPNG": CoreNode(
        "save_animation",
        {"images": "image", "filename_prefix": "name", "fps": "fps"},
        fixed={"format": "apng"},
    ),
}
CORE_WIDGETS = {
    "LoadImage": ["image", "upload"],
    "SaveImage": ["filename_prefix"],
    "ImageScale": ["upscale_method", "width", "height", "crop"],
    "ImageFromBatch": ["batch_index", "length"],
    "SaveAnimatedWEBP": ["filename_prefix", "fps", "lossless", "quality", "method"],
    "SaveAnimatedPNG": ["filename_prefix", "fps", "compress_level"],
    "PrimitiveNode": ["value"],
    "PrimitiveInt": ["value"],
    "PrimitiveFloat": ["value"],
    "PrimitiveBoolean": ["value"],
    "PrimitiveString": ["value"],
    "PrimitiveStringMultiline": ["value"],
}
FOLDER_MARK = re.compile(r" \[(input|output|temp)\]$")  # e.g. "cat.png [input]"


def is_primitive(kind: str) -> bool:
    """Returns whether a node type is one of ComfyUI's primitives, which contain only a value."""
    return kind.startswith("Primitive") and kind in CORE_WIDGETS


# What ComfyUI's editor does with a value after a run; it saves the word behind the value.
CONTROLS = ("fixed", "increment", "increment-wrap", "decrement", "randomize")
PRIMITIVE_TITLES = ("Int", "Float", "Boolean", "String", "Text", "Text (Multiline)", "Primitive")

# What ComfyUI replaces in the name of a saved file, such as %date:yyyy-MM-dd% or %KSampler.seed%.
VARIABLE = re.compile(
    r"%(date(?::[^%]*)?|year|month|day|hour|minute|second|width|height|[^%./]+\.[^%./]+)%"
)
