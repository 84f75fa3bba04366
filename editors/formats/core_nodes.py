"""The nodes of ComfyUI itself that have a counterpart in artgraph."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from . import core_meaning

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
    adapt:       changes a node first, if its settings mean something else than ours.
    """

    node: str
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: tuple[str | None, ...] = ()
    passthrough: str | None = None
    values: dict[str, dict[Any, Any]] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)
    adapt: core_meaning.Adapt | None = None


_SCALED = CoreNode(
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
    adapt=core_meaning.scaled,
)
_JOINED = CoreNode(
    "batch_images",
    {"image1": "first", "image2": "second", "image3": "third"},
    ("image",),
    adapt=lambda node, used: core_meaning.OTHER_FILTER,
)
_CROPPED = CoreNode(
    "crop_picture",
    {"image": "image", "width": "width", "height": "height", "x": "right", "y": "down"},
    ("image",),
    fixed={"place": "top left"},
)
CORE = {
    "LoadImage": CoreNode("load_image", {"image": "path"}, ("image", "mask")),
    "SaveImage": CoreNode(
        "save_image", {"images": "image", "filename_prefix": "name"}, (), "images"
    ),
    "PreviewImage": CoreNode("preview_image", {"images": "image"}, (), "images"),
    "ImageScale": _SCALED,
    "ResizeImageMaskNode": replace(_SCALED, adapt=core_meaning.resized),
    "ImageBatch": _JOINED,
    "BatchImagesNode": replace(_JOINED, adapt=core_meaning.joined),
    "RepeatImageBatch": replace(_JOINED, adapt=core_meaning.repeated),
    "ImageCrop": _CROPPED,
    "ImageCropV2": replace(_CROPPED, adapt=core_meaning.cropped),
    "ImagePadForOutpaint": CoreNode(
        "pad_picture",
        {name: name for name in ("image", "left", "top", "right", "bottom")},
        ("image", None),
        fixed={"colour": "#7f7f7f"},
        adapt=core_meaning.padded,
    ),
    "ImageRotate": CoreNode(
        "turn_picture",
        {"image": "image", "rotation": "angle"},
        ("image",),
        adapt=core_meaning.rotated,
    ),
    "ImageFlip": CoreNode(
        "turn_picture",
        {"image": "image", "flip_method": "flip"},
        ("image",),
        values={
            "flip": {
                "x-axis: vertically": "top to bottom",
                "y-axis: horizontally": "left to right",
            }
        },
    ),
    "ImageStitch": CoreNode(
        "place_beside",
        {
            "image1": "first",
            "image2": "second",
            "direction": "direction",
            "spacing_width": "gap",
            "spacing_color": "background",
        },
        ("image",),
        adapt=core_meaning.stitched,
    ),
    "ImageBlend": CoreNode(
        "blend_layers",
        {"image1": "base", "image2": "layer", "blend_factor": "opacity", "blend_mode": "mode"},
        ("image",),
        adapt=core_meaning.blended,
    ),
    "ImageInvert": CoreNode("negative", {"image": "image"}, ("image",)),
    "InvertMask": CoreNode("adjust_mask", {"mask": "mask"}, ("mask",), fixed={"invert": True}),
    "ThresholdMask": CoreNode(
        "adjust_mask",
        {"mask": "mask", "value": "threshold"},
        ("mask",),
        adapt=core_meaning.thresholded,
    ),
    "ImageToMask": CoreNode(
        "mask_from_picture",
        {"image": "image", "channel": "by"},
        ("mask",),
        values={"by": {"alpha": "opacity"}},
        adapt=core_meaning.one_channel,
    ),
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
        adapt=core_meaning.film,
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
    "ImageCrop": ["width", "height", "x", "y"],
    "ImageCropV2": ["crop_region"],  # its numbers follow once more
    "ImagePadForOutpaint": ["left", "top", "right", "bottom", "feathering"],
    "RepeatImageBatch": ["amount"],
    "ImageBlend": ["blend_factor", "blend_mode"],
    "ThresholdMask": ["value"],
    "ImageToMask": ["channel"],
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
