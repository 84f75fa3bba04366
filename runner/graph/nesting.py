"""Graphs inside graphs: `node: ./other.yaml` is replaced by the nodes of that file.

The inner nodes are named `outer/inner`. The values and wires of the outer node go to the inner
graph: `with` and `from` accept the inner graph's knobs by name, and the widgets and inputs of its
nodes as `inner.name`. If an inner node is no longer needed because an input was wired anew, it is
removed. The result is an ordinary flat graph.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...contract.errors import ArtgraphError, GraphError
from ...contract.problem import Problem
from ...contract.shards import split_address
from ...contract.spec import NodeSpec
from ...contract.wording import suggestion
from .document import MAX_NODES, Document, NodeEntry, read_document
from .folders import Folders
from .yaml_text import Marked, Origin

_MAX_DEPTH = 32  # graphs inside each other
_MAX_GRAPHS = 10_000  # graphs inside one graph


def is_graph(kind: str) -> bool:
    """Returns whether a node's type names a graph file."""
    return kind.endswith((".yaml", ".yml"))


def flatten(
    document: Document, registry: Mapping[str, NodeSpec], folders: Folders
) -> tuple[Document, list[Problem]]:
    """Returns the document with the nodes of its inner graphs, and the problems of these."""
    if not any(is_graph(entry.type) for entry in document.nodes.values()):
        return document, []
    flattener = _Flattener(document, registry, folders)
    flattener.expand()
    flattener.remove_unneeded()
    return replace(document, nodes=flattener.nodes), flattener.problems


def files_inside(
    document: Document, registry: Mapping[str, NodeSpec], folders: Folders
) -> list[Path]:
    """Returns the readable files of all graphs inside a document, at any depth."""
    flattener = _Flattener(document, registry, folders)
    flattener.expand()
    return list(flattener.files)


