"""Blend modes, as the W3C defines them.

Source: W3C, 'Compositing and Blending Level 1', on general compositing, separable and non-separable
blend modes; `add` and `subtract` are the linear dodge and the subtraction of Photoshop and GIMP.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .shares import CLEAR, Array

_LUM = np.array([0.3, 0.59, 0.11], np.float32)  # the W3C's weights


def blended(base: Array, layer: Array, mode: str, share: Array | float) -> Array:
    """Returns a layer over a base, both (H, W, 3 or 4) of one size.

    share: opacity of the layer, a number or (H, W); pixels with 0 are those of the base.

    With an alpha channel, what is clear below the layer shows the layer itself, without blending.
    """
    share = np.broadcast_to(np.asarray(share, np.float32), base.shape[:2])[..., None]
    source = share * (layer[..., 3:] if layer.shape[2] == 4 else np.float32(1))
    below = base[..., 3:] if base.shape[2] == 4 else np.float32(1)
    under, over = base[..., :3], layer[..., :3]
    mixed = over if mode == "normal" else np.clip(MODES[mode](under, over), 0, 1)
    if base.shape[2] == 3:
        return np.where(source == 0, base, under + (mixed - under) * source)
    alpha = source + below * (1 - source)
    ink = source * (1 - below) * over + source * below * mixed + (1 - source) * below * under
    colours = ink / np.maximum(alpha, CLEAR)
    return np.where(source == 0, base, np.concatenate([colours, alpha], 2))


def _overlay(base: Array, layer: Array) -> Array:
    return _hard_light(layer, base)


def _hard_light(base: Array, layer: Array) -> Array:
    light = 2 * layer - 1
    return np.where(layer <= 0.5, base * 2 * layer, base + light - base * light)


def _soft_light(base: Array, layer: Array) -> Array:
    bend = np.where(base <= 0.25, ((16 * base - 12) * base + 4) * base, np.sqrt(base))
    dark = base - (1 - 2 * layer) * base * (1 - base)
    return np.where(layer <= 0.5, dark, base + (2 * layer - 1) * (bend - base))  # type: ignore[no-any-return]


def _dodge(base: Array, layer: Array) -> Array:
    return np.minimum(1, base / np.maximum(1 - layer, 1e-9))  # type: ignore[no-any-return]


def _burn(base: Array, layer: Array) -> Array:
    return 1 - np.minimum(1, (1 - base) / np.maximum(layer, 1e-9))


def _lum(colours: Array) -> Array:
    red, green, blue = (colours[..., i : i + 1] * _LUM[i] for i in range(3))
    return red + green + blue  # type: ignore[no-any-return]


def _with_lum(colours: Array, lum: Array) -> Array:
    moved = colours + (lum - _lum(colours))
    low, high = moved.min(2, keepdims=True), moved.max(2, keepdims=True)
    up = lum + (moved - lum) * lum / np.maximum(lum - low, 1e-9)
    moved = np.where(low < 0, up, moved)
    down = lum + (moved - lum) * (1 - lum) / np.maximum(high - lum, 1e-9)
    return np.where(high > 1, down, moved)  # type: ignore[no-any-return]


def _sat(colours: Array) -> Array:
    return colours.max(2, keepdims=True) - colours.min(2, keepdims=True)  # type: ignore[no-any-return]


def _with_sat(colours: Array, sat: Array) -> Array:
    low = colours.min(2, keepdims=True)
    return (colours - low) * sat / np.maximum(_sat(colours), 1e-9)  # type: ignore[no-any-return]


MODES: dict[str, Callable[[Array, Array], Array]] = {
    "multiply": lambda b, s: b * s,
    "screen": lambda b, s: b + s - b * s,
    "overlay": _overlay,
    "darken": np.minimum,
    "lighten": np.maximum,
    "dodge": _dodge,
    "burn": _burn,
    "hard light": _hard_light,
    "soft light": _soft_light,
    "difference": lambda b, s: np.abs(b - s),
    "exclusion": lambda b, s: b + s - 2 * b * s,
    "add": lambda b, s: b + s,
    "subtract": lambda b, s: b - s,
    "hue": lambda b, s: _with_lum(_with_sat(s, _sat(b)), _lum(b)),
    "saturation": lambda b, s: _with_lum(_with_sat(b, _sat(s)), _lum(b)),
    "colour": lambda b, s: _with_lum(s, _lum(b)),
    "luminosity": lambda b, s: _with_lum(b, _lum(s)),
}
