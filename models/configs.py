"""Reading the settings of a network from a file. Files come from anywhere, so all is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from .training.diverged import UnsuitableError

Config = TypeVar("Config")


def read_config(kind: type[Config], data: Mapping[str, Any]) -> Config:
    """Returns a config dataclass made from plain data; lists become tuples.

    The dataclass checks the values in its `__post_init__`.
    Raises: ValueError for an unknown or a missing key, or for a wrong value.
    """
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(map(str, data.keys() - names)):
        raise ValueError(f"{kind.__name__}: unknown settings {', '.join(unknown)[:200]}")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in data.items()}
    try:
        return kind(**values)
    except TypeError as error:  # a setting is missing
        raise ValueError(f"{kind.__name__}: {error}") from error


def check_whole(name: str, value: object, low: int, high: int) -> None:
    """Raise a ValueError unless `value` is a whole number in low..high."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {value!r:.80}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise a ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r:.80}")


_NAMES = "rename or join the sub-folders of the pictures, which are the classes"


def check_names(name: str, value: object) -> None:
    """Raise a ValueError unless `value` is a tuple of 1 to 1000 different names."""
    if not isinstance(value, tuple) or not 1 <= len(value) <= 1000:
        raise UnsuitableError(f"{name} must be a list of 1 to 1000 names", _NAMES)
    if not all(isinstance(entry, str) and 0 < len(entry) <= 200 for entry in value):
        raise UnsuitableError(f"each of the {name} must have 1 to 200 characters", _NAMES)
    if len(set(value)) < len(value):
        raise ValueError(f"two of the {name} are the same")
