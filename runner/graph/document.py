"""A graph file as written: its nodes, knobs and texts, with line numbers and all problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from ...contract.errors import GraphError, unreadable
from ...contract.problem import Problem
from ...contract.wording import shortened, suggestion
from .names import NAME, NAME_ADVICE, NODE_KEYS, NODE_NAME, TYPE_KEYS, key_advice, name_mistake
from .yaml_mistakes import decoded, syntax_error
from .yaml_text import Marked, Origin, Typed, plain_of, read_yaml, write_yaml, yaml_line

FORMAT = 1
ABOUT = ("title", "about", "author", "license", "links", "tags", "takes")
MAX_BYTES = 64 * 2**20
MAX_NODES = 1_000_000
MODES = ("muted", "bypassed")


@dataclass
class NodeEntry:
    """One node as written. `wires` is its `from`, `values` its `with`.

    mode: one of MODES, or empty if the node runs.
    """

    name: str
    line: int
    type: str
    wires: dict[str, Marked] = field(default_factory=dict)
    values: dict[str, Marked] = field(default_factory=dict)
    about: str | None = None
    mode: str = ""
    origin: Origin | None = None  # the file of a node that comes from a graph inside the graph


@dataclass
class Document:
    """A graph file as written; paths in it are relative to `folder`.

    layout: how an editor shows the graph; runs do not use it.
    unread: titles of the nodes that were left out when a file of ComfyUI was read.
    notes:  what is not quite as in that file, one line each.
    """

    file: str
    folder: Path
    about: dict[str, Any]
    knobs: dict[str, Marked]
    knob_about: dict[str, str]
    nodes: dict[str, NodeEntry]
    problems: list[Problem]
    layout: Any = None
    unread: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the output folder: the file's name without its ending."""
        return Path(self.file).stem

    def copy(self) -> Document:
        """Returns a copy with knobs, wires and values of its own."""
        nodes = {
            name: replace(entry, wires=dict(entry.wires), values=dict(entry.values))
            for name, entry in self.nodes.items()
        }
        return replace(self, knobs=dict(self.knobs), nodes=nodes, problems=list(self.problems))

    def located(self, problem: Problem, entry: NodeEntry, mark: Marked | None = None) -> Problem:
        """Returns a problem with its file and line: those of `mark`, or else of the node."""
        if mark is not None and isinstance(mark.value, Typed):
            return replace(problem, file=mark.value.option, node=entry.name)
        line, origin = (mark.line, mark.origin) if mark else (entry.line, entry.origin)
        file = origin.file if origin else self.file
        return replace(problem, file=file, line=line, node=entry.name)

    def plain(self) -> dict[str, Any]:
        """Returns the document as plain data, ready to be written as YAML."""
        knobs = {
            name: {"value": mark.value, "about": self.knob_about[name]}
            if name in self.knob_about
            else mark.value
            for name, mark in self.knobs.items()
        }
        nodes = {}
        for entry in self.nodes.values():
            parts: dict[str, Any] = {
                "about": entry.about,
                "mode": entry.mode,
                "from": {name: mark.value for name, mark in entry.wires.items()},
                "with": {name: mark.value for name, mark in entry.values.items()},
            }
            nodes[entry.name] = {"node": entry.type} | {k: v for k, v in parts.items() if v}
        return (
            {"artgraph": FORMAT, **self.about}
            | ({"knobs": knobs} if knobs else {})
            | {"nodes": nodes}
            | ({"layout": self.layout} if self.layout else {})
        )

    def yaml(self) -> str:
        """Returns the document as YAML that reads back the same."""
        return write_yaml(self.plain())


