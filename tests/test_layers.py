"""Who may import whom, and what must stay unimported; read off the source."""

import ast
import inspect
import itertools
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("models", "pictures", "nodes", "runner", "editors")
MAY_IMPORT = {
    "models": {"models"},
    "pictures": {"pictures"},
    "nodes": {"models", "pictures", "nodes"},
    "runner": {"models", "pictures", "nodes", "runner"},
    "editors": {"models", "pictures", "nodes", "runner", "editors"},
}
CONTRACT = {
    "contract",
    "context",
    "errors",
    "problem",
    "sockets",
    "batches",
    "wording",
    "registry",
}
ON_TOP = {
    "cli.py",
    "file_commands.py",
    "load.py",
}  # the command line, and what it is given, may import all
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def imports(path):
    """(module path inside the package, the name imported) of every import of ours."""
    for item in ast.walk(ast.parse(path.read_text())):
        if isinstance(item, ast.ImportFrom) and item.level:
            base = path.relative_to(ROOT).parts[: -item.level]
            module = [*base, *(item.module or "").split(".")]
            for alias in item.names:
                yield [part for part in module if part], alias.name
        elif isinstance(item, ast.Import | ast.ImportFrom):
            names = (
                [item.module] if isinstance(item, ast.ImportFrom) else [a.name for a in item.names]
            )
            assert not any(str(name).split(".")[0] == "artgraph" for name in names), path


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_layers(path):
    room = path.relative_to(ROOT).parts[0]
    for module, name in imports(path):
        target = module[0] if module else name
        if target not in ROOMS or path.name in ON_TOP:
            continue
        assert target in MAY_IMPORT[room], f"{path.name} imports {target}"
        if room == "runner" and target == "nodes":
            used = module[1] if len(module) > 1 else name
            assert used in CONTRACT, f"{path.name} imports nodes.{used}, past the registry"
        if room == "runner" and target == "models":
            assert module[1:] in (["numerics"], ["training"]), f"{path.name} imports {module}"


def test_nothing_below_the_store_imports_it():
    """Neither in a function nor for annotations only."""
    store = ROOT / "runner/store.py"
    below, unread = set(), {store}
    while unread:
        for module, name in imports(unread.pop()):
            for words in (module, [*module, name]):
                path = ROOT.joinpath(*words).with_suffix(".py")
                if path.is_file() and path not in below:
                    below.add(path)
                    unread.add(path)
    assert ROOT / "runner/index.py" in below
    assert store not in below


def test_the_packages_are_those_of_the_tree():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    tree = {
        ".".join(["artgraph", *path.parent.relative_to(ROOT).parts])
        for path in ROOT.rglob("__init__.py")
        if not path.relative_to(ROOT).parts[0].startswith(".")
        and path.relative_to(ROOT).parts[0] not in ("build", "tests")
    }
    assert set(listed) == tree
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "__main__.py"}


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
        "from artgraph.runner.cli import main\n"
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
    from artgraph.editors.comfy_forms import class_id
    from artgraph.nodes.registry import load_nodes

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
    ids = {
        class_id(name)
        for name, spec in load_nodes().items()
        if spec.function.__module__.startswith("artgraph.")
    }
    assert set(artgraph.NODE_CLASS_MAPPINGS) == ids
    assert set(artgraph.NODE_DISPLAY_NAME_MAPPINGS) == ids
    with pytest.raises(AttributeError, match="no attribute 'nowhere'"):
        artgraph.nowhere  # noqa: B018


def test_the_root_imports_nothing_at_its_top():
    tree = ast.parse((ROOT / "__init__.py").read_text())
    assert not [item for item in tree.body if isinstance(item, ast.Import | ast.ImportFrom)]
