"""ComfyUI's own nodes that have a counterpart here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Core:
    """What one of ComfyUI's own nodes is here; `passes` is the input that an output repeats."""

    node: str
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: tuple[str | None, ...] = ()
    passes: str | None = None


CORE = {
    "LoadImage": Core("load_image", {"image": "path"}, ("image", None)),
    "SaveImage": Core("save_image", {"images": "image", "filename_prefix": "name"}, (), "images"),
    "PreviewImage": Core("save_image", {"images": "image"}, (), "images"),
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
FOLDER_MARK = re.compile(r" \[(input|output|temp)\]$")


def is_primitive(kind: str) -> bool:
    """Whether a node of ComfyUI's own only holds a value, as a knob does."""
    return kind.startswith("Primitive") and kind in CORE_WIDGETS


PRIMITIVE_TITLES = ("Int", "Float", "Boolean", "String", "Text", "Text (Multiline)", "Primitive")