def read_document(path: Path) -> Document:
    """Read a graph file; problems of its structure are in the document's `problems`.

    Raises: InputError if it can't be read; GraphError if it is not YAML, or uses YAML that graph
    files must not contain.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise GraphError(f"{path}: larger than {MAX_BYTES >> 20} MiB", "split the graph")
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    return parse_document(decoded(data, path), str(path), path.parent)


def parse_document(text: str, file: str, folder: Path) -> Document:
    """Read a graph from its text; `file` is its name in messages."""

    def refusal(line: int | None, what: str, advice: str) -> GraphError:
        return GraphError.of([Problem("bad_form", None, what, advice, file, line)])

    try:
        root = read_yaml(text, refusal)
    except yaml.YAMLError as error:
        raise refusal(*syntax_error(text, error)) from error
    return _Reader(file, folder).document(root)


def document_of(data: Mapping[str, Any], file: str, folder: Path) -> Document:
    """Returns a document made from plain data of another format; its problems have no line."""
    return _Reader(file, folder).document(_marked(data))


class _Reader:
    """Checks the structure of the data and collects all problems."""

    TOP = ("artgraph", *ABOUT, "knobs", "nodes", "layout")

    def __init__(self, file: str, folder: Path) -> None:
        self.file, self.folder = file, folder
        self.problems: list[Problem] = []

    def report(self, line: int, node: str | None, what: str, advice: str) -> None:
        self.problems.append(Problem("bad_form", None, what, advice, self.file, line, node))

    def mapping(self, mark: Marked, what: str, node: str | None = None) -> dict[str, Marked]:
        if isinstance(mark.value, dict):
            return mark.value
        if mark.value is not None:
            self.report(
                mark.line,
                node,
                f"{what} must be a mapping, not {_shown(mark)}",
                "write `name: value` lines"
                + (" without `-`" if isinstance(mark.value, list) else ""),
            )
        return {}

    def document(self, root: Marked) -> Document:
        if not isinstance(root.value, dict):
            self.not_a_graph(root)
            return Document(self.file, self.folder, {}, {}, {}, {}, self.problems)
        top = root.value
        for key in [key for key in top if key not in self.TOP]:
            value = top[key].value
            is_node = isinstance(value, dict) and "node" in value
            advice = "indent this node under `nodes`" if is_node else suggestion(key, self.TOP)
            self.report(top[key].line, None, f"unknown key {key!r}", advice)
        self.version(top.get("artgraph"))
        knobs, knob_about = self.knobs(top.get("knobs", Marked(None, 1)))
        nodes = self.nodes(top.get("nodes"))
        about = {k: plain_of(top[k]) for k in ABOUT if k in top}
        layout = plain_of(top["layout"]) if "layout" in top else None
        return Document(
            self.file, self.folder, about, knobs, knob_about, nodes, self.problems, layout
        )

    def not_a_graph(self, root: Marked) -> None:
        what = "the file is empty"
        if root.value is not None:
            what = f"a graph file must be a mapping, not {_shown(root)}"
        example = "`artgraph new FILE` writes an example"
        self.report(
            root.line, None, what, f"begin with `artgraph: {FORMAT}` and `nodes:`; {example}"
        )

    def version(self, mark: Marked | None) -> None:
        if mark is None:
            advice = f"begin the file with `artgraph: {FORMAT}`"
            self.report(1, None, "the format version is missing", advice)
        elif mark.value != FORMAT or isinstance(mark.value, bool):
            newer = type(mark.value) is int and mark.value > FORMAT
            update = "update artgraph; " if newer else ""
            self.report(
                mark.line,
                None,
                f"format version {_shown(mark)} is not supported",
                f"{update}this artgraph reads `artgraph: {FORMAT}`",
            )

    def knobs(self, mark: Marked) -> tuple[dict[str, Marked], dict[str, str]]:
        values, about = {}, {}
        for name, knob in self.mapping(mark, "`knobs`").items():
            if not NAME.fullmatch(name):
                what = f"{name!r} is not a valid name for a knob: {name_mistake(name)}"
                self.report(knob.line, None, what, NAME_ADVICE)
            if isinstance(knob.value, dict):
                for key in [key for key in knob.value if key not in ("value", "about")]:
                    self.report(
                        knob.value[key].line,
                        None,
                        f"knob {name!r} has unknown key {key!r}",
                        suggestion(key, ("value", "about")),
                    )
                if "about" in knob.value:
                    about[name] = str(plain_of(knob.value["about"]))
                knob = knob.value.get("value", Marked(None, knob.line))
            if isinstance(knob.value, dict | list) or knob.value is None:
                self.report(
                    knob.line,
                    None,
                    f"knob {name!r} has no single value",
                    "write `name: value` or `name: {value: ..., about: ...}`",
                )
            values[name] = knob
        return values, about

    def nodes(self, mark: Marked | None) -> dict[str, NodeEntry]:
        written = self.mapping(mark or Marked(None, 1), "`nodes`")
        if not written and not self.problems:
            self.report(
                mark.line if mark else 1,
                None,
                "there are no nodes",
                "list them under `nodes`; `artgraph new FILE` writes an example",
            )
        if len(written) > MAX_NODES:
            what, advice = f"the graph has {len(written)} nodes", f"the most is {MAX_NODES}"
            raise GraphError.of([Problem("bad_form", None, what, advice, self.file)])
        return {name: self.node(name, entry) for name, entry in written.items()}

    def node(self, name: str, mark: Marked) -> NodeEntry:
        if not NODE_NAME.fullmatch(name) or name == "knobs":
            what = f"this is not a valid name for a node: {name_mistake(name)}"
            self.report(mark.line, name, what, NAME_ADVICE)
        parts = self.mapping(mark, "a node", name)
        for key in [key for key in parts if key not in NODE_KEYS]:
            self.report(parts[key].line, name, f"unknown key {key!r}", key_advice(key))
        kind = parts.get("node", Marked(None, mark.line))
        if not isinstance(kind.value, str) and not any(map(TYPE_KEYS.__contains__, parts)):
            self.report(
                kind.line,
                name,
                "it has no node type",
                "add `node: TYPE`; `artgraph nodes` lists the types",
            )
        wires = self.mapping(parts.get("from", Marked(None, mark.line)), "`from`", name)
        values = self.mapping(parts.get("with", Marked(None, mark.line)), "`with`", name)
        # A list is one value: plain data that the widget's model checks.
        wires, values = (
            {key: Marked(plain_of(item), item.line) for key, item in items.items()}
            for items in (wires, values)
        )
        about = str(plain_of(parts["about"])) if "about" in parts else None
        spec_id = kind.value if isinstance(kind.value, str) else ""
        mode = self.mode(parts["mode"], name) if "mode" in parts else ""
        return NodeEntry(name, kind.line, spec_id, wires, values, about, mode)

    def mode(self, mark: Marked, node: str) -> str:
        if isinstance(mark.value, str) and mark.value in MODES:
            return mark.value
        if mark.value is not None:
            advice = "write `muted` or `bypassed`, or remove this line to run the node"
            self.report(mark.line, node, f"`mode` can't be {_shown(mark)}", advice)
        return ""


def _shown(mark: Marked) -> str:
    """Returns a value as a graph file contains it, at most 60 characters long."""
    return shortened(yaml_line(plain_of(mark)))


def _marked(data: Any) -> Marked:
    """Returns plain data as if read from a file. The reader of the data must limit nesting."""
    if isinstance(data, Mapping):
        return Marked({key: _marked(value) for key, value in data.items()}, 0)
    if isinstance(data, list):
        return Marked([_marked(value) for value in data], 0)
    return Marked(data, 0)
