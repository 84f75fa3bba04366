"""ComfyUI's folders: what widgets offer, what a path means, and where models are saved."""

import os
import re
import subprocess
import sys

import pytest
from comfy_process import Comfy
from comfy_stand_in import COMMON
from PIL import Image

from artgraph.contract.registry import load_nodes
from artgraph.editors.formats.forms import InputForm

START = """
import sys
sys.path.insert(0, {folder!r})
from artgraph.contract.errors import InputError
from artgraph.contract.registry import load_nodes
from artgraph.editors.comfy.folders import add_model_folder, choices, inputs_of, resolve
from artgraph.editors.comfy.routes import look
from artgraph.editors.formats.forms import node_form
add_model_folder()
NODES = load_nodes()

def widget(node):
    return next(w for w in NODES[node].widgets.values() if w.is_path)

def place(node, text):
    try:
        return str(resolve(text, widget(node)).relative_to({folder!r}))
    except InputError as error:
        return str(error)
"""


@pytest.fixture
def folder(tmp_path):
    """ComfyUI's folder, with pictures, models and an archive in several places."""
    for name in ("input/cats/a.png", "input/cats/sub/b.png", "elsewhere/birds/c.png", "out.png"):
        picture(tmp_path / name)
    picture(tmp_path / "output" / "set_00001_" / "dogs" / "d.png")
    for name in ("input/a.zip", "models/artgraph/mine.safetensors", "models/vae/sd.safetensors"):
        touch(tmp_path / name)
    touch(tmp_path / "input" / "mine.safetensors")
    touch(tmp_path / "output" / "old.safetensors")
    for name, text in COMMON.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), "teal").save(path)


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def run(folder, code):
    """Returns the lines that code prints beside ComfyUI's modules."""
    done = subprocess.run(
        [sys.executable, "-c", START.format(folder=str(folder)) + code],
        env=os.environ | {"ARTGRAPH_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_widgets_offer_what_is_in_comfyuis_folders(folder):
    folders, pictures, models, films, any_file = run(
        folder,
        "for node in ('load_dataset', 'load_image', 'load_model', 'load_video'):\n"
        "    print(*choices(widget(node)), sep='|')\n"
        "print(choices(NODES['load_dataset'].widgets['review']))\n",
    )
    assert (
        folders == "|cats|cats/sub|a.zip|elsewhere|elsewhere/birds|set_00001_ [output]"
        "|set_00001_/dogs [output]"
    )
    assert pictures == "|cats/a.png|cats/sub/b.png|elsewhere/birds/c.png"
    own = models.split("|")
    assert own[0] == ""
    assert "base/gan_64.safetensors" in own
    assert own[-5:] == [
        "base/vae_64.safetensors",
        "mine.safetensors",
        "mine.safetensors [input]",
        "old.safetensors [output]",
        "vae/sd.safetensors",
    ]
    assert (films, any_file) == ("", "None")


PATHS = [
    ("load_dataset", "cats", "input/cats"),
    ("load_dataset", "elsewhere", "elsewhere"),
    ("load_dataset", "elsewhere/birds", "elsewhere/birds"),
    ("load_dataset", "birds", "elsewhere/birds"),
    ("load_dataset", "set_00001_ [output]", "output/set_00001_"),
    ("load_image", "cats/a.png [input]", "input/cats/a.png"),
    ("load_image", "input/cats/a.png", "input/cats/a.png"),
    ("load_model", "mine.safetensors", "models/artgraph/mine.safetensors"),
    ("load_model", "mine.safetensors [input]", "input/mine.safetensors"),
    ("load_model", "old.safetensors", "output/old.safetensors"),
    ("load_model", "vae/sd.safetensors", "models/vae/sd.safetensors"),
    ("load_image", "no.png", "there is no file or folder 'no.png' in the input folder (.*)"),
    ("load_image", "no.png [output]", "there is no file or folder 'no.png' in .*/output -.*"),
    ("load_model", "no.safetensors", ".* in .*/models/artgraph or the input folder .*"),
    ("load_image", "OUT", "'.*out.png' is outside .* - copy it into the input folder .*, or add"
     " its folder to extra_model_paths.yaml under `artgraph`"),
    ("load_image", "../out.png", "'../out.png' is outside the folders .*"),
    ("load_image", "cats", "'cats' is a folder of pictures - choose a file; .*"),
]  # fmt: skip


def test_a_path_is_in_one_of_comfyuis_folders(folder):
    outside = str(folder / "out.png")
    asked = [(node, text.replace("OUT", outside)) for node, text, _ in PATHS]
    lines = run(folder, f"for pair in {asked!r}: print(place(*pair))")
    for (node, text, found), line in zip(PATHS, lines, strict=True):
        assert line == found or re.fullmatch(found, line), (node, text, line)


def test_the_sheet_of_a_folder_before_it_is_loaded(folder):
    for number in range(20):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"input/cats/more{number}.png")
    (folder / "input/dogs").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "input/dogs/a.png")
    about, only, problem, outside, other = run(
        folder,
        "node = {'node': 'Artgraph_load_dataset', 'widget': 'folder'}\n"
        "def ask(**more): return look(node | more)\n"
        "found = ask(folder='cats')\n"
        "print(found['line'], found['sheet'][:23])\n"
        "print(ask(folder='dogs')['line'])\n"
        "print(ask(folder='nowhere')['problem'])\n"
        "print(ask(folder='/')['problem'])\n"
        "print(ask(folder='cats', node='Artgraph_math')['problem'])\n",
    )
    line = "22 pictures (18 shown): pictures 21, sub 1"
    assert about == f"{line} data:image/webp;base64,"
    assert only == "dogs: 1 picture"
    assert "there is no folder 'nowhere'" in problem
    assert "is outside the folders" in outside
    assert other == "this node does not load a folder"


