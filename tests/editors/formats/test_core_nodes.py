"""ComfyUI's own picture nodes compute the same as the nodes that they become.

The expected pictures are computed here, by the formulas of ComfyUI's nodes. The script
tests/support/compare_core_nodes.py computes ComfyUI's nodes themselves.
"""

from pathlib import Path

import pytest
import torch

from artgraph.contract.context import Context
from artgraph.contract.errors import GraphError
from artgraph.contract.registry import load_nodes
from artgraph.editors.formats.convert import from_comfy

NODES = load_nodes()
RNG = torch.Generator().manual_seed(1)
A, B = (torch.randint(0, 256, (2, 6, 9, 3), generator=RNG).float() / 255 for _ in range(2))
MASK = torch.randint(0, 5, (2, 6, 9), generator=RNG).float() / 4
SOURCES = {
    "a": {"class_type": "Artgraph_load_image", "inputs": {}, "_meta": {"title": "a"}},
    "b": {"class_type": "Artgraph_load_image", "inputs": {}, "_meta": {"title": "b"}},
    "m": {"class_type": "Artgraph_image_alpha", "inputs": {}, "_meta": {"title": "m"}},
}
VALUES = {"a": A, "b": B, "m": MASK}
ONE, TWO = {"image": ["a", 0]}, {"image1": ["a", 0], "image2": ["b", 0]}
MASKED = {"mask": ["m", 1]}


def converted(kind, inputs, **nodes):
    it = {"class_type": kind, "inputs": inputs, "_meta": {"title": "it"}}
    return from_comfy({**SOURCES, "it": it, **nodes}, NODES, "x.json", Path()).document


def computed(kind, inputs):
    entry = converted(kind, inputs).nodes["it"]
    spec = NODES[entry.type]
    widgets, problems = spec.check({name: mark.value for name, mark in entry.values.items()})
    assert not problems
    wired = {name: VALUES[mark.value.partition(".")[0]] for name, mark in entry.wires.items()}
    return next(iter(spec(wired, widgets, Context.quiet()).values()))


def blend(mode, factor):
    return {**TWO, "blend_mode": mode, "blend_factor": factor}


def over(picture, factor):
    return (A * (1 - factor) + picture * factor).clamp(0, 1)


def bars(width, *colour):
    return torch.tensor(colour).expand(2, 6, width, 3)


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"),
    [
        ("ImageInvert", ONE, 1 - A),
        ("ImageCrop", {**ONE, "x": 4, "y": 1, "width": 3, "height": 2}, A[:, 1:3, 4:7]),
        (
            "ImageCropV2",
            {**ONE, "crop_region": {"x": 4, "y": 1, "width": 3, "height": 2}},
            A[:, 1:3, 4:7],
        ),
        ("ImageRotate", {**ONE, "rotation": "none"}, A),
        ("ImageRotate", {**ONE, "rotation": "90 degrees"}, A.transpose(1, 2).flip(2)),
        ("ImageRotate", {**ONE, "rotation": "180 degrees"}, A.flip(1, 2)),
        ("ImageRotate", {**ONE, "rotation": "270 degrees"}, A.transpose(1, 2).flip(1)),
        ("ImageFlip", {**ONE, "flip_method": "x-axis: vertically"}, A.flip(1)),
        ("ImageFlip", {**ONE, "flip_method": "y-axis: horizontally"}, A.flip(2)),
        ("ImageBlend", blend("normal", 0.3), over(B, 0.3)),
        ("ImageBlend", blend("multiply", 0.3), over(A * B, 0.3)),
        ("ImageBlend", blend("screen", 1.0), 1 - (1 - A) * (1 - B)),
        (
            "ImageBlend",
            blend("overlay", 1.0),
            torch.where(A <= 0.5, 2 * A * B, 1 - 2 * (1 - A) * (1 - B)),
        ),
        ("ImageBlend", blend("difference", 1.0), (A - B).clamp(0, 1)),
        (
            "ImageScale",
            {
                **ONE,
                "upscale_method": "nearest-exact",
                "width": 18,
                "height": 12,
                "crop": "disabled",
            },
            A.repeat_interleave(2, 1).repeat_interleave(2, 2),
        ),
        (
            "BatchImagesNode",
            {"images.image0": ["a", 0], "images.image1": ["b", 0]},
            torch.cat((A, B)),
        ),
        ("RepeatImageBatch", {**ONE, "amount": 3}, torch.cat((A, A, A))),
        (
            "ImageStitch",
            {
                **TWO,
                "direction": "right",
                "match_image_size": True,
                "spacing_width": 3,
                "spacing_color": "red",
            },
            torch.cat((A, bars(4, 1.0, 0.0, 0.0), B), 2),
        ),
        ("InvertMask", MASKED, 1 - MASK),
        ("ThresholdMask", {**MASKED, "value": 0.5}, (MASK > 0.5).float()),
        ("ThresholdMask", {**MASKED, "value": 0.0}, (MASK > 0).float()),
        ("ImageToMask", {**ONE, "channel": "green"}, A[..., 1]),
    ],
)
def test_a_node_of_comfyui_computes_the_same_here(kind, inputs, expected):
    found = computed(kind, inputs)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "inputs", "why"),
    [
        ("ImageBlend", blend("difference", 0.5), "with 'difference' and a factor below 1"),
        ("ImageRotate", {**ONE, "rotation": ["b", 0]}, "with a wire to `rotation`"),
        ("ThresholdMask", {**MASKED, "value": 1.0}, "at 1.0"),
        ("RepeatImageBatch", {**ONE, "amount": 5}, "with 5 copies"),
        ("BatchImagesNode", {"images.image0": ["a", 0]}, "with 1 inputs"),
        (
            "ResizeImageMaskNode",
            {"input": ["a", 0], "resize_type": "scale by multiplier", "scale_method": "area"},
            "with 'scale by multiplier'",
        ),
        (
            "ResizeImageMaskNode",
            {"input": ["m", 1], "resize_type": "scale width", "resize_type.width": 8},
            "of a mask",
        ),
    ],
)
def test_what_would_be_another_picture_is_left_out_and_named(kind, inputs, why):
    saves = {"class_type": "SaveImage", "inputs": {"images": ["it", 0], "filename_prefix": "x"}}
    masks = {"class_type": "InvertMask", "inputs": MASKED}
    document = converted(kind, inputs, saves=saves, masks=masks)
    assert document.unread == [f"it {why}", "SaveImage"]
    assert {"a", "b", "m"} <= set(document.nodes)


