"""Messages for people who write graphs, made from pydantic's errors and from unknown names."""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .errors import NodeError
from .mistyped import QUOTES, SPACES, number_advice
from .problem import Kind, Problem

if TYPE_CHECKING:
    from .parameter import Widget

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "text": "a text",
    "choice": "one of its choices",
    "file": "the path of a file, as a text",
    "folder": "the path of a folder, as a text",
}
_MOST_SUGGESTED = 8  # names that are suggested for one unknown name


def suggestion(unknown: str, names: Iterable[str], otherwise: str = "") -> str:
    """Returns advice for an unknown name: `did you mean 'x'?`, or the names to choose from.

    All names that begin with the unknown one are suggested, or else the one that is most like it.

    otherwise: the advice if no name is like the unknown one.
    """
    choices = list(names)
    close = _close(unknown, choices)
    if close:
        return f"did you mean {' or '.join(map(repr, close[:_MOST_SUGGESTED]))}?"
    if otherwise:
        return otherwise
    return f"choose from {listed(choices)}" if choices else "there is nothing to choose from"


def _close(unknown: str, choices: list[str]) -> list[str]:
    """Returns the names that begin with an unknown one, or else those that are most like it.

    Upper and lower case, the form of accents, and spaces and quotes around a name do not count.
    """
    plain = {name: _plain(name) for name in choices}
    wanted = _plain(unknown)
    close = [name for name in choices if wanted and plain[name].startswith(wanted)]
    same = [name for name in close if plain[name] == wanted]
    if close:
        return same or close
    nearest = difflib.get_close_matches(wanted, plain.values(), n=1, cutoff=0.6)
    return [name for name in choices if plain[name] in nearest]


def _plain(name: str) -> str:
    return _composed(name).strip(QUOTES + SPACES).casefold()


def _composed(name: str) -> str:
    """Returns a name in Unicode's form NFC. macOS may write letters with accents in form NFD."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def listed(names: Iterable[str], most: int = 12) -> str:
    """Returns names separated by commas; those that contain a comma or outer spaces are quoted."""
    shown = [repr(n) if "," in n or n != n.strip() or not n else n for n in names]
    return ", ".join(shown[:most]) + (", ..." if len(shown) > most else "")


def find_name(typed: str, names: Iterable[str]) -> str | None:
    """Returns the one of `names` that was typed, or None. The form of accents does not count."""
    choices = list(names)
    if typed in choices:
        return typed
    same = [name for name in choices if _composed(name) == _composed(typed)]
    return same[0] if len(same) == 1 else None


def in_form_of(names: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """Returns names, in the form of accents that the same names have in `others`."""
    own, choices = tuple(names), list(others)
    if all(name.isascii() for name in own):
        return own
    same = tuple(name if name in choices else find_name(name, choices) or name for name in own)
    return same if len(set(same)) == len(set(own)) else own


def chosen_names(text: str, names: Iterable[str], unknown: str) -> list[str]:
    """Returns those of `names` that a text lists, separated by commas.

    A name that contains a comma is in double quotes, or is the whole text.

    Raises: NodeError for a name that does not exist; `unknown` and the name say what is wrong.
    """
    choices = list(names)
    whole = find_name(text.strip(), choices)
    if whole is not None:
        return [whole]
    found = []
    for quoted, plain in _LISTED.findall(text):
        typed = quoted.replace('""', '"') or plain.strip()
        name = find_name(typed, choices)
        if name is None and typed:
            advice = suggestion(typed, choices)
            if any("," in choice for choice in choices):
                advice += " (a name that contains a comma needs double quotes)"
            raise NodeError(f"{unknown} {typed!r}", advice)
        found += [name] if name is not None else []
    return found


# One of several names that are separated by commas, in double quotes or without.
_LISTED = re.compile(r'\s*(?:"((?:[^"]|"")+)"(?=\s*(?:,|$))|([^,]+))')


def short_repr(value: Any) -> str:
    """Returns a value in the form for messages, at most 60 characters long."""
    return shortened(repr(value))


def shortened(text: str) -> str:
    """Returns a text, cut to 60 characters."""
    return text if len(text) <= 60 else text[:57] + "..."


def problem_of(error: Mapping[str, Any], name: str, widget: Widget | None) -> Problem:
    """Returns the problem that describes one of pydantic's errors about a widget."""
    rule, value, limits = error["type"], error.get("input"), error.get("ctx") or {}
    if rule == "missing":
        advice = "set it under `with`, or wire it under `from`"
        return Problem("missing_value", name, "it has no value", advice)
    if widget is not None and widget.is_background:
        # In YAML, a colour without quotes is a comment.
        what = "it has no value" if value is None else f"{short_repr(value)} is not a colour"
        return Problem("bad_value", name, what, 'write one in quotes, such as "#ff8000"')
    if value is None and widget is not None:
        choices = [str(choice) for choice in widget.choices]
        advice = suggestion("", choices) if choices else _advice(value, widget)
        return Problem("bad_value", name, "it has no value", advice)
    if widget is not None and isinstance(value, float) and not math.isfinite(value):
        what = f"{value} is not {_KINDS[widget.kind]}"
        return Problem("bad_value", name, what, _advice(str(value), widget))
    if rule == "literal_error" and widget is not None:
        advice = suggestion(str(value), [str(choice) for choice in widget.choices])
        what = f"{short_repr(value)} is not one of the choices"
        return Problem("not_a_choice", name, what, advice)
    if rule.endswith(("_type", "_parsing", "_from_float", "finite_number")) and widget is not None:
        shown = shortened(str(value).lower()) if isinstance(value, bool) else short_repr(value)
        what = f"{shown} is not {_KINDS[widget.kind]}"
        return Problem("bad_value", name, what, _advice(value, widget))
    if rule in _LIMITS:
        kind, what, advice = _LIMITS[rule]
        (limit,) = [v for k, v in limits.items() if k not in ("actual_length", "field_type")]
        return Problem(kind, name, f"{short_repr(value)} {what}", advice.format(limit))
    what = f"{short_repr(value)}: {error['msg']}"
    return Problem("bad_value", name, what, "see `artgraph nodes` for what it accepts")


