"""A graph file as written: YAML read event by event, with line numbers and limits.

Reading events instead of objects is several times faster, and is where anchors, aliases, tags,
duplicate keys and depths are refused before anything is built. Scalars follow YAML 1.2's core
schema: `no` is a text, `1e3` a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ..nodes.errors import GraphError, InputError
from ..nodes.wording import shown, suggestion

FORMAT = 1
ABOUT = ("title", "about", "author", "license", "links", "tags")
MAX_BYTES = 64 * 2**20
MAX_DEPTH = 16
MAX_NODES = 1_000_000
MAX_TEXT = 100_000

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where PyYAML has it
_INT = re.compile(r"[-+]?[0-9]{1,40}|0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")


class Marked(NamedTuple):
    """A value and the line it stands on; a mapping holds Marked values in turn."""

    value: Any
    line: int


@dataclass(frozen=True)
class Problem:
    """One thing wrong: `file:line: node 'name': what is wrong - what to do`."""

    file: str
    line: int | None
    node: str | None
    message: str
    is_input: bool = False  # the graph is fine, a file it reads is not

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return (
            f"{place}: node {self.node!r}: {self.message}"
            if self.node
            else f"{place}: {self.message}"
        )


@dataclass
class NodeEntry:
    """One node as written. `wires` is its `from`, `values` its `with`."""

    name: str
    line: int
    type: str
    wires: dict[str, Marked] = field(default_factory=dict)
    values: dict[str, Marked] = field(default_factory=dict)
    about: str | None = None


@dataclass
class Document:
    """A graph file as written; paths in it are relative to `folder`.

    `layout` is where an editor draws things; it changes nothing about what runs.
    """

    file: str
    folder: Path
    about: dict[str, Any]
    knobs: dict[str, Marked]
    knob_about: dict[str, str]
    nodes: dict[str, NodeEntry]
    problems: list[Problem]
    layout: Any = None

    @property
    def name(self) -> str:
        """What the output folder is called: the file's name without its ending."""
        return Path(self.file).stem

    def plain(self) -> dict[str, Any]:
        """The document as plain data, ready to be written as YAML."""
        knobs = {
            name: {"value": mark.value, "about": self.knob_about[name]}
            if name in self.knob_about
            else mark.value
            for name, mark in self.knobs.items()
        }
        nodes = {}
        for entry in self.nodes.values():
            parts = {
                "about": entry.about,
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
        """The document as YAML that reads back the same."""
        return yaml.dump(self.plain(), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Writes YAML 1.2: strings that read as numbers there are quoted, no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if scalar(text) == text else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.SequenceNode:
    flow = not any(isinstance(item, dict | list) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flow)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(list, _represent_list)


def read_document(path: Path) -> Document:
    """Read a graph file; what is wrong with its form is in `problems`.

    Raises: InputError where it can't be read, GraphError where it is no YAML that we accept.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise GraphError(f"{path}: larger than {MAX_BYTES >> 20} MiB - split the graph")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror} - check the path") from error
    except UnicodeDecodeError as error:
        raise GraphError(f"{path}: no UTF-8 text - save the graph as UTF-8") from error
    return parse_document(text, str(path), path.parent)


def parse_document(text: str, file: str, folder: Path) -> Document:
    """Read a graph from its text; `file` is its name in messages."""
    try:
        root = _build(text, file)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "no readable YAML"
        line = mark.line + 1 if mark is not None else None
        raise GraphError(Problem(file, line, None, f"{what} - mend the YAML there")) from error
    return _Reader(file, folder).document(root)


def document_of(data: Mapping[str, Any], file: str, folder: Path) -> Document:
    """A graph from plain data, as another format gives it; its problems have no line."""
    return _Reader(file, folder).document(_marked(data))


def scalar(text: str) -> Any:
    """A plain scalar's value by YAML 1.2's core schema."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _build(text: str, file: str) -> Marked:
    """The document's data, built without recursion."""

    def refuse(event: yaml.Event, message: str) -> GraphError:
        return GraphError(Problem(file, event.start_mark.line + 1, None, message))

    root: list[Marked] = []
    stack: list[tuple[Any, int, str | None]] = []  # container, its line, the key that waits
    documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        kind = type(event)
        if getattr(event, "anchor", None) is not None:
            raise refuse(event, "anchors and aliases are not allowed - write the value out")
        if getattr(event, "tag", None) not in (None, "!"):
            raise refuse(event, f"the tag {event.tag} is not allowed - write plain values")
        if kind is yaml.ScalarEvent:
            if len(event.value) > MAX_TEXT:
                raise refuse(event, f"a text of over {MAX_TEXT} characters - shorten it")
            plain = event.style is None or event.style == ""
            mark = Marked(scalar(event.value) if plain else event.value, event.start_mark.line + 1)
        elif kind in (yaml.MappingStartEvent, yaml.SequenceStartEvent):
            if len(stack) >= MAX_DEPTH:
                raise refuse(event, f"nested deeper than {MAX_DEPTH} levels - flatten it")
            container: Any = {} if kind is yaml.MappingStartEvent else []
            stack.append((container, event.start_mark.line + 1, None))
            continue
        elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            container, line, _ = stack.pop()
            mark = Marked(container, line)
        else:
            documents += kind is yaml.DocumentStartEvent
            if documents > 1:
                raise refuse(event, "a second document in one file - keep one graph a file")
            continue
        if not stack:
            root.append(mark)
            continue
        container, line, key = stack[-1]
        if isinstance(container, list):
            container.append(mark)
        elif key is None:
            if kind is not yaml.ScalarEvent or (
                isinstance(mark.value, float) or mark.value is None
            ):
                raise refuse(event, "a key is a plain name - mend the line")
            if event.value in container:
                raise refuse(event, f"{event.value!r} stands here twice - remove one")
            stack[-1] = (container, line, event.value)
        else:
            container[key] = mark
            stack[-1] = (container, line, None)
    return root[0] if root else Marked(None, 1)


class _Reader:
    """Checks the form of the data and gathers all problems."""

    TOP = ("artgraph", *ABOUT, "knobs", "nodes", "layout")

    def __init__(self, file: str, folder: Path) -> None:
        self.file, self.folder = file, folder
        self.problems: list[Problem] = []

    def complain(self, line: int, node: str | None, message: str) -> None:
        self.problems.append(Problem(self.file, line, node, message))

    def mapping(self, mark: Marked, what: str, node: str | None = None) -> dict[str, Marked]:
        if isinstance(mark.value, dict):
            return mark.value
        if mark.value is not None:
            self.complain(
                mark.line,
                node,
                f"{what} is a mapping, not {shown(mark.value)} - write `name: value` lines",
            )
        return {}

    def document(self, root: Marked) -> Document:
        top = self.mapping(root, "a graph file")
        for key in [key for key in top if key not in self.TOP]:
            self.complain(top[key].line, None, f"unknown key {key!r} - {suggestion(key, self.TOP)}")
        self.version(top.get("artgraph"))
        knobs, knob_about = self.knobs(top.get("knobs", Marked(None, 1)))
        nodes = self.nodes(top.get("nodes"))
        about = {k: _plain(top[k]) for k in ABOUT if k in top}
        layout = _plain(top["layout"]) if "layout" in top else None
        return Document(
            self.file, self.folder, about, knobs, knob_about, nodes, self.problems, layout
        )

    def version(self, mark: Marked | None) -> None:
        if mark is None:
            self.complain(1, None, f"no format version - begin the file with `artgraph: {FORMAT}`")
        elif mark.value != FORMAT or isinstance(mark.value, bool):
            self.complain(
                mark.line,
                None,
                f"format version {shown(mark.value)} is not known"
                f" - this artgraph reads `artgraph: {FORMAT}`",
            )

    def knobs(self, mark: Marked) -> tuple[dict[str, Marked], dict[str, str]]:
        values, about = {}, {}
        for name, knob in self.mapping(mark, "`knobs`").items():
            if not NAME.fullmatch(name):
                self.complain(
                    knob.line, None, f"{name!r} is no knob's name - use letters, digits, _ and -"
                )
            if isinstance(knob.value, dict):
                for key in [key for key in knob.value if key not in ("value", "about")]:
                    self.complain(
                        knob.value[key].line,
                        None,
                        f"knob {name!r} has unknown key"
                        f" {key!r} - {suggestion(key, ('value', 'about'))}",
                    )
                if "about" in knob.value:
                    about[name] = str(knob.value["about"].value)
                knob = knob.value.get("value", Marked(None, knob.line))
            if isinstance(knob.value, dict | list) or knob.value is None:
                self.complain(
                    knob.line,
                    None,
                    f"knob {name!r} has no plain value"
                    " - write `name: value` or `name: {value: ..., about: ...}`",
                )
            values[name] = knob
        return values, about

    def nodes(self, mark: Marked | None) -> dict[str, NodeEntry]:
        written = self.mapping(mark or Marked(None, 1), "`nodes`")
        if not written and not self.problems:
            self.complain(
                mark.line if mark else 1,
                None,
                "there are no nodes"
                " - list them under `nodes`; `artgraph new FILE` writes an example",
            )
        if len(written) > MAX_NODES:
            raise GraphError(f"{self.file}: {len(written)} nodes - the most is {MAX_NODES}")
        return {name: self.node(name, entry) for name, entry in written.items()}

    def node(self, name: str, mark: Marked) -> NodeEntry:
        if not NAME.fullmatch(name) or name == "knobs":
            self.complain(
                mark.line, name, "is no node's name - use letters, digits, _ and -, and not `knobs`"
            )
        parts = self.mapping(mark, "a node", name)
        for key in [key for key in parts if key not in ("node", "from", "with", "about")]:
            self.complain(
                parts[key].line,
                name,
                f"unknown key {key!r} - a node has"
                " `node`, `from` (wires), `with` (values) and `about`",
            )
        kind = parts.get("node", Marked(None, mark.line))
        if not isinstance(kind.value, str):
            self.complain(
                kind.line,
                name,
                "does not say which node it is - add `node: ID`; `artgraph nodes` lists the ids",
            )
        wires = self.mapping(parts.get("from", Marked(None, mark.line)), "`from`", name)
        values = self.mapping(parts.get("with", Marked(None, mark.line)), "`with`", name)
        # A list is one value: plain data for the widget's model to judge.
        values = {key: Marked(_plain(value), value.line) for key, value in values.items()}
        about = str(parts["about"].value) if "about" in parts else None
        spec_id = kind.value if isinstance(kind.value, str) else ""
        return NodeEntry(name, kind.line, spec_id, dict(wires), values, about)


def _plain(mark: Marked) -> Any:
    """Data without its lines (nesting is limited, so recursion is too)."""
    if isinstance(mark.value, dict):
        return {key: _plain(value) for key, value in mark.value.items()}
    if isinstance(mark.value, list):
        return [_plain(value) for value in mark.value]
    return mark.value


def _marked(data: Any) -> Marked:
    """Plain data as if read from a file (the data's own reader limits nesting)."""
    if isinstance(data, Mapping):
        return Marked({key: _marked(value) for key, value in data.items()}, 0)
    if isinstance(data, list):
        return Marked([_marked(value) for value in data], 0)
    return Marked(data, 0)
