"""From a graph file as written to one that can run: names resolved, values and types checked.

Binding reports every problem of a graph at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..nodes.contract import NodeSpec, Widget
from ..nodes.errors import GraphError, InputError
from ..nodes.sockets import Socket
from ..nodes.wording import shown, suggestion
from .document import Document, NodeEntry, Problem
from .folders import Folders
from .graph import BoundNode, Graph, Source
from .yaml_text import Marked, scalar

# What a wired widget accepts, by kind.
_WIDGET_SOCKETS = {
    "int": ("number",),
    "float": ("number",),
    "bool": ("number",),
    "text": ("text",),
    "choice": ("text",),
    "file": ("text",),
    "folder": ("text",),
}


class Typed(NamedTuple):
    """A value typed on the command line: as YAML reads it, to the letter, and the whole word."""

    value: Any
    raw: str
    word: str


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
    binder = _Binder(document, registry, folders)
    binder.apply(settings or {})
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

    def complain(self, entry: NodeEntry, line: int, message: str, is_input: bool = False) -> None:
        self.problems.append(Problem(self.document.file, line, entry.name, message, is_input))

    def complain_of(
        self, entry: NodeEntry, mark: Marked, message: str, is_input: bool = False
    ) -> None:
        """Complain of a value, where it was given: in the file or on the command line."""
        if isinstance(mark.value, Typed):
            problem = Problem(mark.value.word, None, entry.name, message, is_input)
            self.problems.append(problem)
        else:
            self.complain(entry, mark.line, message, is_input)

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
                self.complain(entry, entry.line, f"there is no node type {entry.type!r} - {hint}")
        graph = Graph(self.document, self.folders, nodes)
        if self.acyclic(graph):
            self.check_types(graph)
        self.settle()
        return graph

    def settle(self) -> None:
        """Leave plain values in the document, so that it can be written out."""
        for entry in self.document.nodes.values():
            spec = self.registry.get(entry.type)
            for name, mark in entry.values.items():
                if spec is not None and name in spec.widgets:
                    entry.values[name] = Marked(_meant(mark.value, spec.widgets[name]), mark.line)
        for name, mark in self.document.knobs.items():
            if isinstance(mark.value, Typed):
                self.document.knobs[name] = Marked(mark.value.value, mark.line)

    def node(self, entry: NodeEntry, spec: NodeSpec) -> BoundNode:
        node = BoundNode(entry.name, entry.line, spec)
        given: dict[str, Marked] = dict(entry.values)
        for name in [name for name in given if name in spec.inputs]:
            self.complain_of(
                entry, given[name], f"input {name!r} takes no value - wire it under `from`"
            )
            del given[name]
        for name, mark in entry.wires.items():
            self.wire(entry, spec, node, given, name, mark)
        for name, port in spec.inputs.items():
            if not port.optional and name not in entry.wires:
                kind = _either(port.sockets)
                self.complain(
                    entry,
                    entry.line,
                    f"input {name!r} is not wired - add"
                    f" `{name}:` under `from`, naming a node that gives a {kind}"
                    f"{self.givers(port.sockets)}",
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
            self.complain(
                entry,
                mark.line,
                f"{spec.id} has no input {name!r}"
                f" - {suggestion(name, [*spec.inputs, *spec.widgets])}",
            )
            return
        if name in given:
            self.complain(entry, mark.line, f"{name!r} has both a wire and a value - keep one")
        if not isinstance(mark.value, str):
            self.complain(
                entry,
                mark.line,
                f"the wire to {name!r} is {shown(mark.value)}"
                " - name a node, node.output or knobs.name; values stand under `with`",
            )
            return
        owner, _, output = mark.value.partition(".")
        if owner == "knobs":
            knob = self.document.knobs.get(output)
            if knob is None:
                self.complain(
                    entry,
                    mark.line,
                    f"there is no knob {output!r} - {suggestion(output, self.document.knobs)}",
                )
            elif name in spec.inputs:
                self.complain(
                    entry,
                    mark.line,
                    f"input {name!r} takes a"
                    f" {_either(spec.inputs[name].sockets)}, not a knob - wire a node",
                )
            else:
                given[name] = Marked(knob.value, mark.line)
            return
        source = self.source(entry, mark, owner, output)
        if source is not None:
            node.wires[name] = source

    def source(self, entry: NodeEntry, mark: Marked, owner: str, output: str) -> Source | None:
        other = self.document.nodes.get(owner)
        if other is None:
            self.complain(
                entry,
                mark.line,
                f"there is no node {owner!r} - {suggestion(owner, self.document.nodes)}",
            )
            return None
        spec = self.registry.get(other.type)
        if spec is None:
            return None  # reported at that node
        if not output and len(spec.outputs) > 1:
            choices = " or ".join(f"{owner}.{name}" for name in spec.outputs)
            self.complain(entry, mark.line, f"{owner!r} has several outputs - write {choices}")
            return None
        output = output or next(iter(spec.outputs))
        if output not in spec.outputs:
            self.complain(
                entry,
                mark.line,
                f"{owner!r} has no output {output!r} - {suggestion(output, spec.outputs)}",
            )
            return None
        return Source(owner, output)

    def values(
        self, entry: NodeEntry, spec: NodeSpec, node: BoundNode, given: dict[str, Marked]
    ) -> None:
        """Check the widget values, and find the files that paths name."""
        for name in [name for name in given if name not in spec.widgets]:
            self.complain_of(
                entry,
                given.pop(name),
                f"{spec.id} has no widget {name!r}"
                f" - {suggestion(name, [*spec.widgets, *spec.inputs])}",
            )
        plain = {name: _meant(mark.value, spec.widgets[name]) for name, mark in given.items()}
        checked, wrong = spec.check(plain)
        for name, message in wrong.items():
            if name in node.wires or (name in entry.wires and name not in given):
                continue  # its value is known when the graph runs, or its wire is reported
            mark = given.get(name, Marked(None, entry.line))
            self.complain_of(entry, mark, f"widget {name!r}: {message}")
        for name, widget in spec.widgets.items():
            if widget.kind not in ("file", "folder") or name in wrong or checked[name] is None:
                continue
            mark = given.get(name, Marked(None, entry.line))
            trusted = isinstance(mark.value, Typed)
            try:
                checked[name] = self.folders.resolve(checked[name], widget.kind, trusted)
            except InputError as error:
                self.complain_of(entry, mark, f"widget {name!r}: {error}", is_input=True)
        node.values = {name: v for name, v in checked.items() if name not in node.wires}

    def acyclic(self, graph: Graph) -> bool:
        """Report every loop of wires."""
        if graph.is_acyclic():
            return True
        for path in graph.loops():
            first = min(range(len(path)), key=lambda i: graph.nodes[path[i]].line)
            path = path[first:] + path[:first]
            entry = self.document.nodes[path[0]]
            loop = " -> ".join([*path[:20], path[0]])
            self.complain(entry, entry.line, f"its wires form a loop ({loop}) - cut one of them")
        return False

    def check_types(self, graph: Graph) -> None:
        """Every wire must carry the kind of value its end takes; type variables are bound here."""
        given: dict[Source, tuple[Socket, ...]] = {}
        for name in graph.sorted:
            node = graph.nodes[name]
            entry = self.document.nodes[name]
            bound: dict[str, tuple[Socket, ...]] = {}
            for target, source in node.wires.items():
                sockets = given.get(source)
                if sockets is None:
                    continue
                self.check_wire(entry, node.spec, target, source, sockets, bound)
            for output, port in node.spec.outputs.items():
                given[Source(name, output)] = bound.get(port.variable or "", port.sockets)

    def check_wire(
        self,
        entry: NodeEntry,
        spec: NodeSpec,
        target: str,
        source: Source,
        sockets: tuple[Socket, ...],
        bound: dict[str, tuple[Socket, ...]],
    ) -> None:
        port = spec.inputs.get(target)
        if port is None:
            accepted = _WIDGET_SOCKETS[spec.widgets[target].kind]
            fits = all(socket.name in accepted for socket in sockets)
            wanted = " or ".join(accepted)
        else:
            accepts = bound.get(port.variable or "", port.sockets)
            fits = set(sockets) <= set(accepts)
            wanted = _either(accepts)
            if fits and port.variable:
                bound[port.variable] = sockets
        if not fits:
            what = "input" if port is not None else "widget"
            hint = self.givers(port.sockets) if port is not None else ""
            self.complain(
                entry,
                entry.wires[target].line,
                f"{what} {target!r} takes a {wanted}, but {source.node}.{source.output} gives a"
                f" {_either(sockets)} - wire a node that gives a {wanted}{hint}",
            )

    def givers(self, sockets: tuple[Socket, ...]) -> str:
        """Some node types that give such a value."""
        names = [
            spec.id
            for spec in self.registry.values()
            if any(set(port.sockets) & set(sockets) for port in spec.outputs.values())
        ]
        return f" ({', '.join(sorted(names)[:3])})" if names else ""


def _either(sockets: tuple[Socket, ...]) -> str:
    return " or ".join(socket.name for socket in sockets)


def _meant(value: Any, widget: Widget) -> Any:
    """A value from the command line is a text where the widget takes one."""
    if not isinstance(value, Typed):
        return value
    return value.raw if widget.kind in ("text", "file", "folder", "choice") else value.value