def _advice(value: Any, widget: Widget) -> str:
    """Returns what to write instead of a value of a wrong type."""
    if isinstance(value, list | dict):
        return f"write a single value, {_EXAMPLES.get(widget.kind, 'a text')}"
    if widget.kind in ("int", "float"):
        return number_advice(value, widget) or f"write {_EXAMPLES[widget.kind]}"
    if widget.kind == "bool":
        word = str(value).strip(QUOTES + " ").lower()
        if word in ("true", "false"):
            return f"write {word} without quotes"
        meant = {
            **dict.fromkeys(("yes", "on", "1"), "true"),
            **dict.fromkeys(("no", "off", "0"), "false"),
        }
        return f"write {meant.get(word, 'true or false')}"
    if isinstance(value, bool):
        return f'write it in quotes: "{str(value).lower()}"'
    if isinstance(value, int | float):
        return f'write it in quotes: "{value}"'
    if value is None and widget.kind == "text":
        return 'write a text; the word null must be in quotes: "null"'
    return "write a text"


_EXAMPLES = {
    "int": "a whole number such as 3",
    "float": "a number such as 0.5",
    "bool": "true or false",
}


# By pydantic's name of a limit: the kind of problem, what is wrong and what to do.
_LIMITS: dict[str, tuple[Kind, str, str]] = {
    "greater_than_equal": ("too_small", "is too small", "the minimum is {}"),
    "greater_than": ("too_small", "is too small", "it must be more than {}"),
    "less_than_equal": ("too_large", "is too large", "the maximum is {}"),
    "less_than": ("too_large", "is too large", "it must be less than {}"),
    "multiple_of": ("bad_value", "is not allowed", "it must be a multiple of {}"),
    "string_too_long": ("bad_value", "is too long", "use at most {} characters"),
    "string_too_short": ("bad_value", "is too short", "use at least {} characters"),
    "string_pattern_mismatch": ("bad_value", "has the wrong form", "it must match {}"),
}
