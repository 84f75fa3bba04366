"""Changes values in the text of a YAML file, and leaves everything else as it was written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from .yaml_text import LOADER, plain_of, read_yaml, write_block, yaml_line

_COMMENT_LINE = re.compile(r"\r?\n([ ]*)(#[^\r\n]*)?(?=\r?\n|\Z)")
_COMMENT = re.compile(r"#[^\r\n]*")


class EditError(Exception):
    """A change that can't be made in the text."""


def edited(text: str, new: Mapping[str, Any], renamed: Mapping[str, str] | None = None) -> str:
    """Returns the text of a graph file with the data `new`.

    Values are changed in their place, new entries are added at the end of their mapping, and the
    lines of removed entries are removed. `renamed` names the nodes that have new names.

    Raises: EditError, yaml.YAMLError.
    """
    if renamed:
        text = _with_names(text, renamed)
    old = data_of(text)
    editor = _Editor(text)
    editor.change(editor.root, old, new)
    result = editor.result()
    if _sorted(data_of(result)) != _sorted(new):
        raise EditError
    ended = result.rstrip("\n") + "\n"
    is_ended = result.endswith("\n") or _sorted(data_of(ended)) != _sorted(new)
    return result if is_ended else ended


def lost_comments(old: str, new: str) -> int:
    """Returns how many comments of the old text are not in the new one."""
    return sum((Counter(_comments(old)) - Counter(_comments(new))).values())


def data_of(text: str) -> Any:
    """Returns the data in the text of a YAML file."""
    return plain_of(read_yaml(text, lambda line, what, advice: EditError(f"{line}: {what}")))


