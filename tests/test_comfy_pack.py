"""The files of the ComfyUI pack that follow from others are current."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from artgraph.editors.comfy_forms import class_id
from artgraph.editors.comfy_help import LOCALES
from artgraph.editors.comfy_pack import EXAMPLES, ROOT, WEB, made_files
from artgraph.nodes.registry import load_nodes

FILES = made_files()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMMAND = "run `python -m artgraph.editors.comfy_pack`"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_made_file_is_current(path):
    assert (ROOT / path).read_text(encoding="utf-8") == FILES[path], COMMAND


def test_nothing_is_left_over():
    for folder in (EXAMPLES, WEB / "docs"):
        there = {path.relative_to(ROOT) for path in (ROOT / folder).iterdir()}
        made = {path for path in FILES if path.parent == folder}
        assert {path.stem for path in there} == {path.stem for path in made}, COMMAND


def test_every_example_has_a_picture():
    for path in FILES:
        if path.parent == EXAMPLES:
            with Image.open((ROOT / path).with_suffix(".jpg")) as picture:
                assert picture.format == "JPEG"


def test_every_node_has_a_chinese_title_and_names():
    lacking = set()
    for spec in load_nodes().values():
        lacking |= {spec.title, *spec.inputs, *spec.widgets, *spec.outputs} - LOCALES["zh"].keys()
    assert not {word for word in lacking if len(word) > 1}, "add them to editors/comfy_words.py"


def test_requirements_are_the_projects_without_torch():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    wanted = [line for line in PROJECT["project"]["dependencies"] if not line.startswith("torch")]
    assert [line for line in lines if not line.startswith("#")] == wanted


def test_icon_and_banner_have_the_registrys_shapes():
    comfy = PROJECT["tool"]["comfy"]
    with Image.open(ROOT / comfy["Icon"]) as icon, Image.open(ROOT / comfy["Banner"]) as banner:
        assert icon.width == icon.height <= 400
        assert banner.width * 9 == banner.height * 21


def test_no_code_is_made_or_installed_at_run_time():
    for path in ROOT.glob("*/**/*.py"):
        if path.relative_to(ROOT).parts[0] in ("nodes", "models", "runner", "editors", "pictures"):
            assert not re.search(
                r"(?<![\w.])(eval|exec)\(|pip install.*subprocess", path.read_text()
            )


def test_help_pages_and_locales_know_every_node():
    names = {class_id(name) for name in load_nodes()}
    for language in LOCALES:
        path = ROOT / "locales" / language / "nodeDefs.json"
        assert json.loads(path.read_text(encoding="utf-8")).keys() == names
    assert {p.stem for p in Path(ROOT / WEB / "docs").iterdir()} == names
