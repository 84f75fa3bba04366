"""Files that ComfyUI saved are run from ComfyUI's folders, and find what ComfyUI finds."""

import json
import shutil

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from artgraph.runner.graph.folders import SHIPPED

PROMPT = {
    "1": {"class_type": "Artgraph_load_model", "inputs": {"path": "mine.safetensors"}},
    "2": {"class_type": "Artgraph_sample_latent", "inputs": {"gan": ["1", 0], "count": 1}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 1], "filename_prefix": "x"}},
}


@pytest.fixture
def base(tmp_path):
    """ComfyUI's base folder, with a model and a picture that was drawn with it."""
    folder = tmp_path / "comfy"
    for name in ("models/artgraph", "input", "output/sub"):
        (folder / name).mkdir(parents=True)
    shutil.copy(SHIPPED / "base/gan_64.safetensors", folder / "models/artgraph/mine.safetensors")
    info = PngInfo()
    info.add_text("prompt", json.dumps(PROMPT))
    Image.new("RGB", (4, 4)).save(folder / "output/sub/saved.png", pnginfo=info)
    return folder


def test_a_saved_picture_finds_its_model_in_comfyuis_folders(cli, base, tmp_path):
    done = cli("run", base / "output/sub/saved.png", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/saved/x.png").is_file()


def test_a_picture_from_elsewhere_says_where_to_run_it(cli, base, tmp_path):
    shutil.copy(base / "output/sub/saved.png", tmp_path / "saved.png")
    done = cli("plan", tmp_path / "saved.png")
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert "there is no file 'mine.safetensors'" in done.stderr
    assert "run a file of ComfyUI from ComfyUI's output folder" in done.stderr


def test_nothing_outside_of_comfyuis_folders_is_read(cli, base, tmp_path):
    (base / "models/artgraph/mine.safetensors").rename(base / "mine.safetensors")
    for path in ("../mine.safetensors", str(base / "mine.safetensors")):
        prompt = PROMPT | {"1": PROMPT["1"] | {"inputs": {"path": path}}}
        (base / "output/graph.json").write_text(json.dumps(prompt))
        done = cli("plan", base / "output/graph.json")
        assert done.returncode != 0
        assert "is outside the folders that a graph may read" in done.stderr


def test_a_name_that_may_be_two_models_is_refused(cli, base):
    shutil.copy(base / "models/artgraph/mine.safetensors", base / "output/mine.safetensors")
    done = cli("plan", base / "output/sub/saved.png")
    assert done.returncode != 0
    assert "'mine.safetensors' may be " in done.stderr
    assert "/models/artgraph/mine.safetensors or " in done.stderr
