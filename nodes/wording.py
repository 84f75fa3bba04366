"""What a strict model finds wrong, in the words of someone who writes graphs."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .contract import Widget

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


def shown(value: Any) -> str:
    """A value as it stands in a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def problem_text(error: Mapping[str, Any], widget: Widget | None) -> str:
    """One pydantic error as `what is wrong - what to do`."""
    kind, value, limits = error["type"], error.get("input"), error.get("ctx") or {}
    if kind == "missing":
        return "it has no value - give it one under `with`, or wire it under `from`"
    if kind == "literal_error" and widget is not None:
        choices = [str(choice) for choice in widget.choices]
        return f"{shown(value)} is no choice - {suggestion(str(value), choices)}"
    if kind.endswith(("_type", "_parsing", "_from_float", "finite_number")) and widget is not None:
        return f"{shown(value)} is not {_KINDS[widget.kind]} - {_remedy(value, widget.kind)}"
    for rule, words in _LIMITS.items():
        if kind == rule:
            (limit,) = [v for k, v in limits.items() if k not in ("actual_length", "field_type")]
            return f"{shown(value)} {words.format(limit)}"
    return f"{shown(value)}: {error['msg']} - see `artgraph nodes` for what it takes"


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


_LIMITS = {
    "greater_than_equal": "is too small - the least is {}",
    "greater_than": "is too small - it must be more than {}",
    "less_than_equal": "is too large - the most is {}",
    "less_than": "is too large - it must be less than {}",
    "multiple_of": "does not fit - it must be a multiple of {}",
    "string_too_long": "is too long - at most {} characters",
    "string_too_short": "is too short - at least {} characters",
    "string_pattern_mismatch": "has a wrong form - it must match {}",
}
