"""Blending and masks, against equations written out for one pixel, and Pillow."""

import colorsys

import numpy as np
import pytest
import torch
from PIL import Image, ImageChops
from retouching import pictures, run

from artgraph.contract.errors import NodeError
from artgraph.contract.registry import load_nodes

MODES = load_nodes()["blend_layers"].widgets["mode"].choices


def soft_light(b, s):
    if s <= 0.5:
        return b - (1 - 2 * s) * b * (1 - b)
    d = ((16 * b - 12) * b + 4) * b if b <= 0.25 else b**0.5
    return b + (2 * s - 1) * (d - b)


def hard_light(b, s):
    return b * 2 * s if s <= 0.5 else b + (2 * s - 1) - b * (2 * s - 1)


def dodge(b, s):
    return 0 if b == 0 else 1 if s == 1 else min(1, b / (1 - s))


def burn(b, s):
    return 1 if b == 1 else 0 if s == 0 else 1 - min(1, (1 - b) / s)


SEPARATE = {
    "normal": lambda b, s: s,
    "multiply": lambda b, s: b * s,
    "screen": lambda b, s: b + s - b * s,
    "overlay": lambda b, s: hard_light(s, b),
    "darken": min,
    "lighten": max,
    "dodge": dodge,
    "burn": burn,
    "hard light": hard_light,
    "soft light": soft_light,
    "difference": lambda b, s: abs(b - s),
    "exclusion": lambda b, s: b + s - 2 * b * s,
    "add": lambda b, s: min(1, b + s),
    "subtract": lambda b, s: max(0, b - s),
}


def lum(c):
    return 0.3 * c[0] + 0.59 * c[1] + 0.11 * c[2]


def sat(c):
    return max(c) - min(c)


def set_lum(c, level):
    c = [v + level - lum(c) for v in c]
    middle, low, high = lum(c), min(c), max(c)
    if low < 0:
        c = [middle + (v - middle) * middle / (middle - low) for v in c]
    if high > 1:
        c = [middle + (v - middle) * (1 - middle) / (high - middle) for v in c]
    return c


def set_sat(c, level):
    return [(v - min(c)) * level / sat(c) if sat(c) else 0 for v in c]


TOGETHER = {
    "hue": lambda b, s: set_lum(set_sat(s, sat(b)), lum(b)),
    "saturation": lambda b, s: set_lum(set_sat(b, sat(s)), lum(b)),
    "colour": lambda b, s: set_lum(s, lum(b)),
    "luminosity": lambda b, s: set_lum(b, lum(s)),
}


def pixel(mode, base, layer, opacity):
    """The W3C's equation for one pixel of four numbers."""
    (*b, under), (*s, over) = base, layer
    over *= opacity
    if mode in TOGETHER:
        mixed = TOGETHER[mode](b, s)
    else:
        mixed = [SEPARATE[mode](x, y) for x, y in zip(b, s, strict=True)]
    alpha = over + under * (1 - over)
    colours = [
        over * (1 - under) * y + over * under * m + (1 - over) * under * x
        for x, y, m in zip(b, s, mixed, strict=True)
    ]
    return [c / alpha if alpha else 0 for c in colours] + [alpha]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_that_of_the_w3c(mode):
    assert set(MODES) == {*SEPARATE, *TOGETHER}
    base, layer = pictures(1, 5, 8, 4), pictures(1, 5, 8, 4, seed=1)
    base[0, 0, :4], layer[0, 0, 2:6] = torch.tensor([0.0, 0, 0, 1]), torch.tensor([1.0, 1, 1, 1])
    ends = torch.cartesian_prod(torch.tensor([0.0, 1]), torch.tensor([0.0, 0.5, 1]))
    base[0, 2, :6, :3], layer[0, 2, :6, :3] = ends[:, :1], ends[:, 1:]
    found = run("blend_layers", {"base": base, "layer": layer}, mode=mode, opacity=0.7)
    wanted = [
        pixel(mode, b, s, 0.7)
        for b, s in zip(base.view(-1, 4).tolist(), layer.view(-1, 4).tolist(), strict=True)
    ]
    away = (found.view(-1, 4) - torch.tensor(wanted)).abs() * torch.tensor(wanted)[:, 3:]
    assert away.max() < 1e-5
    opaque = run("blend_layers", {"base": base[..., :3], "layer": layer[..., :3]}, mode=mode)
    assert opaque.shape == (1, 5, 8, 3)
    solid = pixel(mode, [*base[0, 1, 1, :3].tolist(), 1], [*layer[0, 1, 1, :3].tolist(), 1], 1)
    assert opaque[0, 1, 1].tolist() == pytest.approx(solid[:3], abs=1e-5)


