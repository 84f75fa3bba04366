"""Descriptions of nodes, as lines, as JSON and as a page of Markdown."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from ..contract.categories import CATEGORIES, by_category
from ..contract.parameter import Widget
from ..contract.signature import Port
from ..contract.spec import NodeSpec


def node_list(registry: Mapping[str, NodeSpec]) -> list[str]:
    """Returns all nodes by category, one line each."""
    lines: list[str] = []
    width = max(map(len, registry), default=0)
    for category, specs in by_category(registry.values()).items():
        lines += [*([""] if lines else []), _heading(category)]
        lines += [f"  {spec.id:{width}}  {spec.summary}" for spec in specs]
    return lines


def node_rows(registry: Mapping[str, NodeSpec]) -> list[str]:
    """Returns nodes in the order of the registry, one line each."""
    width = max(map(len, registry), default=0)
    return [f"  {spec.id:{width}}  {spec.summary}" for spec in registry.values()]


def node_lines(spec: NodeSpec) -> list[str]:
    """Returns the full description of one node."""
    lines = [f"{spec.id} (version {spec.version}): {spec.title}", "", spec.doc]
    if spec.inputs:
        lines += ["", "inputs (wire them under `from`)"]
        lines += [
            f"  {port.name}: {_sockets(port)}{', optional' if port.optional else ''}"
            for port in spec.inputs.values()
        ]
    if spec.widgets:
        lines += ["", "widgets (set them under `with`, or wire them)"]
        for widget in spec.widgets.values():
            lines += [f"  {widget.name}: {_values(widget)}", f"      {widget.description}"]
            lines += [f"      - {line}" for line in widget.choice_lines]
    lines += ["", "outputs"]
    for port in spec.outputs.values():
        about = "; ".join(socket.about for socket in port.sockets)
        empty = ", may be empty" if port.may_be_empty else ""
        lines += [f"  {port.name}: {_sockets(port)}{empty} - {about}"]
    return lines


def node_data(spec: NodeSpec) -> dict[str, Any]:
    """Returns the full description of one node, ready for JSON."""
    return {
        "id": spec.id,
        "title": spec.title,
        "category": spec.category,
        "words": list(spec.words),
        "version": spec.version,
        "doc": spec.doc,
        "inputs": {
            port.name: {"sockets": [s.name for s in port.sockets], "optional": port.optional}
            for port in spec.inputs.values()
        },
        "widgets": {
            widget.name: {
                "kind": widget.kind,
                "required": widget.required,
                **({} if widget.required else {"default": widget.default}),
                **({"choices": list(widget.choices)} if widget.choices else {}),
                **widget.limits,
                "description": widget.description,
                **({"lines": widget.lines} if widget.lines else {}),
            }
            for widget in spec.widgets.values()
        },
        "outputs": {
            port.name: {"sockets": [s.name for s in port.sockets]} for port in spec.outputs.values()
        },
    }


def reference_page(registry: Mapping[str, NodeSpec]) -> str:
    """Returns the full description of all nodes as a page of Markdown."""
    groups = by_category(registry.values())
    lines = ["# Node reference", ""]
    lines += _wrapped(
        "`make docs` writes this page from the code of the nodes. `artgraph nodes NODE` prints the"
        " description of one node. Wire inputs under `from`. Set widgets under `with`, or wire"
        " them too. [data.md](data.md) describes each kind of value."
    )
    lines.append("")
    for category, specs in groups.items():
        links = ", ".join(f"[{spec.id}](#{spec.id})" for spec in specs)
        lines += _wrapped(f"- {category}: {links}", "  ")
    for category, specs in groups.items():
        lines += ["", f"## {_heading(category)}"]
        for spec in specs:
            lines += ["", *_section(spec)]
    return "\n".join(lines) + "\n"


def _heading(category: str) -> str:
    about = CATEGORIES.get(category)
    return f"{category}: {about}" if about else category


def _section(spec: NodeSpec) -> Iterator[str]:
    yield f"### {spec.id}"
    yield ""
    yield f"{spec.title}, version {spec.version}."
    for paragraph in spec.doc.replace("\nPaper:", "\n\nPaper:").split("\n\n"):
        yield ""
        yield from _wrapped(" ".join(paragraph.split()))
    groups = {
        "Inputs": [
            f"- `{port.name}`: {_sockets(port)}{', optional' if port.optional else ''}"
            for port in spec.inputs.values()
        ],
        "Widgets": [
            line
            for widget in spec.widgets.values()
            for line in (
                f"- `{widget.name}` ({_values(widget)}): {widget.description}".rstrip(": "),
                *(f"  - {line}" for line in widget.choice_lines),
            )
        ],
        "Outputs": [
            f"- `{port.name}`: {_sockets(port)}{', may be empty' if port.may_be_empty else ''}"
            for port in spec.outputs.values()
        ],
    }
    for name, items in groups.items():
        if items:
            yield from ("", f"{name}:", "")
        for item in items:
            yield from _wrapped(item, "    " if item.startswith(" ") else "  ")


def _wrapped(text: str, indent: str = "") -> list[str]:
    """Returns Markdown in lines of at most 100 characters, with `<` escaped."""
    return textwrap.wrap(
        text.replace("<", "&lt;"),
        100,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sockets(port: Port) -> str:
    return " or ".join(socket.name for socket in port.sockets)


def _values(widget: Widget) -> str:
    """Returns the values that a widget accepts and its default, in one line."""
    kind = " | ".join(map(str, widget.choices)) if widget.choices else widget.kind
    return ", ".join([kind, *_limits(widget.limits), _default(widget)])


def _limits(limits: Mapping[str, Any]) -> Iterator[str]:
    """Yields the limits of a widget's value as text."""
    low, high = limits.get("ge"), limits.get("le")
    if low is not None and high is not None:
        yield f"{low} to {high}"
    else:
        yield from [f"at least {low}"] if low is not None else []
        yield from [f"at most {high}"] if high is not None else []
    for name, text in _LIMIT_TEXTS.items():
        if name in limits:
            yield text.format(limits[name])


_LIMIT_TEXTS = {
    "gt": "over {}",
    "lt": "under {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} characters",
    "max_length": "at most {} characters",
}


def _default(widget: Widget) -> str:
    """Returns a widget's default as one would write it in a graph."""
    if widget.required:
        return "required"
    if widget.default is None or widget.default == "":
        return "empty by default"
    return f"default {json.dumps(widget.default).strip(chr(34))}"
