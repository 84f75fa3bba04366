"""Loads all nodes: those of artgraph, of installed packs, and of `--pack`.

The nodes of artgraph are the modules in the folder nodes/. An installed pack has an entry point in
the group `artgraph.nodes`; it names a module that defines nodes when it is imported. Nothing here
imports torch.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from .errors import GraphError
from .paths import typed_path
from .spec import REGISTRY, NodeSpec

NODES = Path(__file__).parent.parent / "nodes"
_loaded: set[str] = set()


def load_nodes(packs: Iterable[str] = ()) -> dict[str, NodeSpec]:
    """Returns all nodes by id: artgraph's own, those of installed packs, and those of `packs`.

    packs: names of modules, or paths of Python files.

    Raises: GraphError if one of `packs` cannot be imported. An installed pack that cannot be
    imported only causes a warning, so that other graphs still run.
    """
    for path in sorted(NODES.rglob("[!_]*.py")):
        module = ".".join(path.relative_to(NODES.parent).with_suffix("").parts)
        importlib.import_module(f"..{module}", __package__)
    if "entry points" not in _loaded:
        _loaded.add("entry points")
        _load_entry_points()
    for pack in packs:
        if not pack or pack.startswith("~") or pack.endswith(".py"):
            pack = str(typed_path(pack, "--pack "))
        if pack not in _loaded:
            _load_pack(pack)
            _loaded.add(pack)
    return REGISTRY


def _load_entry_points() -> None:
    from importlib.metadata import entry_points

    for entry in entry_points(group="artgraph.nodes"):
        try:
            entry.load()
        except Exception as error:
            warnings.warn(f"node pack {entry.name!r} was left out: {error}", stacklevel=3)


def _load_pack(pack: str) -> None:
    try:
        if pack.endswith(".py"):
            _import_file(Path(pack))
        else:
            sys.path.append("")
            try:
                importlib.import_module(pack)
            finally:
                sys.path.remove("")
    except Exception as error:
        what, advice = f"{type(error).__name__}: {error}", "correct the pack, and try again"
        if pack.endswith(".py") and not Path(pack).is_file():
            what, advice = "there is no such file", "name an existing .py file, such as ./nodes.py"
        elif isinstance(error, ModuleNotFoundError) and f"{pack}.".startswith(f"{error.name}."):
            what, advice = (
                f"there is no module {pack!r}",
                "install it, or name the .py file of the pack",
            )
            if Path(pack).is_file():
                what, advice = "this is not a pack", "name a .py file or a module"
        elif isinstance(error, ModuleNotFoundError):
            what, advice = f"it needs the module {error.name!r}", "install this module"
        raise GraphError(f"--pack {pack}: {what}", advice) from error


def _import_file(path: Path) -> ModuleType:
    name = f"artgraph_pack_{path.stem}"  # not the stem: the file may have the name of a module
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
