"""Values set on the command line with `--set`, from the argument to the document of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract.errors import GraphError
from ...contract.parameter import Widget
from ...contract.problem import Problem
from ...contract.spec import NodeSpec
from ...contract.wording import suggestion
from .document import Document
from .folders import Folders
from .yaml_text import Marked, Typed, scalar


def parse_setting(text: str) -> tuple[str, Typed]:
    """Returns the target and the value of `node.widget=value` or `knobs.name=value`.

    Raises: GraphError.
    """
    target, equals, raw = text.partition("=")
    what, advice = f"--set {text}: not a setting", "write node.widget=value or knobs.name=value"
    if not equals:
        raise GraphError(what, f"{advice}; the `=` is missing")
    if target.count(".") != 1:
        missing = "" if "." in target or not target else f"; the name before .{target} is missing"
        raise GraphError(what, advice + missing)
    return target, Typed(scalar(raw), raw, f"--set {text}")


def apply_settings(document: Document, settings: Mapping[str, Typed]) -> list[Problem]:
    """Put settings into a document. Returns a problem for each target that does not exist."""
    problems = []
    for target, typed in settings.items():
        owner, name = target.split(".")
        if owner == "knobs" and name in document.knobs:
            document.knobs[name] = Marked(typed, document.knobs[name].line)
        elif owner in document.nodes:
            entry = document.nodes[owner]
            entry.wires.pop(name, None)
            entry.values[name] = Marked(typed, entry.line)
        else:
            names = document.knobs if owner == "knobs" else document.nodes
            kind, word = ("knob", name) if owner == "knobs" else ("node", owner)
            others = names if owner == "knobs" or not document.knobs else [*names, "knobs"]
            what, advice = f"there is no {kind} {word!r}", suggestion(word, others)
            if owner == "knobs" and not names:
                what, advice = "this graph has no knobs", "set NODE.WIDGET instead"
            problems.append(Problem("unknown_name", target, what, advice, typed.option))
    return problems


def value_for(widget: Widget, value: Any) -> Any:
    """Returns a value as the widget expects it: of a typed one, the text or the YAML value."""
    if not isinstance(value, Typed):
        return value
    return value.raw if widget.kind in ("text", "file", "folder", "choice") else value.value


def make_plain(document: Document, registry: Mapping[str, NodeSpec], folders: Folders) -> None:
    """Replace the typed values of a checked document by those that a graph file would contain."""

    def plain(mark: Marked, widget: Widget | None) -> Marked:
        if widget is None:
            return mark._replace(value=getattr(mark.value, "value", mark.value))
        if isinstance(mark.value, Typed) and widget.kind in ("file", "folder"):
            return mark._replace(value=folders.portable(mark.value.raw))
        return mark._replace(value=value_for(widget, mark.value))

    users: dict[str, Widget] = {}  # a widget that each knob sets, of a file or folder if possible
    for entry in document.nodes.values():
        spec = registry.get(entry.type)  # None for a muted node that is unknown here
        widgets = spec.widgets if spec is not None else {}
        for name, mark in entry.values.items():
            entry.values[name] = plain(mark, widgets.get(name))
        for name, mark in entry.wires.items():
            owner, _, knob = str(mark.value).partition(".")
            if name not in widgets:
                continue
            if owner == "knobs" and (knob not in users or widgets[name].kind in ("file", "folder")):
                users[knob] = widgets[name]
    for name, mark in document.knobs.items():
        if name in users:
            document.knobs[name] = plain(mark, users[name])
        elif isinstance(mark.value, Typed):
            document.knobs[name] = mark._replace(value=mark.value.value)
