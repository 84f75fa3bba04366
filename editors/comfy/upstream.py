"""What `{source}` means in ComfyUI: the picture on which a node depends, by the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from ...contract.errors import NodeError
from ...contract.registry import load_nodes
from ...contract.values.files import file_stem
from ...contract.values.safe_names import safe_names
from ...runner.graph.sources import original_of, picture_widget
from ..formats.api_json import is_link
from ..formats.core_nodes import CORE, FOLDER_MARK
from ..formats.forms import node_id
from ..formats.names import node_name


def source_in(hidden: Mapping[str, Any], chosen: str | None) -> str:
    """Returns the name of the picture on which the running node depends, without its ending.

    chosen: the title of the node that loads it, if there may be several.

    Raises: NodeError if there is not exactly one.
    """
    prompt = hidden.get("prompt")
    found = _pictures(prompt if isinstance(prompt, dict) else {}, str(hidden.get("unique_id")))
    if chosen is not None:
        found = [(name, path) for name, path in found if name == chosen]
    if len(found) == 1:
        ((name, path),) = found
        return safe_names([original_of(PurePosixPath(path).name)])[0] if path else file_stem(name)
    if not found:
        what = "{source} is the name of a picture file, but this node does not depend on " + (
            f"a node {chosen!r} that loads one" if chosen else "any"
        )
        raise NodeError(what, "write another name, or connect a node that loads a picture")
    names = " or ".join(repr(name) for name, _ in found)
    advice = f"write another name, or a title, such as {{source:{found[0][0]}}}"
    raise NodeError(f"{{source}} may be the picture of {names}", advice)


def _pictures(prompt: Mapping[str, Any], start: str) -> list[tuple[str, str]]:
    """Returns the nodes that load a picture for a node: their names and the paths of the files.

    The path is empty if the file is not known before the graph runs, or if there is none.
    """
    found: list[tuple[str, str]] = []
    seen, waiting = {start}, [start]
    while waiting:
        node = prompt.get(waiting.pop())
        node = node if isinstance(node, dict) else {}
        inputs = node.get("inputs")
        if not isinstance(inputs, dict):
            continue
        kind, title = str(node.get("class_type")), str((node.get("_meta") or {}).get("title") or "")
        links = dict(inputs)
        if (widget := _picture_widget(kind)) is not None:
            path = inputs.get(widget)
            path = FOLDER_MARK.sub("", path).replace("\\", "/") if isinstance(path, str) else ""
            found.append((node_name(title, _our_id(kind)), path))
            if path:  # then what is wired to its fallback is not used
                spec = load_nodes().get(_our_id(kind))
                links = {n: v for n, v in inputs.items() if not spec or n not in spec.fallbacks}
        new = {str(link[0]) for link in links.values() if is_link(link)} - seen
        seen |= new
        waiting += sorted(new, reverse=True)
    return found


def _our_id(kind: str) -> str:
    return CORE[kind].node if kind in CORE else node_id(kind) or kind


def _picture_widget(kind: str) -> str | None:
    """Returns the name of the widget of a class with the path of a picture file, if it has one."""
    spec = load_nodes().get(_our_id(kind))
    widget = picture_widget(spec) if spec else None
    if kind in CORE and widget is not None:
        return next((name for name, ours in CORE[kind].inputs.items() if ours == widget), None)
    return widget
