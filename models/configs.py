"""Reading the settings of a network from a file. Files come from anywhere, so all is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from .training.diverged import UnsuitableError

Config = TypeVar("Config")
Size = int | tuple[int, int]  # edge of square pictures in pixels; (height, width) of others

LATER = ("alpha", "bends", "groups")  # settings that are not in the configs of models without them
MOST_ASPECT = 4  # longest side of a picture that is not square, divided by the shortest one
# Largest factor by which the area of such a picture may differ from that of a square whose edge
# would be allowed.
AREA_SLACK = 2


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


def plain_config(config: Any) -> dict[str, Any]:
    """Returns a config dataclass as a dict, which contains some settings only if they are used.

    So the configs of models that do not use them are the same as before these settings existed.
    """
    return {key: value for key, value in asdict(config).items() if key not in LATER or value}


def check_flag(name: str, value: object) -> None:
    """Raise a ValueError unless `value` is true or false."""
    if type(value) is not bool:
        raise ValueError(f"{name} must be true or false, not {value!r:.80}")


def check_whole(name: str, value: object, low: int, high: int) -> None:
    """Raise a ValueError unless `value` is a whole number in low..high."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {value!r:.80}")


def size_of(height: int, width: int) -> Size:
    """Returns the size of pictures in the form in which configs contain it."""
    return height if height == width else (height, width)


def sides_of(size: Size) -> tuple[int, int]:
    """Returns height and width of pictures of this size."""
    return (size, size) if isinstance(size, int) else size


def size_text(height: int, width: int) -> str:
    """Returns the size of pictures for people: `64 px`, or width and height: `72 x 48 px`."""
    return f"{height} px" if height == width else f"{width} x {height} px"


def check_size(size: object, low: int, high: int) -> None:
    """Raise a ValueError unless `size` is a Size of pictures about as large as low..high squared.

    The area of pictures that are not square may differ by AREA_SLACK, as their sides are rounded.
    """
    if not isinstance(size, tuple):
        check_whole("size", size, low, high)
        return
    if len(size) != 2 or not all(type(side) is int for side in size) or size[0] == size[1]:
        raise ValueError(
            "size must be a whole number, or two different ones for height and width, not"
            f" {size!r:.80}"
        )
    check_aspect(*size)
    if not low**2 / AREA_SLACK <= size[0] * size[1] <= high**2 * AREA_SLACK:
        raise ValueError(
            f"pictures of {size_text(*size)} are too small or too large: their area must be about"
            f" that of {low} to {high} px squared"
        )


def check_aspect(height: int, width: int) -> None:
    """Raise a ValueError if one side is more than MOST_ASPECT times as long as the other."""
    if not 0 < max(height, width) <= MOST_ASPECT * min(height, width):
        raise ValueError(
            f"pictures of {size_text(height, width)} are too narrow: one side may be at most"
            f" {MOST_ASPECT} times as long as the other"
        )


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
