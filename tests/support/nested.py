"""What is inside tuples, lists and dicts; torch's pytree does the same in many times the time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def leaves(value: Any) -> list[Any]:
    """Returns what is inside a value, in order; the value itself if it is no container."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, tuple | list):
        return [value]
    found: list[Any] = []
    for each in value:
        if isinstance(each, tuple | list | dict):
            found += leaves(each)
        else:
            found.append(each)
    return found


def mapped(kind: type, change: Callable[[Any], Any], value: Any) -> Any:
    """Returns a copy in which everything of one type is replaced by `change` of it."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, dict):
        return {name: mapped(kind, change, each) for name, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(kind, change, each) for each in value))
    if isinstance(value, tuple | list):
        return type(value)([mapped(kind, change, each) for each in value])
    return value
