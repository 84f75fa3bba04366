"""What a strict model finds wrong, in the words of someone who writes graphs."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .problem import Kind, Problem

if TYPE_CHECKING:
    from .widgets import Widget

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "text": "a text",
    "choice": "one of its choices",
    "file": "the path of a file, as a text",
    "folder": "the path of a folder, as a text",
}


def suggestion(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or what there is to choose from."""
    names = list(known)
    close = difflib.get_close_matches(str(word), names, n=1, cutoff=0.55)
    if close:
        return f"did you mean {close[0]!r}?"
    if not names:
        return "it has none"
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"there is {shown}"


def names_in(text: str) -> list[str]:
    """The names that a text separates by commas, without spaces around them."""
    return list(filter(None, map(str.strip, text.split(","))))


def shown(value: Any) -> str:
    """A value as it stands in a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def problem_of(error: Mapping[str, Any], name: str, widget: Widget | None) -> Problem:
    """Returns one pydantic error about the widget of this name as a problem."""
    rule, value, limits = error["type"], error.get("input"), error.get("ctx") or {}
    if rule == "missing":
        advice = "give it one under `with`, or wire it under `from`"
        return Problem("missing_value", name, "it has no value", advice)
    if rule == "literal_error" and widget is not None:
        advice = suggestion(str(value), [str(choice) for choice in widget.choices])
        return Problem("not_a_choice", name, f"{shown(value)} is no choice", advice)
    if rule.endswith(("_type", "_parsing", "_from_float", "finite_number")) and widget is not None:
        what = f"{shown(value)} is not {_KINDS[widget.kind]}"
        return Problem("bad_value", name, what, _remedy(value, widget.kind))
    if rule in _LIMITS:
        kind, what, advice = _LIMITS[rule]
        (limit,) = [v for k, v in limits.items() if k not in ("actual_length", "field_type")]
        return Problem(kind, name, f"{shown(value)} {what}", advice.format(limit))
    what = f"{shown(value)}: {error['msg']}"
    return Problem("bad_value", name, what, "see `artgraph nodes` for what it takes")


def _remedy(value: Any, kind: str) -> str:
    if kind in ("int", "float", "bool") and isinstance(value, str):
        with contextlib.suppress(ValueError):
            float(value)
            return "write it without quotes"
    if kind in ("text", "file", "folder") and isinstance(value, int | float):
        return "write it in quotes"
    return {
        "int": "write one such as 3",
        "float": "write one such as 0.5",
        "bool": "write true or false",
    }.get(kind, "write a text")


# Of each of pydantic's rules about limits: the kind of problem, what is wrong and what to do.
_LIMITS: dict[str, tuple[Kind, str, str]] = {
    "greater_than_equal": ("too_small", "is too small", "the least is {}"),
    "greater_than": ("too_small", "is too small", "it must be more than {}"),
    "less_than_equal": ("too_large", "is too large", "the most is {}"),
    "less_than": ("too_large", "is too large", "it must be less than {}"),
    "multiple_of": ("bad_value", "does not fit", "it must be a multiple of {}"),
    "string_too_long": ("bad_value", "is too long", "at most {} characters"),
    "string_too_short": ("bad_value", "is too short", "at least {} characters"),
    "string_pattern_mismatch": ("bad_value", "has a wrong form", "it must match {}"),
}