def test_a_graph_without_any_counterpart_says_why():
    alone = {"it": {"class_type": "ThresholdMask", "inputs": {"value": 1.0}}}
    with pytest.raises(GraphError, match="no node that corresponds to 'ThresholdMask' at 1"):
        from_comfy(alone, NODES, "x.json", Path())


def test_a_padded_picture_is_converted_if_its_mask_is_not_used():
    pad = {**ONE, "left": 8, "top": 0, "right": 8, "bottom": 16, "feathering": 40}
    document = converted("ImagePadForOutpaint", pad)
    assert document.nodes["it"].type == "pad_picture"
    assert document.notes == [
        "it: its grey is 0.498 instead of 0.5, which is the same in a saved picture"
    ]
    used = {"class_type": "InvertMask", "inputs": {"mask": ["it", 1]}}
    assert converted("ImagePadForOutpaint", pad, used=used).unread == [
        "it whose mask is used",
        "InvertMask",
    ]


def test_a_region_is_read_from_a_workflow_in_which_its_numbers_follow():
    crop = {
        "id": 2,
        "type": "ImageCropV2",
        "inputs": [
            {"name": "image", "type": "IMAGE", "link": 1},
            {
                "name": "crop_region",
                "type": "BOUNDING_BOX",
                "link": None,
                "widget": {"name": "crop_region"},
            },
        ],
    }
    crop["widgets_values"] = [{"x": 1, "y": 2, "width": 3, "height": 4}, 1, 2, 3, 4]
    load = {"id": 1, "type": "LoadImage", "widgets_values": ["a.png", "image"], "inputs": []}
    load["outputs"] = [{"name": "IMAGE", "type": "IMAGE"}]
    crop["outputs"] = load["outputs"]
    workflow = {"nodes": [load, crop], "links": [[1, 1, 0, 2, 0, "IMAGE"]]}
    entry = from_comfy(workflow, NODES, "x.json", Path()).document.nodes["crop_picture"]
    values = {name: mark.value for name, mark in entry.values.items()}
    assert values == {"width": 3, "height": 4, "place": "top left", "right": 1, "down": 2}


def test_nothing_is_said_about_a_node_that_is_left_out():
    blur = {"class_type": "ImageBlur", "inputs": {"image": ["a", 0]}}
    document = converted("ImageBatch", {"image1": ["blur", 0], "image2": ["a", 0]}, blur=blur)
    assert document.unread == ["it", "ImageBlur"]
    assert document.notes == []


def test_pictures_that_may_differ_a_little_have_a_message(cli):
    resize = {"resize_type": "scale dimensions", "resize_type.width": 8, "resize_type.height": 8}
    resize |= {"resize_type.crop": "center", "scale_method": "area", "input": ["a", 0]}
    document = converted("ResizeImageMaskNode", resize)
    entry = document.nodes["it"]
    assert {name: mark.value for name, mark in entry.values.items()} == {"width": 8, "height": 8}
    assert document.notes[0].startswith("it: if a picture is resized, its pixels differ")
    cli.write(
        "graph.json",
        '{"1": {"class_type": "Artgraph_procedural_art", "inputs": {"count": 1, "size": 16}},'
        ' "2": {"class_type": "Artgraph_dataset_images", "inputs": {"dataset": ["1", 0]}},'
        ' "3": {"class_type": "ImageScale", "inputs": {"image": ["2", 0], "width": 8, "height": 8,'
        ' "upscale_method": "area", "crop": "disabled"}},'
        ' "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix":'
        ' "%date:yyyy%_a"}}}',
    )
    for command in (("convert", "graph.json", "graph.yaml"), ("plan", "graph.json")):
        said = cli(*command).stderr
        assert "ImageScale: if a picture is resized, its pixels differ a little" in said
        assert (
            "save_image: its file name is without %date:yyyy%, which only ComfyUI replaces" in said
        )


def test_a_film_without_losses_stays_without(cli):
    film = {"images": ["a", 0], "filename_prefix": "f", "fps": 6.0, "quality": 80}
    values = converted("SaveAnimatedWEBP", {**film, "lossless": True}).nodes["it"].values
    assert values["quality"].value == 100
    values = converted("SaveAnimatedWEBP", {**film, "lossless": False}).nodes["it"].values
    assert values["quality"].value == 80