def test_the_modes_of_pillow_are_the_same():
    base, layer = pictures(1, 30, 40, 3), pictures(1, 30, 40, 3, seed=1)
    names = {"multiply": "multiply", "screen": "screen", "difference": "difference"}
    names |= {"darken": "darker", "lighten": "lighter", "add": "add", "subtract": "subtract"}
    names |= {"hard light": "hard_light", "overlay": "overlay"}
    levels = [Image.fromarray((p[0].numpy() * 255).round().astype(np.uint8)) for p in (base, layer)]
    for ours, theirs in names.items():
        found = run("blend_layers", {"base": base, "layer": layer}, mode=ours)[0].numpy()
        wanted = np.asarray(getattr(ImageChops, theirs)(*levels)) / 255
        assert np.abs(found - wanted).max() <= 2.1 / 255, ours


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [3, 4])
def test_an_invisible_layer_changes_no_bit(mode, channels):
    base, layer = pictures(2, 7, 9, channels), pictures(1, 20, 30, 4)
    inputs = {"base": base, "layer": layer}
    assert torch.equal(run("blend_layers", inputs, mode=mode, opacity=0.0), base)
    empty = {**inputs, "mask": torch.zeros(1, 3, 3)}
    assert torch.equal(run("blend_layers", empty, mode=mode), base)
    layer[..., 3] = 0
    assert torch.equal(run("blend_layers", inputs, mode=mode), base)


def test_a_mask_shows_the_layer_where_it_is_white():
    base, layer = pictures(2, 8, 8, 3), pictures(1, 8, 8, 3, seed=1)
    mask = torch.zeros(1, 8, 8)
    mask[:, :4] = 1
    found = run("blend_layers", {"base": base, "layer": layer, "mask": mask})
    assert torch.allclose(found[:, :4], layer[:, :4].expand(2, -1, -1, -1), atol=1e-6)
    assert torch.equal(found[:, 4:], base[:, 4:])


def test_a_layer_is_fitted_to_the_base():
    base = torch.zeros(1, 20, 40, 3)
    layer = torch.ones(1, 10, 10, 3)
    for fit, share in (("crop", 1), ("stretch", 1), ("pad", 0.5)):
        found = run("blend_layers", {"base": base, "layer": layer}, fit=fit)
        assert found.mean() == pytest.approx(share, abs=0.02)


def test_batches_must_fit_each_other():
    with pytest.raises(NodeError, match="batches of 2 and 3 can't be used together - "):
        run("blend_layers", {"base": pictures(2, 4, 4, 3), "layer": pictures(3, 4, 4, 3)})


