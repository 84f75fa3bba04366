"""The definitions of the nodes for the editor: artgraph's nodes, and three of ComfyUI's.

LoadImage, SaveImage and PreviewImage are defined so that graphs from ComfyUI open, and because the
editor creates them for pictures that are dropped or pasted. They are saved as load_image and
save_image in YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ...contract.spec import NodeSpec
from ...pictures.suffixes import is_readable
from ..formats.forms import class_id, object_info

_MAX_LISTED = 1_000  # largest number of pictures that a widget lists


def definitions(registry: Mapping[str, NodeSpec], input_folder: Path) -> dict[str, Any]:
    """Returns ComfyUI's definition of each class, ready for JSON.

    Categories have no prefix `artgraph/`, since the editor has no other nodes.
    """
    found = object_info(registry)
    pictures = input_pictures(input_folder)
    parents = {str(parent) for path in pictures for parent in PurePosixPath(path).parents}
    folders = [f"{name}/" for name in sorted(parents - {"."})]  # their pictures one by one
    for spec in registry.values():
        definition = found[class_id(spec.id)]
        definition["category"] = definition["category"].removeprefix("artgraph/")
        inputs = definition["input"]["required"]
        for name, widget in spec.widgets.items():
            if widget.is_picture and widget.kind == "file":
                inputs[name] = [pictures + folders, _upload(inputs[name][1]["tooltip"])]
            elif widget.kind == "folder":
                inputs[name][1]["folder_upload"] = (
                    True  # web/artgraph.js reads it, and `file_upload`
                )
            elif widget.is_review:
                inputs[name][1]["review"] = True
            if widget.files:
                inputs[name][1]["file_upload"] = list(widget.files)
    return found | _core(pictures)


def input_pictures(folder: Path) -> list[str]:
    """Returns the paths of the pictures in the input folder and its sub-folders."""
    found: list[str] = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if is_readable(path) and not path.name.startswith("."):
            found.append(path.relative_to(folder).as_posix())
            if len(found) == _MAX_LISTED:
                break
    return found


def _upload(tooltip: str) -> dict[str, Any]:
    return {"image_upload": True, "tooltip": tooltip}


def _core(pictures: list[str]) -> dict[str, Any]:
    image: dict[str, Any] = {"images": ["IMAGE", {"tooltip": "Pictures"}]}
    prefix = {"filename_prefix": ["STRING", {"default": "", "tooltip": "Name of the file"}]}
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
        "description": f"{title}: a node of graphs from ComfyUI.",
        "category": "from ComfyUI",
        "output_node": not outputs,
        "python_module": "custom_nodes.artgraph",
        "input": {"required": inputs},
        "input_order": {"required": list(inputs)},
        "output": outputs,
        "output_name": [output.lower() for output in outputs],
        "output_is_list": [False] * len(outputs),
        "is_input_list": False,
        "deprecated": True,  # so that the node library does not offer it
    }
