"""The definitions of the nodes for the editor: artgraph's nodes, and three of ComfyUI's.

LoadImage, SaveImage and PreviewImage are defined so that graphs from ComfyUI open, and because the
editor creates them for pictures that are dropped or pasted. They are saved as load_image and
save_image in YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...contract.spec import NodeSpec
from ...contract.widgets import MODELS
from ..formats.forms import class_id, object_info
from ..formats.offered import models, offered


def definitions(
    registry: Mapping[str, NodeSpec], input_folder: Path, output_folder: Path
) -> dict[str, Any]:
    """Returns ComfyUI's definition of each class, ready for JSON.

    Categories have no prefix `artgraph/`, since the editor has no other nodes. The page reads the
    options `folder_upload`, `file_upload` and `review`.
    """
    found = object_info(registry)
    there = offered(input_folder)
    for spec in registry.values():
        definition = found[class_id(spec.id)]
        definition["category"] = definition["category"].removeprefix("artgraph/")
        inputs = definition["input"]["required"]
        for name, widget in spec.widgets.items():
            options = inputs[name][1]
            if widget.is_picture and widget.kind == "file":
                one_by_one = [f"{folder}/" for folder in there.folders]
                inputs[name] = [there.pictures + one_by_one, _upload(options["tooltip"])]
            elif widget.is_folder:
                sets = ["", *there.folders, *there.ending_with(widget.files)]
                inputs[name] = [sets, {"tooltip": options["tooltip"], "folder_upload": True}]
            elif widget.is_review:
                options["review"] = True
            elif MODELS[0] in widget.files:
                files = ["", *models(there, output_folder, MODELS)]
                inputs[name] = [files, {"tooltip": options["tooltip"]}]
            if widget.files:
                inputs[name][1]["file_upload"] = list(widget.files)
    return found | _core(there.pictures)


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
