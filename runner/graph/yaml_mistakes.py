"""What is wrong with a text that is not YAML, as a person who wrote it sees it."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from ...contract.errors import GraphError
from ...contract.file_kinds import kind_of_file

if TYPE_CHECKING:
    from pathlib import Path

    import yaml

GRAPH_ADVICE = "name a .yaml graph, a .json file of ComfyUI, or a PNG that artgraph saved"

_BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")  # the line breaks that YAML counts
_CONTROL = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ODD = re.compile(r"[\xa0\u2000-\u200d\u202f\u205f\u2060\u3000\ufeff\u2018\u2019\u201c\u201d]")

# The beginning of a parser's message: what is wrong and what to do.
_MEANINGS = {
    "mapping values are not allowed": (
        "there is a `:` where none can be",
        "indent this line like the others of its mapping, write a space behind each `:`, and put a"
        " text that contains `: ` in quotes",
    ),
    "did not find expected key": (
        "this line does not fit the lines above it",
        "indent it like the others of its mapping, and look for a bracket or a quote too many",
    ),
    "did not find expected '-' indicator": (
        "this line does not fit the list above it",
        "a graph has no lists of nodes; write `name: value` lines without `-`",
    ),
    "did not find expected ',' or": (
        "a comma or a closing bracket is missing before this place",
        "write {name: value, name: value} in one line",
    ),
    "could not find expected ':'": (
        "there is no `:` in the line above",
        "write `name: value`, with a space behind the `:`",
    ),
    "found unknown escape character": (
        "a backslash in double quotes begins a special character",
        "use single quotes, or write each backslash twice",
    ),
    "did not find expected hexdecimal number": (
        "a backslash in double quotes begins a special character",
        "use single quotes, or write each backslash twice",
    ),
    "did not find expected alphabetic or numeric character": (
        "anchors and aliases are not allowed",
        "put a text that begins with * or & in quotes",
    ),
    "did not find expected comment or line break": (
        "a text that begins with > or | must be in quotes",
        "put it in quotes",
    ),
}


def decoded(data: bytes, path: Path) -> str:
    """Returns the text of a graph file. Raises: GraphError if it is not UTF-8."""
    found = kind_of_file(data)
    if found is not None:
        raise GraphError(f"{path}: this is {found}, not a graph", GRAPH_ADVICE)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or data.count(b"\0") > len(data) // 4:
        what = f"{path}: this is UTF-16 text, or not text at all"
        raise GraphError(what, "save the graph as UTF-8 in your text editor")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        if b"\0" in data:
            what, how = "not UTF-8 text, but binary data", GRAPH_ADVICE
        else:
            what = f"not UTF-8 text: byte {data[error.start]:#04x} in line "
            what += str(data.count(b"\n", 0, error.start) + 1)
            how = "save the graph as UTF-8 in your text editor"
        raise GraphError(f"{path}: {what}", how) from error


def odd_character(text: str) -> str | None:
    """Returns the name of a character that a web page or a word processor put into a text.

    Such a character looks like a space or a quote, and YAML takes it for a letter.
    """
    found = None if text.isascii() else _ODD.search(text)
    return None if found is None else _named(found[0])


def syntax_error(text: str, error: yaml.YAMLError) -> tuple[int | None, str, str]:
    """Returns the line of a mistake in a YAML text, what is wrong and what to do."""
    control = _CONTROL.search(text)
    if control is not None:
        before = _BREAK.split(text[: control.start()])
        what = f"column {len(before[-1]) + 1} is {_named(control[0])}"
        return (
            len(before),
            what,
            "remove this character; if there are many, the file is damaged",
        )
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return None, f"not valid YAML ({error})", "write `name: value` lines"
    lines = [*_BREAK.split(text), ""]
    line, number = lines[mark.line], mark.line + 1
    problem = getattr(error, "problem", None) or "not valid YAML"
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return number, "this line begins with a tab", "indent with spaces"
    odd = odd_character(line)
    if odd is not None:
        return number, f"this line contains {odd}", odd_advice(odd)
    begin = getattr(error, "context_mark", None)
    if begin is not None and mark.line >= len(_BREAK.split(text.rstrip())):
        opener = _char_at(lines, begin.line, begin.column)
        what, advice = "this YAML is incomplete", "is a bracket or quote not closed?"
        if opener in _CLOSERS:
            what, advice = f"the {opener} is not closed", f"close it with {_CLOSERS[opener]}"
        return begin.line + 1, what, advice
    if problem.startswith("found character that cannot start any token"):
        char = _char_at(lines, mark.line, mark.column)
        return number, f"a value can't begin with {char}", "put it in quotes"
    for beginning, (what, advice) in _MEANINGS.items():
        if problem.startswith(beginning):
            return number, what, advice
    return number, problem, "write `name: value` lines, and put a text with symbols in quotes"


_CLOSERS = {"{": "}", "[": "]", '"': '"', "'": "'"}


def _char_at(lines: list[str], line: int, column: int) -> str:
    """Returns the character at a place, or an empty text."""
    return lines[line][column : column + 1] if line < len(lines) else ""


def odd_advice(odd: str) -> str:
    """Returns what to do about a character that `odd_character` returned."""
    if "QUOTATION" in odd:
        return "replace it by a straight quote, ' or \""
    if "WIDTH" in odd or "JOINER" in odd:
        return "remove it; your text editor does not show it"
    return "replace it by an ordinary space"


def _named(char: str) -> str:
    """Returns the number of a character in Unicode, and its name if it has one."""
    name = {"\0": "NULL", "\x1b": "ESCAPE"}.get(char, unicodedata.name(char, ""))
    return f"the character U+{ord(char):04X}" + (f" ({name})" if name else "")