@dataclass
class _Flattener:
    document: Document
    registry: Mapping[str, NodeSpec]
    folders: Folders
    nodes: dict[str, NodeEntry] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unwired: list[str] = field(default_factory=list)  # nodes that lost a wire to another node
    files: dict[Path, Document] = field(default_factory=dict)

    def report(self, entry: NodeEntry, mark: Marked, problem: Problem) -> None:
        self.problems.append(self.document.located(problem, entry, mark))

    def expand(self) -> None:
        """Replace graphs by their nodes until no graph is left, in the order as written."""
        graphs = 0
        outermost: tuple[Path, ...] = (Path(self.document.file).resolve(),)
        waiting = [(entry, outermost) for entry in reversed(self.document.nodes.values())]
        while waiting:
            entry, chain = waiting.pop()
            if not is_graph(entry.type):
                self.nodes[entry.name] = entry
                continue
            path = self.read(entry, chain)
            if path is not None:
                inner = self.inner_nodes(entry, path)
                waiting += [(node, (*chain, path)) for node in reversed(inner)]
            graphs += 1
            if graphs > _MAX_GRAPHS or len(self.nodes) + len(waiting) > MAX_NODES:
                what = f"the graph contains over {_MAX_GRAPHS} graphs or {MAX_NODES} nodes"
                file = self.document.file
                raise GraphError.of([Problem("bad_form", None, what, "remove some", file)])

    def read(self, entry: NodeEntry, chain: tuple[Path, ...]) -> Path | None:
        """Read the graph of a node into `files`. Returns its file; None if there is a problem.

        chain: the files of the graphs around it, the outermost first.
        """
        here = Marked(None, entry.line, entry.origin)
        folder = entry.origin.folder if entry.origin else self.document.folder
        try:
            path = self.folders.resolve(_from_top(entry.type, folder, self.folders), "file")
            if path in chain:
                names = " -> ".join(p.name for p in (*chain[chain.index(path) :], path))
                raise GraphError(f"the graph contains itself ({names})", "remove this node")
            if len(chain) > _MAX_DEPTH:
                what = f"over {_MAX_DEPTH} graphs inside each other"
                raise GraphError(what, "use fewer levels")
            if path not in self.files:
                self.files[path] = read_document(path)
        except ArtgraphError as error:
            self.report(entry, here, Problem("bad_form", None, error.what, error.advice))
            return None
        except ValueError as error:
            self.report(entry, here, Problem("bad_form", None, str(error), "name a .yaml file"))
            return None
        return path

    def inner_nodes(self, entry: NodeEntry, path: Path) -> list[NodeEntry]:
        """Returns the nodes of the graph in the file `path` as they replace `entry`."""
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
        for items, is_wire in ((entry.values, False), (entry.wires, True)):
            for key, mark in items.items():
                self.pass_inside(entry, inner, nodes, key, mark, is_wire)
        return list(nodes.values())

    def renamed(
        self, node: NodeEntry, outer: NodeEntry, inner: Document, origin: Origin
    ) -> NodeEntry:
        """Returns an inner node with full names, and with its knobs replaced by values or wires."""
        name = f"{outer.name}/{node.name}"
        values = {key: self.with_origin(node, key, m, origin) for key, m in node.values.items()}
        wires: dict[str, Marked] = {}
        mode = "muted" if "muted" in (outer.mode, node.mode) else outer.mode or node.mode
        entry = replace(node, name=name, wires=wires, values=values, mode=mode, origin=origin)
        for key, mark in node.wires.items():
            mark = mark._replace(origin=origin)
            owner, _, output = str(mark.value).partition(".")
            if owner != "knobs":
                if owner.split("/")[0] in inner.nodes:
                    mark = mark._replace(value=f"{outer.name}/{mark.value}")
                elif isinstance(mark.value, str):
                    hint = suggestion(owner, inner.nodes)
                    what = f"there is no node {owner!r}"
                    self.report(entry, mark, Problem("unknown_source", key, what, hint))
                    continue
                wires[key] = mark
            elif key in values:
                what = f"{key!r} has both a wire and a value"
                self.report(entry, mark, Problem("bad_wire", key, what, "remove one of them"))
            elif output in outer.wires:
                wires[key] = outer.wires[output]
            elif output in outer.values:
                values[key] = outer.values[output]
            elif output in inner.knobs:
                values[key] = self.with_origin(node, key, inner.knobs[output], origin)
            else:
                hint = suggestion(output, inner.knobs)
                what = f"there is no knob {output!r}"
                self.report(entry, mark, Problem("unknown_name", key, what, hint))
        return entry

    def with_origin(self, node: NodeEntry, key: str, mark: Marked, origin: Origin) -> Marked:
        """Returns a value with its file; a path is made relative to the outermost graph."""
        spec = self.registry.get(node.type)
        widget = spec.widgets.get(key) if spec is not None else None
        if widget is not None and widget.kind in ("file", "folder") and mark.value:
            parts = ("", str(mark.value))
            if widget.is_shards and "://" not in parts[1]:
                parts = split_address(parts[1])[::-1]
            path = _from_top(parts[1], origin.folder, self.folders)
            path = f"{path}/{parts[0]}" if parts[0] else path
            mark = mark._replace(value=path)
        return mark._replace(origin=origin)

    def pass_inside(
        self,
        outer: NodeEntry,
        inner: Document,
        nodes: dict[str, NodeEntry],
        key: str,
        mark: Marked,
        is_wire: bool,
    ) -> None:
        """Move a value or wire of the outer node to the inner node that `key` names."""
        path, dot, name = key.rpartition(".")
        if not dot:
            if key not in inner.knobs:
                hint = suggestion(key, inner.knobs)
                what = f"{outer.type} has no knob {key!r}"
                self.report(outer, mark, Problem("unknown_name", key, what, hint))
            return
        first, _, rest = path.partition("/")
        if first not in nodes:
            hint = suggestion(first, nodes)
            what = f"{outer.type} has no node {first!r}"
            self.report(outer, mark, Problem("unknown_name", key, what, hint))
            return
        entry, name = nodes[first], f"{rest}.{name}" if rest else name
        before = entry.wires.pop(name, None)
        entry.values.pop(name, None)
        if before is not None:
            self.unwired.append(str(before.value).partition(".")[0])
        (entry.wires if is_wire else entry.values)[name] = mark

    def remove_unneeded(self) -> None:
        """Remove the inner nodes that no other node needs any more."""
        needed_by: dict[str, set[str]] = {}
        for entry in self.nodes.values():
            for mark in entry.wires.values():
                source = str(mark.value).partition(".")[0]
                needed_by.setdefault(source, set()).add(entry.name)
        waiting = list(self.unwired)
        while waiting:
            name = waiting.pop()
            if "/" not in name or needed_by.get(name) or name not in self.nodes:
                continue
            for mark in self.nodes.pop(name).wires.values():
                source = str(mark.value).partition(".")[0]
                needed_by[source].discard(name)
                waiting.append(source)


def _from_top(text: str, folder: Path, folders: Folders) -> str:
    """Returns a path written in a file of `folder` as the outermost graph would write it."""
    if folder.resolve() == folders.graph.resolve() or not (folder / text).exists():
        return text
    return os.path.relpath((folder / text).absolute(), folders.graph.absolute())