def _sorted(value: Any) -> str:
    """Returns data as text that does not depend on the order of keys, but on types."""
    if isinstance(value, Mapping):
        return (
            "{" + ",".join(sorted(f"{yaml_line(k)}:{_sorted(v)}" for k, v in value.items())) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(map(_sorted, value)) + "]"
    return yaml_line(value)


def _with_names(text: str, renamed: Mapping[str, str]) -> str:
    editor = _Editor(text)
    nodes = next((item.value for item in editor.root.items if item.key == "nodes"), None)
    for item in nodes.items if nodes is not None else ():
        if item.key in renamed:
            editor.edits.append((item.start, item.end, yaml_line(renamed[item.key])))
    return editor.result()


@dataclass
class _Piece:
    """A value in the text, from `start` to `end`. `items` are the entries of a mapping."""

    kind: str  # "scalar", "mapping" or "list"
    start: int
    end: int
    is_flow: bool = False
    is_block_text: bool = False
    items: list[_Item] = field(default_factory=list)
    scalars: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class _Item:
    key: str
    start: int
    end: int
    column: int
    value: _Piece


class _Editor:
    def __init__(self, text: str) -> None:
        self.text = text
        self.edits: list[tuple[int, int, str]] = []
        self.scalars: list[tuple[int, int]] = []
        events = yaml.parse(text, Loader=LOADER)
        self.root = self.piece(events, self.first(events))

    def first(self, events: Iterator[Any]) -> Any:
        for event in events:
            if not isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
                return event
        raise EditError

    def piece(self, events: Iterator[Any], first: Any) -> _Piece:
        event = first
        start, end = event.start_mark.index, event.end_mark.index
        if isinstance(event, yaml.ScalarEvent):
            self.scalars.append((start, end))
            return _Piece("scalar", start, end, is_block_text=event.style in ("|", ">"))
        if isinstance(event, yaml.SequenceStartEvent):
            piece = _Piece("list", start, end, bool(event.flow_style))
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                piece.end = self.piece(events, event).end
        elif isinstance(event, yaml.MappingStartEvent):
            piece = _Piece("mapping", start, end, bool(event.flow_style))
            while not isinstance(event := next(events), yaml.MappingEndEvent):
                if not isinstance(event, yaml.ScalarEvent):
                    raise EditError
                key: Any = event
                begin, stop = key.start_mark, key.end_mark.index
                self.scalars.append((begin.index, stop))
                value = self.piece(events, next(events))
                item = _Item(key.value, begin.index, stop, begin.column, value)
                piece.items.append(item)
                piece.end = max(value.end, item.end)
        else:
            raise EditError
        if piece.is_flow:
            piece.end = event.end_mark.index
        return piece

    def result(self) -> str:
        text = self.text
        numbered = [(start, end, number) for number, (start, end, _) in enumerate(self.edits)]
        for start, end, number in sorted(numbered, reverse=True):
            new = self.edits[number][2]
            text = text[:start] + new + text[end:]
        return text

    def change(self, piece: _Piece, old: Any, new: Any) -> None:
        """Change a value that the text contains in `piece`."""
        if _sorted(old) == _sorted(new):
            return
        if piece.kind != "mapping" or not isinstance(new, Mapping) or not new:
            self.replace(piece, new)
            return
        items = {item.key: item for item in piece.items}
        kept = [item for item in piece.items if item.key in new]
        if not kept:
            self.replace(piece, new)
            return
        for item in piece.items:
            if item.key not in new:
                self.remove(piece, item, kept)
            else:
                self.change(item.value, old[item.key], new[item.key])
        added = {key: value for key, value in new.items() if key not in items}
        if added and piece.is_flow:
            text = "".join(f", {yaml_line(key)}: {yaml_line(v)}" for key, v in added.items())
            end = kept[-1].value.end
            self.edits.append((end, end, text))
        elif added:
            self.add_lines(piece, added)

    def replace(self, piece: _Piece, new: Any) -> None:
        if piece is self.root:
            raise EditError
        is_block = piece.kind != "scalar" and not piece.is_flow
        before = "" if self.text[piece.start - 1 : piece.start].isspace() else " "
        if piece.kind == "scalar" and not piece.is_block_text and piece.start != piece.end:
            before = ""
        if piece.is_flow:
            before = ""
        if is_block:  # its first key is in a line of its own, behind the line of the parent's key
            start = self.text.rindex(":", 0, piece.start) + 1
            if "#" in self.text[start : piece.start]:
                raise EditError
            self.edits.append((start, piece.end, " " + yaml_line(new)))
            return
        after = "\n" if piece.is_block_text else ""
        self.edits.append((piece.start, piece.end, before + yaml_line(new) + after))

    def remove(self, piece: _Piece, item: _Item, kept: list[_Item]) -> None:
        """Remove an entry; in a mapping in braces with its comma, else with its lines."""
        if not piece.is_flow:
            start = self.text.rfind("\n", 0, item.start) + 1
            if self.text[start : item.start].strip():
                raise EditError
            end = self.line_end(max(item.value.end, item.end))
            self.edits.append((start, min(end + 1, len(self.text)), ""))
            return
        place = piece.items.index(item)
        if any(other in kept for other in piece.items[:place]):
            before = piece.items[place - 1]
            self.edits.append((max(before.value.end, before.end), item.value.end, ""))
        else:
            self.edits.append((item.start, piece.items[place + 1].start, ""))

    def add_lines(self, piece: _Piece, added: Mapping[str, Any]) -> None:
        last = piece.items[-1]
        column = piece.items[0].column
        end = self.comments_end(self.line_end(max(last.value.end, last.end)), column)
        lines: list[str] = []
        write_block(added, " " * column, lines)
        text = "\n".join(lines)
        if self.text[end:].strip() or self.text[end : end + 1] == "\n":
            self.edits.append((end, end, "\n" + text))
        else:
            is_ended = self.text[:end].endswith("\n")
            self.edits.append((end, end, text + "\n" if is_ended else "\n" + text + "\n"))

    def comments_end(self, end: int, column: int) -> int:
        """Returns the end of the comments below a line that are not left of a column."""
        place = end
        while found := _COMMENT_LINE.match(self.text, place):
            if found[2] and len(found[1]) < column:
                break
            place = found.end()
            end = place if found[2] else end
        return end

    def line_end(self, place: int) -> int:
        """Returns the end of the line at a place, or before the line break that ends there."""
        if self.text[:place].endswith("\n"):
            return place - 1
        end = self.text.find("\n", place)
        return len(self.text) if end < 0 else end


def _comments(text: str) -> list[str]:
    editor = _Editor(text)
    found, place = [], 0
    for start, end in [*sorted(editor.scalars), (len(text), len(text))]:
        found += [comment.rstrip() for comment in _COMMENT.findall(text[place:start])]
        place = max(place, end)
    return found
