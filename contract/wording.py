"""Messages for people who write graphs, made from pydantic's errors and from unknown names."""

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
_MOST_SUGGESTED = 8  # names that are suggested for one unknown name


def suggestion(unknown: str, names: Iterable[str], otherwise: str = "") -> str:
    """Returns advice for an unknown name: `did you mean 'x'?`, or the names to choose from.

    All names that begin with the unknown one are suggested, or else the one that is most like it.

    otherwise: the advice if no name is like the unknown one.
    """
    choices = list(names)
    close = [name for name in choices if unknown and name.startswith(unknown)]
    close = close or difflib.get_close_matches(unknown, choices, n=1, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(map(repr, close[:_MOST_SUGGESTED]))}?"
    if otherwise:
        return otherwise
    if not choices:
        return "there is nothing to choose from"
    return f"choose from {', '.join(choices[:12])}" + (", ..." if len(choices) > 12 else "")


def names_in(text: str) -> list[str]:
    """Returns the names in a text, which are separated by commas, without spaces around them."""
    return list(filter(None, map(str.strip, text.split(","))))


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
    if value is None and widget is not None:
        choices = [str(choice) for choice in widget.choices]
        advice = suggestion("", choices) if choices else _advice(value, widget.kind)
        return Problem("bad_value", name, "it has no value", advice)
    if rule == "literal_error" and widget is not None:
        advice = suggestion(str(value), [str(choice) for choice in widget.choices])
        what = f"{short_repr(value)} is not one of the choices"
        return Problem("not_a_choice", name, what, advice)
    if rule.endswith(("_type", "_parsing", "_from_float", "finite_number")) and widget is not None:
        what = f"{short_repr(value)} is not {_KINDS[widget.kind]}"
        return Problem("bad_value", name, what, _advice(value, widget.kind))
    if rule in _LIMITS:
        kind, what, advice = _LIMITS[rule]
        (limit,) = [v for k, v in limits.items() if k not in ("actual_length", "field_type")]
        return Problem(kind, name, f"{short_repr(value)} {what}", advice.format(limit))
    what = f"{short_repr(value)}: {error['msg']}"
    return Problem("bad_value", name, what, "see `artgraph nodes` for what it accepts")


def _advice(value: Any, kind: str) -> str:
    if kind in ("int", "float", "bool") and isinstance(value, str):
        with contextlib.suppress(ValueError):
            float(value)
            return "write it without quotes"
    if kind in ("text", "file", "folder") and isinstance(value, int | float):
        return "write it in quotes"
    return {
        "int": "write a whole number such as 3",
        "float": "write a number such as 0.5",
        "bool": "write true or false",
    }.get(kind, "write a text")


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
