"""The pictures that a graph reads: a folder that goes through it, and what `{source}` means.

A node loads a picture if it has a widget for the path of a picture file. The widget may name a
folder instead. Then the graph runs once for each picture of the folder, so the names of the files
that it saves must contain `{source}`, the name of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ...contract.problem import Problem
from ...contract.spec import NodeSpec
from ...contract.values.files import SOURCE, file_stem
from ...contract.values.safe_names import Original, safe_names
from .bound import BoundNode, Graph
from .document import NodeEntry
from .yaml_text import Marked

Report = Callable[[NodeEntry, Problem, Marked | None], None]


class PictureFolder(NamedTuple):
    """A folder of pictures, and the node and the widget that name it."""

    node: str
    widget: str
    path: Path


class Picture(NamedTuple):
    """A picture that goes through a graph.

    path: its path in its folder.
    name: what `{source}` means: its path without the ending, safe on every system.
    """

    path: str
    name: str


class UnclearSource(Exception):  # noqa: N818 - it is not an error of its own
    """`{source}` does not mean one picture: what is wrong, and what to do."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what, self.advice = what, advice


def picture_widget(spec: NodeSpec) -> str | None:
    """Returns the name of the widget for the path of a picture file, if a node has one."""
    return next((w.name for w in spec.widgets.values() if w.kind == "file" and w.is_picture), None)


def picture_folders(graph: Graph) -> list[PictureFolder]:
    """Returns the folders of pictures that go through a graph; a graph that can run has one."""
    found = []
    for node in graph.nodes.values():
        widget = picture_widget(node.spec)
        path = node.values.get(widget or "")
        if widget and isinstance(path, Path) and node.name not in graph.idle and path.is_dir():
            found.append(PictureFolder(node.name, widget, path))
    return found


def with_picture(graph: Graph, folder: PictureFolder, path: Path) -> Graph:
    """Returns the graph for one picture of its folder."""
    node = graph.nodes[folder.node]
    node = replace(node, values={**node.values, folder.widget: path})
    return replace(graph, nodes={**graph.nodes, node.name: node})


def original_of(path: str) -> Original:
    """Returns the path of a picture in two parts."""
    stem, dot, suffix = path.rpartition(".")
    has_ending = stem and not stem.endswith("/") and "/" not in suffix
    return Original(stem, dot + suffix) if has_ending else Original(path, "")


def source_name(node: BoundNode, path: Path | None) -> Picture:
    """Returns the one picture of a node; its name is that of the node if it has no file."""
    if path is None:
        return Picture("", file_stem(node.name))
    shown = path.name.encode(errors="backslashreplace").decode()
    return Picture(shown, safe_names([original_of(shown)])[0])


def source_of(graph: Graph, name: str) -> str:
    """Returns the node whose picture `{source}` means in the file name of a node.

    Raises: UnclearSource.
    """
    node = graph.nodes[name]
    template = str(node.values.get(node.spec.file_name or "") or "")
    mark = SOURCE.search(template)
    needed = graph.ancestors(name)
    found = [n for n in graph.sorted if n in needed and picture_widget(graph.nodes[n].spec)]
    if mark and mark[1] is not None:
        return _named(mark[1], name, found)
    folders = [folder.node for folder in picture_folders(graph) if folder.node in found]
    if len(folders or found) == 1:
        return (folders or found)[0]
    if not found:
        what = "{source} is the name of a picture file, but this node does not depend on any"
        raise UnclearSource(what, "write another name, or wire a node that loads a picture")
    what = f"{{source}} may be the picture of {_listed(found)}"
    raise UnclearSource(what, f"choose one, for example {{source:{_short(found[0], name)}}}")


def check_pictures(graph: Graph, problems: Collection[Problem], report: Report) -> None:
    """Report if several folders go through a graph, or if the names of saved files do not fit.

    problems: what is already known to be wrong; nothing is reported that may follow from it.
    """
    folders = picture_folders(graph)
    entries = graph.document.nodes
    for folder in folders[1:]:
        what = (
            f"{folders[0].node!r} and {folder.node!r} both name a folder of pictures, but only one"
            " folder can go through a graph"
        )
        advice = f"name a picture file for {folder.node!r}, or run the graph for each of its files"
        problem = Problem("bad_value", folder.widget, what, advice)
        entry = entries[folder.node]
        report(entry, problem, entry.values.get(folder.widget))
    if len(folders) > 1:
        return
    loader = folders[0] if folders else None
    through = graph.dependents(loader.node) if loader else set()
    wrong = {problem.node for problem in problems}
    for node in graph.nodes.values():
        widget = node.spec.file_name
        if not node.spec.saves or (widget in node.wires):  # then the name is known when it runs
            continue
        has_source = widget is not None and SOURCE.search(str(node.values.get(widget, "")))
        if not (has_source or node.name in through) or wrong & graph.ancestors(node.name):
            continue
        found = _name_problem(graph, node, loader if node.name in through else None)
        if found is not None:
            entry = entries[node.name]
            report(entry, Problem("bad_value", widget, *found), entry.values.get(widget or ""))


def _name_problem(
    graph: Graph, node: BoundNode, folder: PictureFolder | None
) -> tuple[str, str] | None:
    """Returns what is wrong with the name of a node's files.

    folder: the folder of pictures on which the node depends.
    """
    widget = node.spec.file_name
    if folder and not (widget and SOURCE.search(str(node.values.get(widget, "")))):
        what = (
            f"{folder.node!r} goes through a folder of pictures, but this node saves each of them"
            " under the same name"
        )
        example = f"{file_stem(node.name)}/{{source}}"
        advice = (
            f'set `{widget}` to a name with {{source}}, such as "{example}"'
            if widget
            else "leave the node out, since its name can't be set"
        )
        return what, advice
    try:
        source = source_of(graph, node.name)
    except UnclearSource as unclear:
        return unclear.what, unclear.advice
    if folder and source != folder.node:
        what = f"{source!r} has the same picture for all pictures of the folder of {folder.node!r}"
        return what, f"write {{source}} or {{source:{_short(folder.node, node.name)}}}"
    return None


def _named(text: str, node: str, found: list[str]) -> str:
    """Returns the node that `{source:text}` names, beside `node` or in the whole graph."""
    for name in (f"{node.rpartition('/')[0]}/{text}", text):
        if name in found:
            return name
    what = f"{{source:{text}}} is not the name of a node that loads a picture for this node"
    names = " or ".join(_short(name, node) for name in found)
    raise UnclearSource(what, f"write {names}" if found else "write another name")


def _short(name: str, node: str) -> str:
    """Returns how `node` may name another node of its graph inside the graph."""
    outer = node.rpartition("/")[0]
    return name.removeprefix(f"{outer}/") if outer else name


def _listed(names: Iterable[str]) -> str:
    return " or ".join(map(repr, names))
