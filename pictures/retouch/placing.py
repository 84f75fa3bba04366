"""Geometry of one picture: adding edges, turning, repeating."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

from .shares import Array, colour_of, with_shares, without_shares

Fill = Literal["colour", "clear", "edge", "mirror", "wrap"]
_NUMPY = {"edge": "edge", "mirror": "symmetric", "wrap": "wrap"}


def with_edges(picture: Array, sides: tuple[int, int, int, int], fill: Fill, colour: str) -> Array:
    """Returns a picture with so many more pixels left, top, right and bottom."""
    left, top, right, bottom = sides
    widths = ((top, bottom), (left, right), (0, 0))
    if fill in _NUMPY:
        return np.pad(picture, widths, mode=_NUMPY[fill])  # type: ignore[call-overload, no-any-return]
    if fill == "clear":
        return np.pad(with_alpha(picture), widths)
    height, width, channels = picture.shape
    ground = np.ones((height + top + bottom, width + left + right, channels), np.float32)
    ground[..., :3] = colour_of(colour)
    ground[top : top + height, left : left + width] = picture
    return ground


def with_alpha(picture: Array) -> Array:
    """Returns a picture with an alpha channel, which is opaque if it is new."""
    if picture.shape[2] == 4:
        return picture
    return np.concatenate([picture, np.ones((*picture.shape[:2], 1), np.float32)], 2)


def turned_size(height: int, width: int, angle: float, grow: bool) -> tuple[int, int]:
    """Returns height and width of a picture that is turned by an angle in degrees."""
    if not grow:
        return height, width
    if angle % 90 == 0:
        return (height, width) if angle % 180 == 0 else (width, height)
    probe = Image.new("1", (width, height)).rotate(angle, expand=True)
    return probe.height, probe.width


def turned(picture: Array, angle: float, grow: bool, colour: str | None) -> Array:
    """Returns a picture turned anticlockwise about its centre.

    Multiples of 90 degrees move pixels, if the picture still fits; other angles interpolate
    premultiplied colours.

    colour: what appears in the corners; None: they are clear, and the result has an alpha channel.
    """
    height, width = picture.shape[:2]
    if angle % 360 == 0:
        return with_alpha(picture) if colour is None else picture
    if angle % 90 == 0 and (grow or angle % 180 == 0 or height == width):
        moved = np.rot90(picture, round(angle / 90) % 4)
        return with_alpha(moved) if colour is None else moved
    alike = np.moveaxis(with_shares(with_alpha(picture)), 2, 0)
    planes = [
        Image.fromarray(np.ascontiguousarray(plane)).rotate(
            angle, Image.Resampling.BICUBIC, expand=grow
        )
        for plane in alike
    ]
    found = np.clip(np.stack([np.asarray(plane) for plane in planes], 2), 0, 1)
    found[..., :3] = np.minimum(found[..., :3], found[..., 3:])
    if colour is None:
        return without_shares(found)
    over = found[..., :3] + colour_of(colour) * (1 - found[..., 3:])
    if picture.shape[2] == 3:
        return over  # type: ignore[no-any-return]
    inside = Image.new("L", (width, height), 255).rotate(angle, expand=grow)
    corner = np.asarray(inside)[..., None] == 0
    ground = np.append(colour_of(colour), np.float32(1))
    return np.where(corner, ground, without_shares(found))


def repeated(
    picture: Array, across: int, down: int, pattern: Literal["same", "mirrored", "brick"]
) -> Array:
    """Returns a picture beside and below itself: (H x down, W x across, C)."""
    width = picture.shape[1]
    flipped = pattern == "mirrored"

    def row(number: int) -> Array:
        tile = picture[::-1] if flipped and number % 2 else picture
        tiles = [tile[:, ::-1] if flipped and column % 2 else tile for column in range(across)]
        line = np.concatenate(tiles, 1)
        return np.roll(line, width // 2, 1) if pattern == "brick" and number % 2 else line

    return np.concatenate([row(number) for number in range(down)], 0)
