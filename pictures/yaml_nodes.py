"""YAML as a tree of nodes that know their places in the text, for files that are edited in place.

Anchors, aliases, tags, several documents and deep nesting are refused before anything is built.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

_MAX_DEPTH = 8  # levels of nesting
_NULLS = ("", "~", "null", "Null", "NULL")
_ENDS = (yaml.SequenceEndEvent, yaml.MappingEndEvent)
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, if PyYAML includes it


class YamlError(Exception):
    """A text that is not YAML, or not as simple as it must be.

    line: number of the line, from 1; 0 if it is unknown.
    """

    def __init__(self, line: int, what: str, advice: str) -> None:
        super().__init__(what)
        self.line, self.what, self.advice = line, what, advice


class Node(NamedTuple):
    """A part of the text.

    value:    a text, a list of nodes, or a list of pairs of nodes.
    kind:     plain (a text without quotes), quoted, list or mapping.
    line:     number of the line where it begins, from 1.
    start, end: places of its first character, and behind its last one.
    column:   place of its first character in its line.
    """

    value: Any
    kind: str
    line: int
    start: int
    end: int
    column: int

    @property
    def is_null(self) -> bool:
        return self.kind == "plain" and self.value in _NULLS


def read_nodes(text: str) -> Node | None:
    """Returns the root of the only document in a text; None if there is nothing in it.

    Raises: YamlError.
    """
    try:
        events = _events(text)
        first = next(events, None)
        if first is None:
            return None
        root = _node(first, events, 1)
        for event in events:
            raise YamlError(_line(event), "a second document begins here", "leave it out")
        return root
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise YamlError(
            line,
            f"it is not valid YAML ({error.problem or 'incomplete'})",
            "indent the line like its neighbours, close each bracket, and put names with symbols in"
            " quotes",
        ) from error
    except yaml.YAMLError as error:  # such as a control character
        what = " ".join(str(error).split())[:200]
        raise YamlError(0, f"it is not valid YAML ({what})", "save it as text in UTF-8") from error


def _events(text: str) -> Iterator[Any]:
    """Yields the events of scalars, lists and mappings."""
    marks = (yaml.StreamStartEvent, yaml.StreamEndEvent)
    documents = (yaml.DocumentStartEvent, yaml.DocumentEndEvent)
    for event in iter(_Loader(text).get_event, None):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            advice = "write the value itself, or put a text that begins with * or & in quotes"
            raise YamlError(_line(event), "anchors and aliases are not allowed", advice)
        if getattr(event, "tag", None) not in (None, "!"):
            advice = "write plain values, or put a text that begins with ! in quotes"
            raise YamlError(_line(event), f"the tag {event.tag} is not allowed", advice)
        if not isinstance(event, marks + documents):
            yield event


def _node(event: Any, events: Iterator[Any], depth: int) -> Node:
    """Returns the node that begins with an event."""
    start, line, column = event.start_mark.index, _line(event), event.start_mark.column
    is_scalar = type(event) is yaml.ScalarEvent
    if is_scalar:
        kind = "quoted" if event.style else "plain"
        return Node(event.value, kind, line, start, event.end_mark.index, column)
    if depth > _MAX_DEPTH:
        raise YamlError(line, f"nested deeper than {_MAX_DEPTH} levels", "use fewer levels")
    parts: list[Node] = []
    while type(last := next(events)) not in _ENDS:
        parts.append(_node(last, events, depth + 1))
    behind: int = last.end_mark.index
    is_flow = behind > last.start_mark.index  # then there is a closing bracket
    # The mark of the end of a block is at the next entry, behind all comments.
    end = behind if is_flow else parts[-1].end
    if type(last) is yaml.SequenceEndEvent:
        return Node(parts, "list", line, start, end, column)
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    return Node(pairs, "mapping", line, start, end, column)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