def test_masks_from_pictures():
    image = pictures(2, 9, 11, 4)
    red, green, blue, alpha = image.unbind(3)
    light = (0.2126 * red + 0.7152 * green + 0.0722 * blue) * alpha
    assert torch.allclose(run("mask_from_picture", {"image": image}), light, atol=1e-6)
    assert torch.equal(run("mask_from_picture", {"image": image}, by="opacity"), alpha)
    assert torch.equal(run("mask_from_picture", {"image": image}, by="green"), green * alpha)
    plain = image[..., :3].clone()
    plain[0, 0, 0] = torch.tensor([0.0, 1, 0])
    widgets = {"by": "colour", "colour": "#00ff00", "tolerance": 0.3}
    away = ((plain - torch.tensor([0.0, 1, 0])) ** 2).sum(3).div(3).sqrt()
    hard = run("mask_from_picture", {"image": plain}, softness=0.0, **widgets)
    assert torch.equal(hard, (away <= 0.3).float())
    soft = run("mask_from_picture", {"image": plain}, softness=0.2, **widgets)
    assert torch.allclose(soft, (1 - (away - 0.3) / 0.2).clamp(0, 1), atol=1e-5)


def disc(radius):
    y, x = np.mgrid[-30:31, -30:31]
    return [(b - 30, a - 30) for b, a in np.argwhere(y**2 + x**2 <= radius**2)]


@pytest.mark.parametrize("radius", [1, 2.5, 7, 20])
@pytest.mark.parametrize("shape", [(1, 13, 19), (1, 1, 1), (1, 1, 33)])
def test_masks_grow_and_shrink_by_discs(radius, shape):
    mask = (pictures(*shape) > 0.9).float() * pictures(*shape, seed=1)
    wanted = np.zeros(shape[1:])
    for dy, dx in disc(radius):
        for y, x in np.argwhere(mask[0].numpy() > 0):
            if 0 <= y + dy < shape[1] and 0 <= x + dx < shape[2]:
                wanted[y + dy, x + dx] = max(wanted[y + dy, x + dx], mask[0, y, x])
    found = run("adjust_mask", {"mask": mask}, grow=float(radius))
    assert np.array_equal(found[0].numpy(), wanted.astype(np.float32))
    shrunk = run("adjust_mask", {"mask": 1 - mask}, grow=-float(radius))
    assert torch.allclose(shrunk, 1 - found, atol=1e-6)


def test_masks_are_cut_feathered_and_inverted():
    mask = pictures(2, 9, 8)
    assert torch.equal(run("adjust_mask", {"mask": mask}), mask)
    assert torch.equal(run("adjust_mask", {"mask": mask}, invert=True), 1 - mask)
    cut = run("adjust_mask", {"mask": mask}, threshold=0.4)
    assert torch.equal(cut, (mask >= 0.4).float())
    half = torch.zeros(1, 41, 41)
    half[:, :, 20:] = 1
    soft = run("adjust_mask", {"mask": half}, feather=3.0)
    assert soft[0, 5, 19] + soft[0, 5, 20] == pytest.approx(1, abs=1e-5)
    assert 0.1 < soft[0, 5, 17] < 0.3


def test_masks_are_combined():
    a, b = pictures(2, 6, 7), pictures(1, 6, 7, seed=1)
    results = {
        "union": torch.maximum(a, b),
        "intersection": torch.minimum(a, b),
        "subtract": torch.minimum(a, 1 - b),
        "either": (a - b).abs(),
    }
    for how, wanted in results.items():
        assert torch.equal(run("combine_masks", {"first": a, "second": b}, how=how), wanted)
    assert run("combine_masks", {"first": a, "second": pictures(2, 12, 14)}).shape == (2, 6, 7)


def test_hue_is_that_of_colorsys():
    """The mode `hue` of two even colours has the hue of the layer."""
    base, layer = torch.full((1, 1, 1, 3), 0.4), torch.tensor([0.6, 0.2, 0.3]).view(1, 1, 1, 3)
    base[..., 0] = 0.55
    found = run("blend_layers", {"base": base, "layer": layer}, mode="hue").flatten().tolist()
    wanted = colorsys.rgb_to_hls(0.6, 0.2, 0.3)[0]
    assert colorsys.rgb_to_hls(*found)[0] == pytest.approx(wanted, abs=1e-4)
