"""From a graph file as written to one that can run: names resolved, values and types checked.

Binding reports every problem of a graph at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..nodes.contract import NodeSpec, Port, Widget
from ..nodes.errors import GraphError, InputError
from ..nodes.problem import Problem
from ..nodes.wording import shown, suggestion
from .document import Document, NodeEntry
from .folders import Folders
from .graph import BoundNode, Graph, Source
from .nesting import flatten
from .wiring import check_wires, either, givers, names_of, wanted
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
    problems = list(document.problems)
    problems += apply_settings(document, {t: v for t, v in settings.items() if t not in inside})
    flat, wrong_inside = flatten(document, registry, folders)
    problems += wrong_inside
    problems += apply_settings(flat, {target: settings[target] for target in inside})
    binder = _Binder(flat, registry, folders, problems)
    graph = binder.bind()
    if binder.problems:
        raise GraphError.of(sorted(binder.problems, key=lambda p: p.line or 0))
    return graph


def apply_settings(document: Document, settings: Mapping[str, Typed]) -> list[Problem]:
    """Put `--set` values into a document; returns a problem for each that has no place in it."""
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
            known = document.knobs if owner == "knobs" else document.nodes
            kind, word = ("knob", name) if owner == "knobs" else ("node", owner)
            what, advice = f"there is no {kind} {word!r}", suggestion(word, known)
            problems.append(Problem("unknown_name", target, what, advice, typed.word))
    return problems


class _Binder:
    """Binds a flat document; `problems` are those found so far."""

    def __init__(
        self,
        document: Document,
        registry: Mapping[str, NodeSpec],
        folders: Folders,
        problems: list[Problem],
    ) -> None:
        self.document, self.registry, self.folders = document, registry, folders
        self.problems = problems

    def complain(self, entry: NodeEntry, problem: Problem, mark: Marked | None = None) -> None:
        """Complain of a node, or of what it is given, where that was given."""
        self.problems.append(self.document.place(problem, entry, mark))

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
                what = f"there is no node type {entry.type!r}"
                self.complain(entry, Problem("unknown_type", None, what, hint))
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
        meant: dict[str, Widget] = {}  # what each knob is wired to, a path before others
        for entry in self.document.nodes.values():
            spec = self.registry.get(entry.type)
            widgets = spec.widgets if spec is not None else {}
            for name, mark in entry.values.items():
                if name in widgets:
                    entry.values[name] = mark._replace(value=self.plain(mark.value, widgets[name]))
            for name, mark in entry.wires.items():
                if name in widgets and str(mark.value).startswith("knobs."):
                    knob = mark.value.removeprefix("knobs.")
                    if knob not in meant or widgets[name].kind in ("file", "folder"):
                        meant[knob] = widgets[name]
        for name, mark in self.document.knobs.items():
            if isinstance(mark.value, Typed):
                widget = meant.get(name)
                plain = self.plain(mark.value, widget) if widget else mark.value.value
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
            what = f"input {name!r} takes no value"
            problem = Problem("bad_value", name, what, "wire it under `from`")
            self.complain(entry, problem, given.pop(name))
        for name, mark in entry.wires.items():
            self.wire(entry, spec, node, given, name, mark)
        for name, port in spec.inputs.items():
            if not port.optional and name not in entry.wires:
                self.complain(entry, self.unwired(name, port))
        self.values(entry, spec, node, given)
        return node

    def unwired(self, name: str, port: Port) -> Problem:
        accepts = names_of(port.sockets)
        some = givers(accepts, self.registry)
        advice = f"add `{name}:` under `from`, naming a node that gives {wanted(accepts, some)}"
        what = f"input {name!r} is not wired"
        return Problem("missing_input", name, what, advice, accepts=accepts, givers=some)

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
            what = f"{spec.id} has no input {name!r}"
            self.complain(entry, Problem("unknown_name", name, what, hint), mark)
            return
        if name in given:
            what = f"{name!r} has both a wire and a value"
            self.complain(entry, Problem("bad_wire", name, what, "keep one"), mark)
        if not isinstance(mark.value, str):
            what = f"the wire to {name!r} is {shown(mark.value)}"
            advice = "name a node, node.output or knobs.name; values stand under `with`"
            self.complain(entry, Problem("bad_wire", name, what, advice), mark)
            return
        owner, _, output = mark.value.partition(".")
        if owner == "knobs":
            knob = self.document.knobs.get(output)
            if knob is None:
                what, hint = f"there is no knob {output!r}", suggestion(output, self.document.knobs)
                self.complain(entry, Problem("unknown_name", name, what, hint), mark)
            elif name in spec.inputs:
                kind = either(names_of(spec.inputs[name].sockets))
                what = f"input {name!r} takes {kind}, not a knob"
                self.complain(entry, Problem("bad_wire", name, what, "wire a node"), mark)
            else:
                given[name] = mark._replace(value=knob.value)
            return
        source = self.source(owner, output)
        if isinstance(source, Problem):
            self.complain(entry, replace(source, subject=name), mark)
        elif source is not None:
            node.wires[name] = source

    def source(self, owner: str, output: str) -> Source | Problem | None:
        """Returns where a wire comes from, or what is wrong with it; None if that is reported."""
        other = self.document.nodes.get(owner)
        if other is None:
            parts = [name for name in self.document.nodes if name.startswith(f"{owner}/")]
            hint = f"{owner!r} is a graph, name one of its nodes: {', '.join(parts[:12])}"
            if not parts:
                hint = suggestion(owner, self.document.nodes)
            return Problem("unknown_source", None, f"there is no node {owner!r}", hint)
        spec = self.registry.get(other.type)
        if spec is None:
            return None  # reported at that node
        if not output and len(spec.outputs) > 1:
            choices = " or ".join(f"{owner}.{name}" for name in spec.outputs)
            what = f"{owner!r} has several outputs"
            return Problem("bad_wire", None, what, f"write {choices}")
        output = output or next(iter(spec.outputs))
        if output not in spec.outputs:
            what = f"{owner!r} has no output {output!r}"
            return Problem("unknown_source", None, what, suggestion(output, spec.outputs))
        return Source(owner, output)

    def tell_loops(self, graph: Graph) -> None:
        for path in graph.loops():
            first = min(range(len(path)), key=lambda i: graph.nodes[path[i]].line)
            path = path[first:] + path[:first]
            loop = " -> ".join([*path[:20], path[0]])
            problem = Problem("loop", None, f"its wires form a loop ({loop})", "cut one of them")
            self.complain(self.document.nodes[path[0]], problem)

    def values(
        self, entry: NodeEntry, spec: NodeSpec, node: BoundNode, given: dict[str, Marked]
    ) -> None:
        """Check the widget values, and find the files that paths name."""
        for name in [name for name in given if name not in spec.widgets]:
            hint = suggestion(name, [*spec.widgets, *spec.inputs])
            what = f"{spec.id} has no widget {name!r}"
            self.complain(entry, Problem("unknown_name", name, what, hint), given.pop(name))
        plain = {name: _meant(mark.value, spec.widgets[name]) for name, mark in given.items()}
        checked, problems = spec.check(plain)
        wrong = {str(problem.subject): problem for problem in problems}
        for name, problem in wrong.items():
            if name in node.wires or (name in entry.wires and name not in given):
                continue  # its value is known when the graph runs, or its wire is reported
            what = f"widget {name!r}: {problem.what}"
            self.complain(entry, replace(problem, what=what), given.get(name))
        for name, widget in spec.widgets.items():
            if widget.kind not in ("file", "folder") or name in wrong or checked[name] is None:
                continue
            mark = given.get(name)
            trusted = mark is not None and isinstance(mark.value, Typed)
            try:
                checked[name] = self.folders.resolve(checked[name], widget.kind, trusted)
            except InputError as error:
                what = f"widget {name!r}: {error.what}"
                self.complain(entry, Problem("bad_file", name, what, error.advice), mark)
        node.values = {name: v for name, v in checked.items() if name not in node.wires}


def _meant(value: Any, widget: Widget) -> Any:
    """A value from the command line is a text where the widget takes one."""
    if not isinstance(value, Typed):
        return value
    return value.raw if widget.kind in ("text", "file", "folder", "choice") else value.value
