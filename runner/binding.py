"""From a graph file as written to one that can run: names resolved, values and types checked.

Binding reports every problem of a graph at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..nodes.contract import NodeSpec, Widget
from ..nodes.errors import GraphError, InputError
from ..nodes.wording import shown, suggestion
from .document import Document, NodeEntry, Problem
from .folders import Folders
from .graph import BoundNode, Graph, Source
from .nesting import flatten
from .wiring import check_wires, either, givers
from .yaml_text import Marked, Typed, scalar


def parse_setting(text: str) -> tuple[str, Typed]:
    """`node.widget=value` or `knobs.name=value` as a target and a value."""
    target, equals, raw = text.partition("=")
    if not equals or target.count(".") != 1:
        raise GraphError(f"--set {text}: not of the form node.widget=value or knobs.name=value")
    return target, Typed(scalar(raw), raw, f"--set {text}")


def bind(
    document: Document,
    registry: Mapping[str, NodeSpec],
    folders: Folders,
    settings: Mapping[str, Typed] | None = None,
) -> Graph:
    """Check a document against the nodes there are.

    Raises: GraphError with all problems (exit code 3 where only input files are wrong).
    """
    settings = settings or {}
    inside = {t for t in settings if "/" in t and t.split(".")[0] not in document.nodes}
    outer = _Binder(document, registry, folders)
    outer.apply({target: typed for target, typed in settings.items() if target not in inside})
    flat, problems = flatten(document, registry, folders)
    binder = _Binder(flat, registry, folders)
    binder.problems = outer.problems + problems
    binder.apply({target: settings[target] for target in inside})
    graph = binder.bind()
    if binder.problems:
        problems = sorted(binder.problems, key=lambda p: p.line or 0)
        error = GraphError(*problems)
        if all(problem.is_input for problem in problems):
            error.exit_code = InputError.exit_code
        raise error
    return graph


class _Binder:
    def __init__(
        self, document: Document, registry: Mapping[str, NodeSpec], folders: Folders
    ) -> None:
        self.document, self.registry, self.folders = document, registry, folders
        self.problems = list(document.problems)

    def complain(self, entry: NodeEntry, message: str, mark: Marked | None = None) -> None:
        """Complain of a node, or of what it is given, where that was given."""
        self.problems.append(self.placed(entry, message, mark))

    def placed(self, entry: NodeEntry, message: str, mark: Marked | None = None) -> Problem:
        if mark is not None and isinstance(mark.value, Typed):
            return Problem(mark.value.word, None, entry.name, message)
        line, origin = (mark.line, mark.origin) if mark else (entry.line, entry.origin)
        return Problem(origin.file if origin else self.document.file, line, entry.name, message)

    def apply(self, settings: Mapping[str, Typed]) -> None:
        """Put `--set` values into the document."""
        for target, typed in settings.items():
            owner, name = target.split(".")
            if owner == "knobs" and name in self.document.knobs:
                self.document.knobs[name] = Marked(typed, self.document.knobs[name].line)
            elif owner in self.document.nodes:
                entry = self.document.nodes[owner]
                entry.wires.pop(name, None)
                entry.values[name] = Marked(typed, entry.line)
            else:
                known = self.document.knobs if owner == "knobs" else self.document.nodes
                what, word = ("knob", name) if owner == "knobs" else ("node", owner)
                message = f"there is no {what} {word!r} - {suggestion(word, known)}"
                self.problems.append(Problem(typed.word, None, None, message))

    def bind(self) -> Graph:
        nodes = {}
        for entry in self.document.nodes.values():
            spec = self.registry.get(entry.type)
            if spec is not None:
                nodes[entry.name] = self.node(entry, spec)
            elif entry.type:
                hint = suggestion(entry.type, self.registry)
                if not hint.startswith("did you mean"):
                    hint = "`artgraph nodes` lists all; those of a pack need --pack"
                self.complain(entry, f"there is no node type {entry.type!r} - {hint}")
        graph = Graph(self.document, self.folders, nodes)
        if graph.is_acyclic():
            check_wires(graph, self.registry, self.complain)
            graph.spare_fallbacks()
        else:
            self.tell_loops(graph)
        self.settle()
        return graph

    def settle(self) -> None:
        """Leave plain values in the document, so that it can be written out."""
        paths = set()  # knobs that are paths
        for entry in self.document.nodes.values():
            spec = self.registry.get(entry.type)
            widgets = spec.widgets if spec is not None else {}
            for name, mark in entry.values.items():
                if name in widgets:
                    entry.values[name] = mark._replace(value=self.plain(mark.value, widgets[name]))
            for name, mark in entry.wires.items():
                if name in widgets and widgets[name].kind in ("file", "folder"):
                    paths.add(str(mark.value).removeprefix("knobs."))
        for name, mark in self.document.knobs.items():
            if isinstance(mark.value, Typed):
                value = mark.value.value
                plain = self.folders.portable(mark.value.raw) if name in paths else value
                self.document.knobs[name] = Marked(plain, mark.line)

    def plain(self, value: Any, widget: Widget) -> Any:
        """A value as the document keeps it."""
        if isinstance(value, Typed) and widget.kind in ("file", "folder"):
            return self.folders.portable(value.raw)
        return _meant(value, widget)

    def node(self, entry: NodeEntry, spec: NodeSpec) -> BoundNode:
        node = BoundNode(entry.name, entry.line, spec)
        node.file = entry.origin.file if entry.origin else None
        given: dict[str, Marked] = dict(entry.values)
        for name in [name for name in given if name in spec.inputs]:
            message = f"input {name!r} takes no value - wire it under `from`"
            self.complain(entry, message, given[name])
            del given[name]
        for name, mark in entry.wires.items():
            self.wire(entry, spec, node, given, name, mark)
        for name, port in spec.inputs.items():
            if not port.optional and name not in entry.wires:
                kind = either(port.sockets)
                self.complain(
                    entry,
                    f"input {name!r} is not wired - add"
                    f" `{name}:` under `from`, naming a node that gives {kind}"
                    f"{givers(port.sockets, self.registry)}",
                )
        self.values(entry, spec, node, given)
        return node

    def wire(
        self,
        entry: NodeEntry,
        spec: NodeSpec,
        node: BoundNode,
        given: dict[str, Marked],
        name: str,
        mark: Marked,
    ) -> None:
        """Resolve one wire; a knob's value joins those given."""
        if name not in spec.inputs and name not in spec.widgets:
            hint = suggestion(name, [*spec.inputs, *spec.widgets])
            self.complain(entry, f"{spec.id} has no input {name!r} - {hint}", mark)
            return
        if name in given:
            self.complain(entry, f"{name!r} has both a wire and a value - keep one", mark)
        if not isinstance(mark.value, str):
            self.complain(
                entry,
                f"the wire to {name!r} is {shown(mark.value)}"
                " - name a node, node.output or knobs.name; values stand under `with`",
                mark,
            )
            return
        owner, _, output = mark.value.partition(".")
        if owner == "knobs":
            knob = self.document.knobs.get(output)
            if knob is None:
                hint = suggestion(output, self.document.knobs)
                self.complain(entry, f"there is no knob {output!r} - {hint}", mark)
            elif name in spec.inputs:
                kind = either(spec.inputs[name].sockets)
                self.complain(entry, f"input {name!r} takes {kind}, not a knob - wire a node", mark)
            else:
                given[name] = mark._replace(value=knob.value)
            return
        source = self.source(entry, mark, owner, output)
        if source is not None:
            node.wires[name] = source

    def source(self, entry: NodeEntry, mark: Marked, owner: str, output: str) -> Source | None:
        other = self.document.nodes.get(owner)
        if other is None:
            parts = [name for name in self.document.nodes if name.startswith(f"{owner}/")]
            hint = f"{owner!r} is a graph, name one of its nodes: {', '.join(parts[:12])}"
            if not parts:
                hint = suggestion(owner, self.document.nodes)
            self.complain(entry, f"there is no node {owner!r} - {hint}", mark)
            return None
        spec = self.registry.get(other.type)
        if spec is None:
            return None  # reported at that node
        if not output and len(spec.outputs) > 1:
            choices = " or ".join(f"{owner}.{name}" for name in spec.outputs)
            self.complain(entry, f"{owner!r} has several outputs - write {choices}", mark)
            return None
        output = output or next(iter(spec.outputs))
        if output not in spec.outputs:
            hint = suggestion(output, spec.outputs)
            self.complain(entry, f"{owner!r} has no output {output!r} - {hint}", mark)
            return None
        return Source(owner, output)

    def tell_loops(self, graph: Graph) -> None:
        for path in graph.loops():
            first = min(range(len(path)), key=lambda i: graph.nodes[path[i]].line)
            path = path[first:] + path[:first]
            loop = " -> ".join([*path[:20], path[0]])
            message = f"its wires form a loop ({loop}) - cut one of them"
            self.complain(self.document.nodes[path[0]], message)

    def values(
        self, entry: NodeEntry, spec: NodeSpec, node: BoundNode, given: dict[str, Marked]
    ) -> None:
        """Check the widget values, and find the files that paths name."""
        for name in [name for name in given if name not in spec.widgets]:
            hint = suggestion(name, [*spec.widgets, *spec.inputs])
            self.complain(entry, f"{spec.id} has no widget {name!r} - {hint}", given.pop(name))
        plain = {name: _meant(mark.value, spec.widgets[name]) for name, mark in given.items()}
        checked, wrong = spec.check(plain)
        for name, message in wrong.items():
            if name in node.wires or (name in entry.wires and name not in given):
                continue  # its value is known when the graph runs, or its wire is reported
            self.complain(entry, f"widget {name!r}: {message}", given.get(name))
        for name, widget in spec.widgets.items():
            if widget.kind not in ("file", "folder") or name in wrong or checked[name] is None:
                continue
            mark = given.get(name)
            trusted = mark is not None and isinstance(mark.value, Typed)
            try:
                checked[name] = self.folders.resolve(checked[name], widget.kind, trusted)
            except InputError as error:
                problem = self.placed(entry, f"widget {name!r}: {error}", mark)
                self.problems.append(replace(problem, is_input=True))
        node.values = {name: v for name, v in checked.items() if name not in node.wires}


def _meant(value: Any, widget: Widget) -> Any:
    """A value from the command line is a text where the widget takes one."""
    if not isinstance(value, Typed):
        return value
    return value.raw if widget.kind in ("text", "file", "folder", "choice") else value.value
