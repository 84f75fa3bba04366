"""Pictures with alpha and masks between artgraph's nodes and those of other packs in ComfyUI."""

import os
import subprocess
import sys

import pytest
from comfy_stand_in import COMMON

from artgraph.contract.registry import load_nodes
from artgraph.editors.formats.forms import object_info

START = """
import sys
sys.path.insert(0, {folder!r})
import torch
from artgraph.contract.errors import NodeError
from artgraph.contract.registry import load_nodes
from artgraph.editors.comfy.run import run_node
NODES = load_nodes()

def run(node, **arguments):
    with torch.inference_mode():
        return run_node(NODES[node], arguments, {{}}).values
"""


@pytest.fixture
def run(tmp_path):
    """Returns a function that runs code beside ComfyUI's modules, and returns what it prints."""
    for name, text in COMMON.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def run(code):
        done = subprocess.run(
            [sys.executable, "-c", START.format(folder=str(tmp_path)) + code],
            env=os.environ | {"ARTGRAPH_CACHE": str(tmp_path / "cache"), "ARTGRAPH_DEVICE": "cpu"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines(), done.stderr

    return run


def test_masks_have_the_type_of_comfyui():
    definitions = object_info(load_nodes())
    assert definitions["Artgraph_image_alpha"]["output"] == ["IMAGE", "MASK"]
    assert definitions["Artgraph_set_alpha"]["input"]["required"]["mask"][0] == "MASK"


def test_pictures_with_four_channels_and_masks_are_plain_values(run):
    lines, _ = run(
        "picture = torch.rand(2, 8, 8, 4)\n"
        "image, mask = run('image_alpha', image=picture)\n"
        "print(type(image).__name__, tuple(image.shape), type(mask).__name__, tuple(mask.shape))\n"
        "print(float((1 - mask - picture[..., 3]).abs().max()) < 0.0021)\n"
        "(joined,) = run('set_alpha', image=image, mask=mask)\n"
        "print(tuple(joined.shape), float((joined - picture).abs().max()) < 0.0041)\n"
    )
    assert lines == ["Tensor (2, 8, 8, 3) Tensor (2, 8, 8)", "True", "(2, 8, 8, 4) True"]


def test_pictures_and_masks_of_other_packs_are_accepted(run):
    """Grey pictures, with alpha too, single masks, and masks with a channel."""
    lines, _ = run(
        "for channels in (1, 2, 3, 4):\n"
        "    picture = torch.rand(1, 8, 8, channels)\n"
        "    print(tuple(run('pick_images', image=picture)[0].shape))\n"
        "for mask in (torch.ones(8, 8), torch.ones(1, 1, 8, 8), torch.ones(1, 8, 8).half()):\n"
        "    (joined,) = run('set_alpha', image=torch.rand(1, 8, 8, 3), mask=mask)\n"
        "    print(float(joined[..., 3].max()))\n"
        "try: run('pick_images', image=torch.rand(1, 8, 8, 5))\n"
        "except Exception as error: print(error)\n"
    )
    assert lines[:4] == ["(1, 8, 8, 3)", "(1, 8, 8, 4)", "(1, 8, 8, 3)", "(1, 8, 8, 4)"]
    assert lines[4:7] == ["0.0"] * 3
    assert "an image must have shape (N, H, W, 3 or 4), not (1, 8, 8, 5)" in lines[7]


def test_a_node_that_cannot_use_alpha_says_so(run):
    lines, log = run(
        "import logging; logging.basicConfig()\n"
        "picture = torch.zeros(1, 40, 40, 4)\n"
        "style = torch.rand(1, 40, 40, 3)\n"
        "(image,) = run('style_transfer', content=picture, style=style, steps=1)\n"
        "print(tuple(image.shape))\n"
    )
    assert lines == ["(1, 40, 40, 3)"]
    assert "the node can't use transparency, so it gets `content` in front of white" in log