@pytest.mark.parametrize("form", ["v1", "v3"])
def test_a_saved_model_is_loaded_by_its_name(folder, form):
    complete = {}
    for name in ("procedural_art", "train_vae", "save_model", "load_model"):
        widgets = load_nodes()[name].widgets
        complete[name] = {n: w.default for n, w in widgets.items() if not w.required}
    art = {"class_type": "Artgraph_procedural_art", "inputs": complete["procedural_art"]}
    art["inputs"] |= {"count": 4, "size": 32, "styles": ""}
    train = {"class_type": "Artgraph_train_vae", "inputs": complete["train_vae"]}
    train["inputs"] |= {"dataset": ["1", 0], "steps": 1, "batch": 2}
    save = {"class_type": "Artgraph_save_model", "inputs": complete["save_model"]}
    save["inputs"] |= {"model": ["2", 0], "name": "my/vae"}
    prompt = {"1": art, "2": train, "3": save}
    with Comfy(form, folder, folder / "cache") as comfy:
        assert "error" not in comfy.run(prompt)
        assert (folder / "models" / "artgraph" / "my" / "vae_00001_.safetensors").is_file()
        load = {
            "class_type": "Artgraph_load_model",
            "inputs": {"path": "my/vae_00001_.safetensors"},
        }
        sample = {"class_type": "Artgraph_vae_sample", "inputs": {"vae": ["4", 1], "count": 1}}
        sample["inputs"] |= {"style": "each", "guidance": 1.5, "seed": 0}
        assert "the VAE has no prior" in comfy.run({"4": load, "5": sample})["error"]
        wrong = {
            "class_type": "Artgraph_save_model",
            "inputs": {**save["inputs"], "model": ["4", 0]},
        }
        answer = comfy.run({"4": load, "5": wrong})["error"]
        assert "model is wired to the output gan, which has no value" in answer
        assert "wire the output vae of that node" in answer


@pytest.mark.parametrize(
    ("kind", "options", "fitting", "others"),
    [
        (
            "COMBO",
            {"artgraph_paths": True},
            ["STRING", "STRING,COMBO", ["a", "b"], "*"],
            ["INT", "IMAGE"],
        ),
        ("COMBO", {}, ["COMBO", "STRING,COMBO"], ["STRING"]),
        ("IMAGE", {}, ["IMAGE", "COMFY_MATCHTYPE_V3"], ["MASK", ["a"]]),
        ("A,B", {}, ["A", "B,C"], ["C"]),
    ],
)
def test_a_text_can_be_wired_to_a_path_and_not_to_another_list(kind, options, fitting, others):
    form = InputForm("it", kind, options, False, True)
    assert all(map(form.accepts, fitting))
    assert not any(map(form.accepts, others))
