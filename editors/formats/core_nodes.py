"""The nodes of ComfyUI itself that have a counterpart in artgraph."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class CoreNode:
    """Our counterpart of one of ComfyUI's own nodes.

    inputs:      our name of each input that the two nodes share.
    outputs:     our name of each output; None if we do not have it.
    passthrough: the input that the node returns unchanged, if it has such an output.
    """

    node: str
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: tuple[str | None, ...] = ()
    passthrough: str | None = None


CORE = {
    "LoadImage": CoreNode("load_image", {"image": "path"}, ("image", "mask")),
    "SaveImage": CoreNode(
        "save_image", {"images": "image", "filename_prefix": "name"}, (), "images"
    ),
    "PreviewImage": CoreNode("preview_image", {"images": "image"}, (), "images"),
}
CORE_WIDGETS = {
    "LoadImage": ["image", "upload"],
    "SaveImage": ["filename_prefix"],
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
