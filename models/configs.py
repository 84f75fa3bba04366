"""Reading the settings of a network back from a file that anyone may have written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

Config = TypeVar("Config")


def read_config(kind: type[Config], data: Mapping[str, Any]) -> Config:
    """A config dataclass from plain data, lists as tuples; ValueError for an odd key.

    The values are checked where the dataclass is made, in its `__post_init__`.
    """
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(map(str, data.keys() - known)):
        raise ValueError(f"{kind.__name__}: unknown settings {', '.join(unknown)[:200]}")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in data.items()}
    try:
        return kind(**values)
    except TypeError as error:  # a setting is missing
        raise ValueError(f"{kind.__name__}: {error}") from error


def check_whole(name: str, value: object, low: int, high: int) -> None:
    """ValueError unless `value` is a whole number in low..high."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {value!r:.80}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r:.80}")
