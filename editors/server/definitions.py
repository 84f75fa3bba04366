"""The nodes as the editor knows them: ours, and three of ComfyUI's own names.

With LoadImage, SaveImage and PreviewImage a graph from ComfyUI opens here, and the editor's own
ways of making them (dropping, pasting) work. They become load_image and save_image in YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...contract.spec import NodeSpec
from ...pictures.suffixes import is_displayable
from ..formats.forms import class_id, object_info

_LISTED = 1_000


def definitions(registry: Mapping[str, NodeSpec], input_folder: Path) -> dict[str, Any]:
    """ComfyUI's definition of each class, JSON-ready.

    Here, where there are no others, our categories need no folder of their own on top.
    """
    found = object_info(registry)
    pictures = input_pictures(input_folder)
    for spec in registry.values():
        definition = found[class_id(spec.id)]
        definition["category"] = definition["category"].removeprefix("artgraph/")
        inputs = definition["input"]["required"]
        for name, widget in spec.widgets.items():
            if widget.is_picture:
                inputs[name] = [pictures, _upload(inputs[name][1]["tooltip"])]
            elif widget.kind == "folder":
                inputs[name][1]["folder_upload"] = True  # for our own script in the page
    return found | _core(pictures)


def input_pictures(folder: Path) -> list[str]:
    """The pictures in the input folder and its sub-folders, by their path in it."""
    found: list[str] = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if is_displayable(path) and not path.name.startswith("."):
            found.append(path.relative_to(folder).as_posix())
            if len(found) == _LISTED:
                break
    return found


def _upload(tooltip: str) -> dict[str, Any]:
    return {"image_upload": True, "tooltip": tooltip}


def _core(pictures: list[str]) -> dict[str, Any]:
    image: dict[str, Any] = {"images": ["IMAGE", {"tooltip": "Pictures"}]}
    prefix = {"filename_prefix": ["STRING", {"default": "", "tooltip": "The file's name"}]}
    load = {"image": [pictures, _upload("A picture of the input folder")]}
    return {
        "LoadImage": _definition("LoadImage", "Load image", load, ["IMAGE"]),
        "SaveImage": _definition("SaveImage", "Save image", image | prefix, []),
        "PreviewImage": _definition("PreviewImage", "Preview image", image, []),
    }


def _definition(
    name: str, title: str, inputs: dict[str, Any], outputs: list[str]
) -> dict[str, Any]:
    return {
        "name": name,
        "display_name": f"{title} (ComfyUI)",
        "description": f"{title}, as graphs from ComfyUI name it.",
        "category": "from ComfyUI",
        "output_node": not outputs,
        "python_module": "custom_nodes.artgraph",
        "input": {"required": inputs},
        "input_order": {"required": list(inputs)},
        "output": outputs,
        "output_name": [output.lower() for output in outputs],
        "output_is_list": [False] * len(outputs),
        "is_input_list": False,
        "deprecated": True,  # known, but not offered beside ours
    }
