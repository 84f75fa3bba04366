"""Results of runs as inputs: the editor writes `sheet.png [output]`, and the graph gets a copy.

The copy is in the input folder, so the graph can be saved and run by the command line too.
"""

from __future__ import annotations

import filecmp
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from ...contract.spec import NodeSpec
from ...runner.store.temporary import discard, temporary_in
from ..formats.forms import node_id
from .paths import inside
from .services import Services

_MARKED = re.compile(r"(.+) \[(input|output|temp)\]", re.DOTALL)
_FOLDER = "results"  # in the input folder, for the copies
_CORE = ("LoadImage", "PrimitiveNode")  # other classes that may contain such a value


def brought(services: Services, value: str) -> str | None:
    """Returns the name in the input folder that a marked value means; None if there is none.

    Raises: OSError if the file can't be copied.
    """
    found = _MARKED.fullmatch(value)
    if found is None:
        return None
    name, kind = found.groups()
    settings = services.settings
    roots = [services.engine.folder(""), settings.out]
    try:
        if kind == "input":
            return name if inside(settings.input, name).exists() else None
        path = next((p for p in (inside(root, name) for root in roots) if p.is_file()), None)
    except web.HTTPForbidden:
        return None
    return None if path is None else f"{_FOLDER}/{_copy(path, settings.input / _FOLDER)}"


def with_copies(services: Services, data: Any) -> Any:
    """Returns a workflow or a prompt in which copies in the input folder replace results."""
    try:
        return _replaced(data, services.registry, lambda value: brought(services, value))
    except OSError as error:
        text = f"a result can't be copied into the input folder: {error.strerror}"
        raise web.HTTPInsufficientStorage(text=f"{text} - free some space on the disk") from error


def _copy(path: Path, folder: Path) -> str:
    """Copy a file into a folder. Returns its name there. Raises: OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = temporary_in(folder)
    try:
        shutil.copyfile(path, temporary)
        return stored(temporary, folder / path.name).name
    finally:
        discard(temporary)


def stored(temporary: Path, path: Path) -> Path:
    """Returns the path at which a file is stored now. A number is added if another has its name."""
    original, count = path, 1
    while path.exists():
        if path.is_file() and filecmp.cmp(temporary, path, shallow=False):
            return path
        count += 1
        stem, dot, endings = original.name.partition(".")
        path = original.with_name(f"{stem} ({count}){dot}{endings}")
    temporary.replace(path)
    return path


def _replaced(
    data: Any, registry: Mapping[str, NodeSpec], bring: Callable[[str], str | None]
) -> Any:
    """Replace values in the nodes of a workflow or of a prompt."""
    for kind, values in _values(data):
        spec = registry.get(node_id(kind) or "")
        if kind not in _CORE and not (spec and any(w.is_path for w in spec.widgets.values())):
            continue
        items: Any = values.items() if isinstance(values, dict) else enumerate(values)
        for key, value in list(items):
            if isinstance(value, str) and (name := bring(value)) is not None:
                values[key] = name
    return data


def _values(data: Any) -> Iterator[tuple[str, dict[str, Any] | list[Any]]]:
    """Yields the class and the values of each node that has a valid form."""
    if not isinstance(data, dict):
        return
    nodes = data.get("nodes")
    groups = [nodes if isinstance(nodes, list) else list(data.values())]
    definitions = data.get("definitions")
    inner = definitions.get("subgraphs") if isinstance(definitions, dict) else None
    for graph in inner if isinstance(inner, list) else ():
        if isinstance(graph, dict) and isinstance(graph.get("nodes"), list):
            groups.append(graph["nodes"])
    for node in (node for group in groups for node in group if isinstance(node, dict)):
        kind = node.get("class_type", node.get("type"))
        values = node.get("inputs") if "class_type" in node else node.get("widgets_values")
        if isinstance(kind, str) and isinstance(values, dict | list):
            yield kind, values
