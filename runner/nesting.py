"""Graphs inside graphs: `node: ./other.yaml` is replaced by the nodes of that file.

The inner nodes are named `outer/inner` wherever a node is named. What stands at the outer node
goes inside: `with` and `from` take the inner graph's knobs by name, and the widgets and inputs of
its nodes as `inner.name`. An inner node that fed nothing but an input wired anew is left out.
The flat graph is an ordinary one: it runs, is planned, cached and written like any other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..nodes.contract import NodeSpec
from ..nodes.errors import ArtgraphError, GraphError
from ..nodes.problem import Problem
from ..nodes.wording import suggestion
from .document import MAX_NODES, Document, NodeEntry, read_document
from .folders import Folders
from .yaml_text import Marked, Origin

_MOST_DEEP = 32
_MOST_GRAPHS = 10_000


def is_graph(kind: str) -> bool:
    """Whether a node's type names a graph file."""
    return kind.endswith((".yaml", ".yml"))


def flatten(
    document: Document, registry: Mapping[str, NodeSpec], folders: Folders
) -> tuple[Document, list[Problem]]:
    """The document with the nodes of its inner graphs, and what is wrong with these."""
    if not any(is_graph(entry.type) for entry in document.nodes.values()):
        return document, []
    flattener = _Flattener(document, registry, folders)
    flattener.go_through()
    flattener.leave_out()
    return replace(document, nodes=flattener.nodes), flattener.problems


def files_inside(
    document: Document, registry: Mapping[str, NodeSpec], folders: Folders
) -> list[Path]:
    """The files of all graphs inside a document, however deep, that can be read."""
    flattener = _Flattener(document, registry, folders)
    flattener.go_through()
    return list(flattener.files)


