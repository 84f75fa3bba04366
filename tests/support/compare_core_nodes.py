"""Compares nodes of ComfyUI with those that `artgraph convert` makes of them, by computing both.

    PYTHONPATH=FOLDER_ABOVE_ARTGRAPH VENV/bin/python tests/support/compare_core_nodes.py PATH

PATH is the folder of a clone of ComfyUI, and VENV has its requirements. Each line is a node with
its settings, and the largest difference of a value. The exit code is 1 if a node differs for which
the conversion has no message.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path
from typing import Any

import torch

from artgraph.contract.context import Context
from artgraph.contract.registry import load_nodes
from artgraph.editors.formats.convert import from_comfy

PICTURE = {"image": "image"}
BLEND = {"image1": "image", "image2": "other"}
MODES = ("normal", "multiply", "screen", "overlay", "soft_light")
Case = tuple[str, dict[str, str], dict[str, Any]]  # type, kind of value by input, settings
CASES: list[Case] = [
    ("ImageInvert", PICTURE, {}),
    ("ImageCrop", PICTURE, {"width": 5, "height": 7, "x": 3, "y": 2}),
    ("ImageCropV2", PICTURE, {"crop_region": {"x": 3, "y": 2, "width": 5, "height": 7}}),
    *(("ImageRotate", PICTURE, {"rotation": r}) for r in ("none", "90 degrees", "180 degrees")),
    ("ImageRotate", PICTURE, {"rotation": "270 degrees"}),
    ("ImageFlip", PICTURE, {"flip_method": "x-axis: vertically"}),
    ("ImageFlip", PICTURE, {"flip_method": "y-axis: horizontally"}),
    *(("ImageBlend", BLEND, {"blend_factor": 0.3, "blend_mode": mode}) for mode in MODES),
    ("ImageBlend", BLEND, {"blend_factor": 1.0, "blend_mode": "difference"}),
    *(
        ("ImageScale", PICTURE, {"upscale_method": method, "width": 30, "height": 9, "crop": crop})
        for method in ("nearest-exact", "bilinear")
        for crop in ("disabled", "center")
    ),
    ("ImageBatch", BLEND, {}),
    *(("RepeatImageBatch", PICTURE, {"amount": amount}) for amount in (2, 3)),
    (
        "ImagePadForOutpaint",
        PICTURE,
        {"left": 8, "top": 0, "right": 16, "bottom": 8, "feathering": 0},
    ),
    *(
        (
            "ImageStitch",
            BLEND,
            {
                "direction": direction,
                "match_image_size": True,
                "spacing_width": 3,
                "spacing_color": "red",
            },
        )
        for direction in ("right", "down")
    ),
    ("InvertMask", {"mask": "mask"}, {}),
    *(("ThresholdMask", {"mask": "mask"}, {"value": v}) for v in (0.0, 0.25, 0.3, 0.5, 0.99)),
    *(("ImageToMask", PICTURE, {"channel": c}) for c in ("red", "green", "blue")),
]


def main(folder: Path) -> int:
    sys.path.insert(0, str(folder))
    sys.argv = ["main.py", "--cpu"]
    importlib.import_module("comfy.options").enable_args_parsing()
    classes = core_classes()
    values = samples()
    faults = 0
    for kind, inputs, settings in CASES:
        if kind not in classes:
            print(f"{kind}: this ComfyUI does not have it")
            continue
        given = {name: values[value] for name, value in inputs.items()} | settings
        theirs = run_core(classes[kind], given)[0]
        ours, notes = run_ours(kind, inputs, settings, values)
        same_size = tuple(ours.shape) == tuple(theirs.shape)
        away = float((ours - theirs).abs().max()) if same_size else float("inf")
        is_fault = away > 1e-5 and not notes
        faults += is_fault
        print(f"{kind} {settings}: {away:.2g}{' FAULT' if is_fault else ''} {'; '.join(notes)}")
    print(f"{len(CASES)} cases, {faults} faults")
    return 1 if faults else 0


def samples() -> dict[str, Any]:
    """Values in steps of 8 bits, as files have them, of each kind."""
    generator = torch.Generator().manual_seed(0)

    def draw(*size: int) -> Any:
        return torch.randint(0, 256, size, generator=generator).float() / 255

    mask = draw(2, 14, 22)
    mask[0, 0, :3] = torch.tensor([0.25, 0.5, 0.0])  # values at which a threshold may be
    return {"image": draw(2, 14, 22, 3), "other": draw(2, 14, 22, 3), "mask": mask}


def core_classes() -> dict[str, Any]:
    """ComfyUI's own nodes by type, in both of its forms."""
    found = dict(importlib.import_module("nodes").NODE_CLASS_MAPPINGS)
    for name in ("images", "mask", "post_processing"):
        module = importlib.import_module(f"comfy_extras.nodes_{name}")
        found |= getattr(module, "NODE_CLASS_MAPPINGS", {})
        if hasattr(module, "comfy_entrypoint"):
            extension = asyncio.run(module.comfy_entrypoint())
            for node in asyncio.run(extension.get_node_list()):
                found[node.define_schema().node_id] = node
    return found


def run_core(node: Any, inputs: dict[str, Any]) -> Any:
    if hasattr(node, "define_schema"):
        return node.execute(**inputs)
    return getattr(node(), node.FUNCTION)(**inputs)


def run_ours(
    kind: str, inputs: dict[str, str], settings: dict[str, Any], values: dict[str, Any]
) -> tuple[Any, list[str]]:
    """Returns what the converted node computes, and what the conversion says about it."""
    sources = {"image": "Artgraph_load_image", "mask": "Artgraph_image_alpha"}
    sources["other"] = sources["image"]
    prompt: dict[str, Any] = {
        name: {"class_type": sources[name], "inputs": {}, "_meta": {"title": name}}
        for name in dict.fromkeys(inputs.values())
    }
    links = {name: [value, int(value == "mask")] for name, value in inputs.items()}
    prompt["it"] = {"class_type": kind, "inputs": links | settings, "_meta": {"title": "it"}}
    registry = load_nodes()
    document = from_comfy(prompt, registry, "x.json", Path()).document
    entry = document.nodes["it"]
    spec = registry[entry.type]
    widgets, problems = spec.check({name: mark.value for name, mark in entry.values.items()})
    assert not problems, problems
    wired = {name: values[mark.value.partition(".")[0]] for name, mark in entry.wires.items()}
    outputs = spec(wired, widgets, Context.quiet())
    return next(iter(outputs.values())), document.notes


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
