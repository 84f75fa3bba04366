"""From a graph file as written to a graph that can run: names resolved, values and types checked.

Binding reports every problem of a graph at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...contract.errors import GraphError, InputError
from ...contract.problem import Kind, Problem
from ...contract.signature import Port
from ...contract.spec import NodeSpec
from ...contract.values.files import file_stem, stem_problem
from ...contract.wording import short_repr, suggestion
from .bound import BoundNode, Graph, Source
from .document import Document, NodeEntry
from .folders import Folders
from .modes import without_modes
from .nesting import flatten
from .settings import apply_settings, make_plain, value_for
from .sources import check_pictures
from .wiring import check_wires, names_of, producers, with_article, with_producers
from .yaml_text import Marked, Typed


def bind(
    document: Document,
    registry: Mapping[str, NodeSpec],
    folders: Folders,
    settings: Mapping[str, Typed] | None = None,
) -> Graph:
    """Check a document against the node types in `registry`, with `settings` put into it.

    Raises: GraphError with all problems (exit code 3 if only input files are wrong).
    """
    settings = settings or {}
    inner = {t for t in settings if "/" in t and t.split(".")[0] not in document.nodes}
    problems = list(document.problems)
    problems += apply_settings(document, {t: v for t, v in settings.items() if t not in inner})
    flat, inner_problems = flatten(document, registry, folders)
    problems += inner_problems
    problems += apply_settings(flat, {target: settings[target] for target in inner})
    active, omitted = without_modes(flat, registry)
    binder = _Binder(active, registry, folders, problems)
    graph = binder.bind()
    if omitted.line and not active.nodes:
        what, advice = f"no node of the graph runs ({omitted.line})", "remove a `mode`"
        problems.append(Problem("other", None, what, advice, document.file))
    if binder.problems:
        raise GraphError.of(sorted(binder.problems, key=lambda p: p.line or 0))
    if settings:
        make_plain(flat, registry, folders)
    graph.document, graph.omitted = flat, omitted
    return graph


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

    def report(self, entry: NodeEntry, problem: Problem, mark: Marked | None = None) -> None:
        """Add a problem of a node, at the line of `mark` or else of the node."""
        self.problems.append(self.document.located(problem, entry, mark))

    def bind(self) -> Graph:
        nodes = {}
        for entry in self.document.nodes.values():
            spec = self.registry.get(entry.type)
            if spec is not None:
                nodes[entry.name] = self.node(entry, spec)
            elif entry.type:
                otherwise = "`artgraph nodes` lists all types; add --pack to use those of a pack"
                hint = suggestion(entry.type, self.registry, otherwise)
                what = f"there is no node type {entry.type!r}"
                self.report(entry, Problem("unknown_type", None, what, hint))
        graph = Graph(self.document, self.folders, nodes)
        if graph.is_acyclic():
            check_wires(graph, self.registry, self.report)
            graph.unwire_fallbacks()
            check_pictures(graph, self.problems, self.report)
        else:
            self.report_loops(graph)
        return graph

    def report_loops(self, graph: Graph) -> None:
        for path in graph.loops():
            first = min(range(len(path)), key=lambda i: graph.nodes[path[i]].line)
            path = path[first:] + path[:first]
            loop = " -> ".join([*path[:20], path[0]])
            what, advice = f"its wires form a loop ({loop})", "remove one of them"
            self.report(self.document.nodes[path[0]], Problem("loop", None, what, advice))

    def node(self, entry: NodeEntry, spec: NodeSpec) -> BoundNode:
        node = BoundNode(entry.name, entry.line, spec)
        node.file = entry.origin.file if entry.origin else None
        values: dict[str, Marked] = dict(entry.values)
        for name in [name for name in values if name in spec.inputs]:
            what = f"input {name!r} cannot have a value"
            problem = Problem("bad_value", name, what, "wire it under `from`")
            self.report(entry, problem, values.pop(name))
        for name, mark in entry.wires.items():
            if name in values and name in spec.widgets:
                what = f"{name!r} has both a wire and a value"
                self.report(entry, Problem("bad_wire", name, what, "remove one of them"), mark)
            source = self.source(spec, name, mark)
            if isinstance(source, Problem):
                self.report(entry, source, mark)
            elif isinstance(source, Source):
                node.wires[name] = source
            elif source is not None:
                values[name] = source
        for name, port in spec.inputs.items():
            if not port.optional and name not in entry.wires and name not in entry.values:
                self.report(entry, self.unwired(name, port))
        self.values(entry, spec, node, values)
        return node

    def unwired(self, name: str, port: Port) -> Problem:
        accepts = names_of(port.sockets)
        some = producers(accepts, self.registry)
        advice = (
            f"add `{name}:` under `from`, with a node that outputs {with_producers(accepts, some)}"
        )
        what = f"input {name!r} is not wired"
        return Problem("missing_input", name, what, advice, accepts=accepts, producers=some)

    def source(self, spec: NodeSpec, name: str, mark: Marked) -> Source | Marked | Problem | None:
        """Returns the output or the knob's value to which the input or widget `name` is wired.

        Returns a problem if there is one; None if it is reported at another node.
        """
        if name not in spec.inputs and name not in spec.widgets:
            hint = suggestion(name, [*spec.inputs, *spec.widgets])
            return Problem("unknown_name", name, f"{spec.id} has no input {name!r}", hint)
        if not isinstance(mark.value, str):
            what = f"the wire to {name!r} is {short_repr(mark.value)}"
            advice = "write a node, node.output or knobs.name; values belong under `with`"
            return Problem("bad_wire", name, what, advice)
        owner, _, output = mark.value.partition(".")
        if owner != "knobs":
            return self.output(name, owner, output)
        if output not in self.document.knobs:
            hint = suggestion(output, self.document.knobs)
            return Problem("unknown_name", name, f"there is no knob {output!r}", hint)
        if name in spec.inputs:
            kind = with_article(names_of(spec.inputs[name].sockets))
            what = f"input {name!r} takes {kind}, not a knob"
            return Problem("bad_wire", name, what, "wire a node")
        return mark._replace(value=self.document.knobs[output].value)

    def output(self, name: str, owner: str, output: str) -> Source | Problem | None:
        """Returns the output that `owner` or `owner.output` names, or a problem, as `source`."""
        other = self.document.nodes.get(owner)
        if other is None:
            inner = [node for node in self.document.nodes if node.startswith(f"{owner}/")]
            if inner:
                what = f"{owner!r} is a graph inside this graph"
                advice = f"name one of its nodes: {', '.join(inner[:12])}"
            else:
                what = f"there is no node {owner!r}"
                advice = suggestion(owner, self.document.nodes)
            return Problem("unknown_source", name, what, advice)
        spec = self.registry.get(other.type)
        if spec is None:
            return None  # reported at that node
        if not output and spec.main_output is None:
            choices = " or ".join(f"{owner}.{choice}" for choice in spec.outputs)
            return Problem("bad_wire", name, f"{owner!r} has several outputs", f"write {choices}")
        output = output or spec.main_output or ""
        if output not in spec.outputs:
            what = f"{owner!r} has no output {output!r}"
            return Problem("unknown_source", name, what, suggestion(output, spec.outputs))
        return Source(owner, output)

    def values(
        self, entry: NodeEntry, spec: NodeSpec, node: BoundNode, values: dict[str, Marked]
    ) -> None:
        """Check the widget values of a node, and find the files and folders that they name."""
        for name in [name for name in values if name not in spec.widgets]:
            hint = suggestion(name, [*spec.widgets, *spec.inputs])
            if name.isdigit() and values[name].value is None:
                hint = "write numbers without a comma, such as 1000 or 1.5"
            what = f"{spec.id} has no widget {name!r}"
            self.report(entry, Problem("unknown_name", name, what, hint), values.pop(name))
        plain = {name: value_for(spec.widgets[name], mark.value) for name, mark in values.items()}
        checked, problems = spec.check(plain)
        wrong = {str(problem.subject): problem for problem in problems}
        for name, problem in wrong.items():
            if name in node.wires or (name in entry.wires and name not in values):
                continue  # the value comes when the graph runs, or the wire is reported
            what = f"widget {name!r}: {problem.what}"
            self.report(entry, replace(problem, what=what), values.get(name))
        chosen = spec.file_name
        if chosen and chosen not in wrong and chosen not in node.wires and not checked.get(chosen):
            unfit = stem_problem(file_stem(entry.name))
            if unfit is not None:
                what = f"the name of the node can't be the name of its file: {unfit[0]}"
                self.report(entry, Problem("bad_value", chosen, what, f"set `{chosen}`"))
        for name, widget in spec.widgets.items():
            if widget.kind not in ("file", "folder") or name in wrong or checked.get(name) is None:
                continue
            mark = values.get(name)
            trusted = mark is not None and isinstance(mark.value, Typed)
            try:
                text = checked[name]
                if widget.is_shards:
                    checked[name] = self.folders.shards(text, trusted)
                    continue
                checked[name] = self.folders.resolve(
                    text, widget.kind, trusted, widget.files, or_folder=widget.is_picture
                )
            except (InputError, GraphError) as error:
                what, advice = f"widget {name!r}: {error.what}", error.advice
                if not trusted:
                    wire = str(entry.wires[name].value) if name in entry.wires else ""
                    target = wire if wire.startswith("knobs.") else f"{entry.name}.{name}"
                    advice += f", or name another with --set {target}=PATH"
                kind: Kind = "bad_file" if isinstance(error, InputError) else "bad_value"
                self.report(entry, Problem(kind, name, what, advice), mark)
        node.values = {name: v for name, v in checked.items() if name not in node.wires}
        missing = spec.missing_package(node.values)
        if missing is not None:
            self.report(entry, missing)
