"""Colours that are multiplied by their opacity, so that clear pixels do not colour others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
CLEAR = 0.5 / 255  # opacities below it are stored as 0
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # ITU-R BT.709, for sRGB values


def with_shares(picture: Array) -> Array:
    """Returns a picture (H, W, C) with colours multiplied by their opacity."""
    if picture.shape[2] == 3:
        return picture
    return np.concatenate([picture[..., :3] * picture[..., 3:], picture[..., 3:]], 2)


def without_shares(picture: Array) -> Array:
    """Returns a picture (H, W, C) of `with_shares` with straight colours; clear is black."""
    if picture.shape[2] == 3:
        return picture
    alpha = picture[..., 3:]
    colours = np.clip(picture[..., :3] / np.maximum(alpha, CLEAR), 0, 1)
    return np.concatenate([np.where(alpha < CLEAR, 0, colours), alpha], 2)


def on_colours(function: Callable[[Array], Array], picture: Array) -> Array:
    """Returns a picture with `function` of its colours (H, W, 3), and with the same alpha."""
    return np.concatenate([function(picture[..., :3]), picture[..., 3:]], 2)


def on_shares(function: Callable[[Array], Array], picture: Array) -> Array:
    """Returns a picture after `function` of its premultiplied channels (H, W, C)."""
    return without_shares(function(with_shares(picture)))


def brightness(colours: Array) -> Array:
    """Returns the luma of colours (..., 3): (...), in sRGB values.

    The sum has a fixed order, so that it has the same bits on every machine.
    """
    red, green, blue = (colours[..., i] * LUMA[i] for i in range(3))
    return red + green + blue  # type: ignore[no-any-return]


def in_front_of(picture: Array, ground: float = 1.0) -> Array:
    """Returns the colours (H, W, 3) of a picture in front of a grey."""
    if picture.shape[2] == 3:
        return picture
    alpha = picture[..., 3:]
    return picture[..., :3] * alpha + np.float32(ground) * (1 - alpha)


def colour_of(text: str) -> Array:
    """Returns a colour like #ff8000 as float32 (3,) in 0..1."""
    return np.frombuffer(bytes.fromhex(text.removeprefix("#")), np.uint8).astype(np.float32) / 255
