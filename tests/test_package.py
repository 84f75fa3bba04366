"""The package as others see it: its folders, its public names, and what starts without torch."""

import ast
import inspect
import itertools
import json
import re
import subprocess
import sys
import tomllib
from types import ModuleType

import pytest
from imports import ROOT


def test_the_packages_are_those_of_the_tree():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    tree = {
        ".".join(["artgraph", *path.parent.relative_to(ROOT).parts])
        for path in ROOT.rglob("__init__.py")
        if not path.relative_to(ROOT).parts[0].startswith(".")
        and path.relative_to(ROOT).parts[0] not in ("build", "tests")
    }
    assert set(listed) == tree
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "__main__.py", "api.py"}


def test_the_constraints_are_those_of_every_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = {re.match(r"[\w-]+", line)[0].lower() for line in itertools.chain(*lists)}
    lines = (ROOT / "constraints.txt").read_text().lower().splitlines()
    pinned = {line.split("==")[0] for line in lines if not line.startswith("#")}
    assert pinned == wanted - {"artgraph"}


@pytest.mark.parametrize("words", [["--help"], ["nodes"], ["validate", "style_remix"], ["schema"]])
def test_what_needs_no_torch_imports_none(words):
    code = (
        "import sys, json\n"
        "from artgraph.cli.main import main\n"
        "sys.argv = ['artgraph', *sys.argv[1:]]\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & {"torch", "numpy", "PIL", "networkx", "rich"}


def test_the_package_offers_what_comfyui_asks_for_and_the_version():
    import artgraph

    names = {
        name
        for name, value in vars(artgraph).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert names == {"WEB_DIRECTORY", "comfy_entrypoint"}
    assert inspect.iscoroutinefunction(artgraph.comfy_entrypoint)
    assert (ROOT / artgraph.WEB_DIRECTORY / "docs").is_dir()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert artgraph.__version__ == project["version"]
    with pytest.raises(AttributeError, match="no attribute 'nowhere'"):
        artgraph.nowhere  # noqa: B018


def test_comfyui_gets_the_nodes_of_artgraph():
    code = (
        "import artgraph\n"
        "from artgraph.contract.registry import load_nodes\n"
        "from artgraph.editors.formats.forms import class_id\n"
        "ids = {class_id(name) for name in load_nodes()}\n"
        "assert len(ids) > 100\n"
        "assert set(artgraph.NODE_CLASS_MAPPINGS) == ids\n"
        "assert set(artgraph.NODE_DISPLAY_NAME_MAPPINGS) == ids\n"
    )  # in a process of its own, since other tests add nodes to this one
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_root_imports_nothing_at_its_top():
    tree = ast.parse((ROOT / "__init__.py").read_text())
    assert not [item for item in tree.body if isinstance(item, ast.Import | ast.ImportFrom)]


def test_the_names_that_a_pack_may_import():
    from artgraph import api

    assert sorted(api.__all__) == sorted(PUBLIC.split())
    assert all(getattr(api, name) is not None for name in api.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Store'"):
        api.Store  # noqa: B018


PUBLIC = """
Advanced Alpha Aside Background Blob Buffers Choices ChosenOf Classifier Context Dataset
Directions DivergedError Encoder
Fallback FileName Files Gan GanLatent Image InputError InputFile InputFolder InputPicture Json
Latent Mask MayBeEmpty Model Neutral NodeError Number PictureBatch Pictures Rows Seed Socket
SocketError Steps Table Text Trainee Vae VaeLatent by_part chosen_cells file_name in_parts
load_nodes node require rng train
"""
