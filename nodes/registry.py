"""Which nodes there are: ours, those of installed packs, and those of `--pack`.

Ours are all modules of this folder; packs join by the entry point group `artgraph.nodes`, whose
entries name a module that defines nodes on import. Nothing here imports torch.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from .contract import REGISTRY, NodeSpec
from .errors import GraphError

_loaded: set[str] = set()


def load_nodes(packs: Iterable[str] = ()) -> dict[str, NodeSpec]:
    """All nodes by id, after importing ours, the installed packs' and those of `packs`.

    A pack is a module's name, or the path of a Python file.

    Raises: GraphError where one of `packs` can't be imported; an installed pack that fails is a
    warning, so that one broken pack stops nobody.
    """
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f".{module.name}", __package__)
    if "entry points" not in _loaded:
        _loaded.add("entry points")
        _load_entry_points()
    for pack in packs:
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
        raise GraphError(
            f"--pack {pack}: {type(error).__name__}: {error}", "mend the pack"
        ) from error


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
