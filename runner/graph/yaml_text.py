"""Reads and writes YAML as graph files use it.

The reader works on events instead of objects. It is several times faster, knows line numbers, and
refuses anchors, aliases, tags, duplicate keys and deep nesting before anything is built. Scalars
follow YAML 1.2's core schema: `no` is a text, `1e3` is a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from .yaml_mistakes import odd_advice, odd_character

MAX_DEPTH = 16  # levels of nesting
MAX_TEXT = 100_000  # characters of one scalar

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, if PyYAML includes it
_INT = re.compile(r"[-+]?[0-9]{1,40}|0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# Texts that are written without quotes: words that begin with a letter, and relative paths.
_PLAIN = re.compile(r"(?:\.{0,2}/)?[^\W\d][\w./()+-]*(?: [\w./()+-]+)*")
_YAML_1_1 = {"y", "n", "yes", "no", "on", "off"}  # texts that YAML 1.1 reads as true or false


class Origin(NamedTuple):
    """The file of a graph inside the graph, as messages name it, and the folder of that file."""

    file: str
    folder: Path


class Marked(NamedTuple):
    """A value with its line; the items of a mapping or list are Marked, too.

    origin: the file that contains the value, if it is a graph inside the graph.
    """

    value: Any
    line: int
    origin: Origin | None = None


class Typed(NamedTuple):
    """A value typed on the command line.

    value:  the value as YAML reads it.
    raw:    the value as it was typed.
    option: the whole option, such as `--set knobs.size=64`.
    """

    value: Any
    raw: str
    option: str


Refusal = Callable[[int, str, str], Exception]  # (line, what is wrong, what to do) -> the error


def scalar(text: str) -> Any:
    """Returns the value of a plain scalar by YAML 1.2's core schema. A huge number is a text."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if _FLOAT.fullmatch(text) and isfinite(number := float(text)):
        return number
    return text


def read_yaml(text: str, refusal: Refusal) -> Marked:
    """Returns the data in a YAML text. Not recursive, so depth cannot exhaust the stack.

    Raises: yaml.YAMLError, and errors made by `refusal`.
    """
    root: list[Marked] = []
    stack: list[tuple[Any, int, str | None]] = []  # container, its line, the key without a value
    documents = 0
    for event in iter(LOADER(text).get_event, None):
        kind, line = type(event), event.start_mark.line + 1
        if kind is yaml.ScalarEvent:
            mark = _scalar_mark(event, line, refusal)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            _refuse_extras(event, line, refusal)
            if len(stack) >= MAX_DEPTH:
                raise refusal(line, f"nested deeper than {MAX_DEPTH} levels", "use fewer levels")
            stack.append(({} if kind is yaml.MappingStartEvent else [], line, None))
            continue
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            container, line, _ = stack.pop()
            mark = Marked(container, line)
        else:
            _refuse_extras(event, line, refusal)
            documents += kind is yaml.DocumentStartEvent
            if documents > 1:
                raise refusal(line, "a second document in one file", "write one graph per file")
            continue
        if not stack:
            root.append(mark)
            continue
        container, begin, key = stack[-1]
        if isinstance(container, list):
            container.append(mark)
        elif key is not None:
            if mark.value is None and ":" in key:
                name, _, value = key.partition(":")
                advice = f"write `{name}: {value}`, with a space behind the colon"
                raise refusal(line, f"{key!r} has no value", advice)
            container[key] = mark
            stack[-1] = (container, begin, None)
        else:
            if kind is not yaml.ScalarEvent or type(mark.value) is float or mark.value is None:
                shown = "" if kind is not yaml.ScalarEvent else f" {event.value!r}"
                advice = "write `name: value` lines, and numbers with a point instead of a comma"
                raise refusal(line, f"the key{shown} is not a name", advice)
            _check_key(event.value, line, container, refusal)
            stack[-1] = (container, begin, event.value)
    return root[0] if root else Marked(None, 1)


def _check_key(key: str, line: int, mapping: Mapping[str, Marked], refusal: Refusal) -> None:
    odd = odd_character(key)
    if odd is not None:
        raise refusal(line, f"the key {key!r} contains {odd}", odd_advice(odd))
    if key in mapping:
        earlier = mapping[key].line
        where = f", also in line {earlier}" if earlier != line else ""
        raise refusal(line, f"the key {key!r} appears twice{where}", "remove one of them")


def _scalar_mark(event: yaml.ScalarEvent, line: int, refusal: Refusal) -> Marked:
    if event.anchor is not None or event.tag is not None:
        _refuse_extras(event, line, refusal)
    if len(event.value) > MAX_TEXT:
        raise refusal(line, f"a text of over {MAX_TEXT} characters", "shorten it")
    return Marked(event.value if event.style else scalar(event.value), line)


def _refuse_extras(event: Any, line: int, refusal: Refusal) -> None:
    if getattr(event, "anchor", None) is not None:
        raise refusal(line, "anchors and aliases are not allowed", "write the value itself")
    if getattr(event, "tag", None) not in (None, "!"):
        raise refusal(line, f"the tag {event.tag} is not allowed", "write plain values")


def plain_of(mark: Marked) -> Any:
    """Returns the data without its lines. Recursive, as the reader limits nesting."""
    if isinstance(mark.value, dict):
        return {key: plain_of(value) for key, value in mark.value.items()}
    if isinstance(mark.value, list):
        return [plain_of(value) for value in mark.value]
    return mark.value


def write_yaml(data: Mapping[str, Any]) -> str:
    """Returns plain data as YAML that reads back the same, here and by readers of YAML 1.1.

    PyYAML's own writer took four fifths of the time of a cached run.
    """
    lines: list[str] = []
    write_block(data, "", lines)
    return "\n".join(lines) + "\n"


def write_block(data: Mapping[str, Any], indent: str, lines: list[str]) -> None:
    """Append the lines of a mapping, each entry after `indent`."""
    for key, value in data.items():
        if isinstance(value, dict) and value and (not indent or _is_deep(value)):
            lines.append(f"{indent}{_text(key)}:")
            write_block(value, indent + "  ", lines)
        else:
            lines.append(f"{indent}{_text(key)}: {yaml_line(value)}")


def _is_deep(data: Mapping[str, Any]) -> bool:
    return not {dict, list}.isdisjoint(map(type, data.values()))


def yaml_line(value: Any) -> str:
    """Returns a value as YAML in one line."""
    if isinstance(value, str):
        return _text(value)
    if type(value) is int:
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join([f"{_text(key)}: {yaml_line(v)}" for key, v in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(yaml_line, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)  # 1e+16 is a text to YAML 1.1, 1.0e+16 is not
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


@lru_cache(10_000)
def _text(text: str) -> str:
    """Returns a text as YAML, in quotes if it would be read as something else without them."""
    if _PLAIN.fullmatch(text) and text not in _CONSTANTS and text.lower() not in _YAML_1_1:
        return text
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    if char == "\n":
        return "\\n"
    code = ord(char)
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )
