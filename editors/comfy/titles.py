"""The titles of our nodes in ComfyUI, which differ from those of ComfyUI's own nodes."""

from __future__ import annotations

from collections.abc import Callable

from ...contract.spec import NodeSpec
from ..formats.names import PACK

# Our titles that a node of ComfyUI has too, in English or in Chinese.
# `tests/support/compare_with_comfyui.py` finds them.
SHARED = frozenset(
    {
        "Combine masks",
        "Load image",
        "Load model",
        "Load video",
        "Preview image",
        "Resize image",
        "Save image",
        "Save video",
        "Text",
        "VAE decode",
        "VAE encode",
    }
)


def comfy_title(spec: NodeSpec, translate: Callable[[str], str] = str) -> str:
    """Returns the title of a node in ComfyUI."""
    title = translate(spec.title)
    return f"{title}{PACK}" if spec.title in SHARED else title
