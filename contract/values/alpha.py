"""Values with an alpha channel: put in front of a colour, made opaque, or fitted to a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .dataset import Dataset
from .pictures import by_part
from .streamed import StreamedPictures

if TYPE_CHECKING:
    from torch import Tensor

Value = TypeVar("Value")
WHITE = "#ffffff"
GREY = "#808080"


def has_alpha(value: Any) -> bool:
    """Returns whether an image or a dataset has an alpha channel; False for any other value."""
    pictures = value.images if isinstance(value, Dataset) else value
    shape: Sequence[int] = getattr(pictures, "shape", ())
    return len(shape) == 4 and shape[3] == 4


def flat(value: Value, background: str = WHITE) -> Value:
    """Returns an image or a dataset with alpha in front of a colour, without alpha."""
    from ...models.alpha import flattened

    return _changed(value, partial(flattened, background=levels_of(background)), 3)


def in_front_of_grey(pictures: Tensor) -> Tensor:
    """Returns pictures (N, H, W, 3 or 4) in front of mid-grey, for measures that have no alpha.

    White and black drawings differ from this ground; in front of white, the former would be lost.
    """
    return flat(pictures, GREY) if has_alpha(pictures) else pictures


def opaque(value: Value) -> Value:
    """Returns an image or a dataset with an alpha channel, which is opaque if it is new."""
    from ...models import alpha

    return value if has_alpha(value) else _changed(value, alpha.opaque, 4)


def for_model(value: Value, alpha: bool, name: str, warn: Callable[[str], None]) -> Value:
    """Returns an image or a dataset for a model that was trained with alpha, or without it.

    name: the name of the input, for the warning that its transparency is not used.
    """
    if alpha:
        return opaque(value)
    if not has_alpha(value):
        return value
    warn(flattened_line(name, "the model"))
    return flat(value)


def flattened_line(name: str, who: str, background: str = WHITE) -> str:
    """Returns the line which says that transparent parts were put in front of a colour."""
    colour = "white" if background.lower() == WHITE else background
    return f"{who} can't use transparency, so it gets `{name}` in front of {colour}"


def levels_of(colour: str) -> tuple[int, int, int]:
    """Returns red, green and blue in 0..255 of a colour like #ff8000."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def _changed(value: Value, function: Callable[[Any], Any], channels: int) -> Value:
    pictures: Any = value
    if isinstance(value, Dataset):
        if isinstance(value.images, StreamedPictures):
            changed = value.images.changed(function, channels)
            return cast("Value", Dataset.streamed(value.classes, changed))
        return replace(value, images=function(value.images))
    _, height, width, _ = pictures.shape
    return cast("Value", by_part(function, pictures, height, width, channels))
