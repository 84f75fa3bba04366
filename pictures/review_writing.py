"""Changing the text of a review: what does not change stays as it is written, with its comments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .review import VERSION, Choice, Review, ReviewError, choice_of, parse_review, pictures_node
from .walk import printable
from .yaml_nodes import Node, YamlError, read_nodes

_BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")  # the line breaks that YAML counts
# Texts that are written without quotes.
_PLAIN = re.compile(r"[^\W\d][\w./()+-]*(?: [\w./()+-]+)*")
# Words that YAML reads as other values than texts.
_WORDS = {*("y", "n", "yes", "no"), *("on", "off"), *("true", "false"), "null"}


def changed(text: str, edits: Mapping[str, Choice | None]) -> str:
    """Returns the text of a review in which some pictures have other choices.

    text:  the text as it is; empty for a new one.
    edits: by the names of the pictures; None if nothing is decided about a picture any more.

    Entries that do not change stay as they are written, and so do comments. New entries come last,
    in the order of `edits`. If the entries are not one below the other, the text is written anew.

    Raises: ReviewError if the text is not a review, or a choice is not valid.
    """
    if _is_empty(text):
        text = _with_break(text, "\n") + f"review: {VERSION}\n"
    review = parse_review(text)
    wanted = {
        printable(name): choice_of(choice.fields()) if choice else Choice()
        for name, choice in edits.items()
    }
    wanted = {name: choice for name, choice in wanted.items() if review.get(name) != choice}
    expected = review | wanted
    for name, choice in wanted.items():
        if choice == Choice():
            del expected[name]
    try:
        result = _edited(text, wanted)
        if list(parse_review(result).items()) == list(expected.items()):
            return result
    except ReviewError:  # the text is written in an unusual way
        pass
    return _written(text, expected)


def _is_empty(text: str) -> bool:
    try:
        return read_nodes(text) is None
    except YamlError:
        return False  # `parse_review` reports what is wrong


def _edited(text: str, wanted: Mapping[str, Choice]) -> str:
    """Returns the text with other lines for some entries; it may be wrong for unusual texts."""
    root = read_nodes(text)
    assert root is not None
    pictures = pictures_node(root)
    entries: list[tuple[Node, Node]] = pictures.value if pictures else []
    new = dict(wanted)
    edits: list[tuple[int, int, str]] = []  # the range of a part, and its new text
    for key, value in entries:
        choice = new.pop(printable(key.value), None)
        if choice == Choice():
            edits.append((key.start - key.column, _next_line(text, value.end), ""))
        elif choice is not None:
            edits.append((key.end, value.end, f": {_line(choice.fields())}"))
    new = {name: choice for name, choice in new.items() if choice != Choice()}
    if new:
        heading, place = "", entries[-1][1].end if entries else root.end
        if not entries:
            heading = "pictures:"
            for key, value in root.value:
                if key.value == "pictures":  # it is empty
                    edits.append((key.end, value.end, ":"))
                    heading, place = "", value.end
        place = _next_line(text, place)
        indent = " " * entries[0][0].column if entries else "  "
        end = "\r\n" if "\r\n" in text else "\n"
        lines = [heading] * bool(heading)
        lines += [f"{indent}{_text(name)}: {_line(c.fields())}" for name, c in new.items()]
        before = "" if _BREAK.search(text[place - 1 : place]) else end
        edits.append((place, place, before + end.join([*lines, ""])))
    done, pieces = 0, []
    for start, behind, piece in edits:
        pieces += [text[done:start], piece]
        done = behind
    return "".join([*pieces, text[done:]])


def _next_line(text: str, place: int) -> int:
    """Returns the place of the beginning of the next line."""
    found = _BREAK.search(text, place)
    return found.end() if found else len(text)


def _with_break(text: str, end: str) -> str:
    return text if not text or _BREAK.fullmatch(text[-1]) else text + end


def _written(text: str, review: Review) -> str:
    """Returns a review as text, below the comments with which another text begins."""
    end = "\r\n" if "\r\n" in text else "\n"
    comments = []
    for line in _BREAK.split(text):
        if line.strip() and not line.startswith("#"):
            break
        comments.append(line)
    lines = [*comments, f"review: {VERSION}", "pictures:"]
    lines += [f"  {_text(name)}: {_line(choice.fields())}" for name, choice in review.items()]
    return end.join([*lines, ""])


def _line(fields: Mapping[str, Any]) -> str:
    """Returns the fields of a choice as YAML in one line."""
    return "{" + ", ".join(f"{name}: {_value(value)}" for name, value in fields.items()) + "}"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _text(text: str) -> str:
    """Returns a text as YAML, in quotes if it would be read as something else without them."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if char.isprintable() else f"\\U{ord(char):08x}"