@dataclass
class _Flattener:
    document: Document
    registry: Mapping[str, NodeSpec]
    folders: Folders
    nodes: dict[str, NodeEntry] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)  # nodes that a wire was taken from
    files: dict[Path, Document] = field(default_factory=dict)

    def complain(self, entry: NodeEntry, mark: Marked, problem: Problem) -> None:
        self.problems.append(self.document.place(problem, entry, mark))

    def go_through(self) -> None:
        """Replace graphs by their nodes until none is left, in the order as written."""
        graphs = 0
        outermost: tuple[Path, ...] = (Path(self.document.file).resolve(),)
        waiting = [(entry, outermost) for entry in reversed(self.document.nodes.values())]
        while waiting:
            entry, chain = waiting.pop()
            if not is_graph(entry.type):
                self.nodes[entry.name] = entry
                continue
            path = self.find(entry, chain)
            if path is not None:
                inner = self.inside(entry, path)
                waiting += [(node, (*chain, path)) for node in reversed(inner)]
            graphs += 1
            if graphs > _MOST_GRAPHS or len(self.nodes) + len(waiting) > MAX_NODES:
                what = f"over {_MOST_GRAPHS} graphs or {MAX_NODES} nodes in it"
                file = self.document.file
                raise GraphError.of([Problem("bad_form", None, what, "take some out", file)])

    def find(self, entry: NodeEntry, chain: tuple[Path, ...]) -> Path | None:
        """The file of a graph, read; None where something is wrong with it."""
        here = Marked(None, entry.line, entry.origin)
        folder = entry.origin.folder if entry.origin else self.document.folder
        try:
            path = self.folders.resolve(_from_top(entry.type, folder, self.folders), "file")
            if path in chain or len(chain) > _MOST_DEEP:
                names = " -> ".join(p.name for p in (*chain[chain.index(path) :], path))
                what = f"the graph contains itself ({names})"
                self.complain(entry, here, Problem("bad_form", None, what, "take it out"))
                return None
            if path not in self.files:
                self.files[path] = read_document(path)
        except ArtgraphError as error:
            self.complain(entry, here, Problem("bad_form", None, error.what, error.advice))
            return None
        except ValueError as error:
            self.complain(entry, here, Problem("bad_form", None, str(error)))
            return None
        return path

    def inside(self, entry: NodeEntry, path: Path) -> list[NodeEntry]:
        """The nodes of the graph that `entry` stands for, as parts of the outer one."""
        inner = self.files[path]
        above = entry.origin.file if entry.origin else self.document.file
        origin = Origin(f"{above}:{entry.line}: {entry.type}", path.parent)
        self.problems += [
            replace(
                problem,
                file=origin.file,
                node=f"{entry.name}/{problem.node}" if problem.node else entry.name,
            )
            for problem in inner.problems
        ]
        nodes = {
            name: self.renamed(node, entry, inner, origin) for name, node in inner.nodes.items()
        }
        for given, is_wire in ((entry.values, False), (entry.wires, True)):
            for key, mark in given.items():
                self.put_inside(entry, inner, nodes, key, mark, is_wire)
        return list(nodes.values())

    def renamed(
        self, node: NodeEntry, outer: NodeEntry, inner: Document, origin: Origin
    ) -> NodeEntry:
        """An inner node under its full name, its wires by full names, knobs as what they are."""
        name = f"{outer.name}/{node.name}"
        values = {key: self.placed(node, key, m, origin) for key, m in node.values.items()}
        wires: dict[str, Marked] = {}
        entry = replace(node, name=name, wires=wires, values=values, origin=origin)
        for key, mark in node.wires.items():
            mark = mark._replace(origin=origin)
            owner, _, output = str(mark.value).partition(".")
            if owner != "knobs":
                if owner.split("/")[0] in inner.nodes:
                    mark = mark._replace(value=f"{outer.name}/{mark.value}")
                elif isinstance(mark.value, str):
                    hint = suggestion(owner, inner.nodes)
                    what = f"there is no node {owner!r}"
                    self.complain(entry, mark, Problem("unknown_source", key, what, hint))
                    continue
                wires[key] = mark
            elif key in values:
                what = f"{key!r} has both a wire and a value"
                self.complain(entry, mark, Problem("bad_wire", key, what, "keep one"))
            elif output in outer.wires:
                wires[key] = outer.wires[output]
            elif output in outer.values:
                values[key] = outer.values[output]
            elif output in inner.knobs:
                values[key] = self.placed(node, key, inner.knobs[output], origin)
            else:
                hint = suggestion(output, inner.knobs)
                what = f"there is no knob {output!r}"
                self.complain(entry, mark, Problem("unknown_name", key, what, hint))
        return entry

    def placed(self, node: NodeEntry, key: str, mark: Marked, origin: Origin) -> Marked:
        """A value that knows its file; a path is made relative to the outermost graph."""
        spec = self.registry.get(node.type)
        widget = spec.widgets.get(key) if spec is not None else None
        if widget is not None and widget.kind in ("file", "folder") and mark.value:
            path = _from_top(str(mark.value), origin.folder, self.folders)
            mark = mark._replace(value=path)
        return mark._replace(origin=origin)

    def put_inside(
        self,
        outer: NodeEntry,
        inner: Document,
        nodes: dict[str, NodeEntry],
        key: str,
        mark: Marked,
        is_wire: bool,
    ) -> None:
        """Give what stands at the outer node to the inner node that `key` names."""
        path, dot, name = key.rpartition(".")
        if not dot:
            if key not in inner.knobs:
                hint = suggestion(key, inner.knobs)
                what = f"{outer.type} has no knob {key!r}"
                self.complain(outer, mark, Problem("unknown_name", key, what, hint))
            return
        first, _, rest = path.partition("/")
        if first not in nodes:
            hint = suggestion(first, nodes)
            what = f"{outer.type} has no node {first!r}"
            self.complain(outer, mark, Problem("unknown_name", key, what, hint))
            return
        entry, name = nodes[first], f"{rest}.{name}" if rest else name
        before = entry.wires.pop(name, None)
        entry.values.pop(name, None)
        if before is not None:
            self.replaced.append(str(before.value).partition(".")[0])
        (entry.wires if is_wire else entry.values)[name] = mark

    def leave_out(self) -> None:
        """Drop the inner nodes that nothing needs any more."""
        needed_by: dict[str, set[str]] = {}
        for entry in self.nodes.values():
            for mark in entry.wires.values():
                source = str(mark.value).partition(".")[0]
                needed_by.setdefault(source, set()).add(entry.name)
        waiting = list(self.replaced)
        while waiting:
            name = waiting.pop()
            if "/" not in name or needed_by.get(name) or name not in self.nodes:
                continue
            for mark in self.nodes.pop(name).wires.values():
                source = str(mark.value).partition(".")[0]
                needed_by[source].discard(name)
                waiting.append(source)


def _from_top(text: str, folder: Path, folders: Folders) -> str:
    """A path written in a file of `folder`, as the outermost graph would write it."""
    if folder.resolve() == folders.graph.resolve() or not (folder / text).exists():
        return text
    return os.path.relpath((folder / text).absolute(), folders.graph.absolute())
