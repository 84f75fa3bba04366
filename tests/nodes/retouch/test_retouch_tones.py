"""Levels, curves, colours, matching and palettes, against colorsys, NumPy and Pillow."""

import colorsys
import struct

import numpy as np
import pytest
import torch
from PIL import Image
from retouching import outputs, pictures, run

from artgraph.contract.errors import NodeError
from artgraph.contract.values.kinds import Table
from artgraph.pictures.retouch.matching import from_lab, statistics, to_lab

STILL = {
    "levels": {},
    "curves": {"points": "0 0, 1 1"},
    "adjust_colours": {},
    "gradient_map": {"strength": 0.0},
}


@pytest.mark.parametrize("shape", [(2, 33, 47, 4), (1, 1, 1, 3), (1, 1, 300, 3)])
@pytest.mark.parametrize("name", STILL)
def test_neutral_settings_change_no_bit(name, shape):
    image = pictures(*shape)
    assert torch.equal(run(name, {"image": image}, **STILL[name]), image)


@pytest.mark.parametrize(
    ("name", "widgets"),
    [
        ("levels", {"gamma": 2.0}),
        ("curves", {}),
        ("adjust_colours", {"hue": 50.0}),
        ("negative", {}),
        ("gradient_map", {}),
        ("reduce_colours", {}),
        ("match_colours", {}),
    ],
)
def test_transparency_stays(name, widgets):
    image = pictures(2, 9, 12, 4)
    inputs = {"image": image} | (
        {"example": pictures(1, 5, 5, 3, seed=1)} if name == "match_colours" else {}
    )
    found = run(name, inputs, **widgets)
    assert torch.equal(found[..., 3], image[..., 3])
    assert not torch.equal(found[..., :3], image[..., :3])
    with pytest.raises(NodeError, match="a batch has no pictures - "):
        run(name, {**inputs, "image": image[:0]}, **widgets)


def test_levels_follow_the_equation():
    image = pictures(1, 20, 30, 4)
    widgets = {"black": 0.2, "white": 0.7, "gamma": 1.8, "darkest": 0.9, "lightest": 0.1}
    found = run("levels", {"image": image}, **widgets)
    share = ((image[..., :3].double() - 0.2) / 0.5).clamp(0, 1) ** (1 / 1.8)
    assert torch.allclose(found[..., :3].double(), share * (0.1 - 0.9) + 0.9, atol=2e-4)
    red = run("levels", {"image": image}, channel="red", black=0.5)
    assert torch.equal(red[..., 1:], image[..., 1:])
    clear = run("levels", {"image": image}, channel="alpha", black=0.5)
    assert torch.allclose(clear[..., 3], ((image[..., 3] - 0.5) * 2).clamp(0, 1), atol=1e-6)
    assert torch.equal(clear[..., :3], image[..., :3])
    with pytest.raises(NodeError, match=r"the white point .* is not above the black point .* - "):
        run("levels", {"image": image}, black=0.6, white=0.3)


def test_curves_go_through_their_points_without_bumps():
    ramp = torch.linspace(0, 1, 256).view(1, 1, 256, 1).repeat(1, 1, 1, 3)
    points = "0.2 0.1, 0.4 0.8, 0.6 0.8, 1 0.9"
    found = run("curves", {"image": ramp}, points=points)[0, 0, :, 0]
    for x, y in ((0.2, 0.1), (0.4, 0.8), (0.6, 0.8), (1, 0.9), (0, 0.1)):
        assert found[round(x * 255)] == pytest.approx(y, abs=1e-5)
    assert (found.diff() >= -1e-6).all()
    assert (found[103:153] - 0.8).abs().max() < 1e-6
    line = run("curves", {"image": ramp}, points="0 1, 1 0")
    assert torch.allclose(line, 1 - ramp, atol=1e-6)


@pytest.mark.parametrize(
    ("points", "what"),
    [
        ("0 0", "a curve needs two points or more, and this one has 1"),
        ("0 0, 0 1", "two points of the curve have the same input"),
        ("0 0, a b", "'a b' is not a point of a curve"),
        ("0 0, 1 2", r"the point '1 2' is outside of 0\.\.1"),
    ],
)
def test_wrong_points_are_refused(points, what):
    with pytest.raises(NodeError, match=f"^{what} - write points such as "):
        run("curves", {"image": pictures(1, 2, 2, 3)}, points=points)


def test_colours_are_those_of_colorsys():
    image = pictures(1, 16, 16, 3)
    image[0, 0, :3] = torch.tensor([[0.5, 0.5, 0.5], [0, 0, 0], [1, 1, 1.0]])
    found = run("adjust_colours", {"image": image}, hue=130.0, saturation=0.6, lightness=-0.3)
    for before, after in zip(image.view(-1, 3).tolist(), found.view(-1, 3).tolist(), strict=True):
        hue, light, saturation = colorsys.rgb_to_hls(*before)
        wanted = colorsys.hls_to_rgb((hue + 130 / 360) % 1, light * 0.7, saturation * 0.6)
        assert after == pytest.approx(wanted, abs=2e-5)
    grey = run("adjust_colours", {"image": image}, saturation=0.0)
    assert (grey.amax(3) - grey.amin(3)).max() < 1e-6
    hard = run("adjust_colours", {"image": image}, contrast=2.0)
    assert torch.allclose(hard, (2 * image - 0.5).clamp(0, 1), atol=1e-6)
    assert torch.equal(run("negative", {"image": image}), 1 - image)


def test_oklab_returns():
    colours = np.random.default_rng(0).random((1000, 3))
    assert np.abs(from_lab(to_lab(colours)) - colours).max() < 1e-5
    assert to_lab(np.ones(3)) == pytest.approx([1, 0, 0], abs=1e-4)


@pytest.mark.parametrize("kind", ["spread", "mix", "histogram"])
def test_matched_pictures_have_the_statistics_of_the_example(kind):
    image = pictures(2, 60, 70, 3) * 0.4 + 0.1
    example = (pictures(3, 50, 40, 3, seed=1) * torch.tensor([0.3, 0.2, 0.1])) + 0.4
    found = run("match_colours", {"image": image, "example": example}, kind=kind)
    aim = statistics(list(example.numpy()), kind == "spread")
    for picture in found.numpy():
        own = statistics([picture], kind == "spread")
        assert own.mean == pytest.approx(aim.mean, abs=0.003)
        assert np.diag(own.covariance) == pytest.approx(np.diag(aim.covariance), rel=0.06)
        if kind == "mix":
            assert own.covariance == pytest.approx(aim.covariance, abs=1e-4)
    for strength, wanted in ((0.0, image), (0.5, (image + found) / 2)):
        part = run(
            "match_colours", {"image": image, "example": example}, kind=kind, strength=strength
        )
        assert torch.allclose(part, wanted, atol=1e-6)
    assert torch.equal(
        run("match_colours", {"image": image, "example": example}, kind=kind, strength=0.0), image
    )


def test_clear_pixels_do_not_count_in_a_match_and_films_change_alike():
    image, example = pictures(2, 20, 20, 3), pictures(1, 30, 30, 4, seed=1)
    example[:, 15:, :, 3], example[:, :15, :, 3] = 0, 1
    inputs = {"image": image, "example": example}
    seen = {"image": image, "example": example[:, :15, :, :3].contiguous()}
    assert torch.allclose(run("match_colours", inputs), run("match_colours", seen), atol=1e-6)
    image[1] = image[1] * 0.5
    whole = run("match_colours", {**inputs, "image": image}, together=True)
    assert whole[1].mean() < whole[0].mean() - 0.05
    with pytest.raises(NodeError, match="nothing in the example is visible - "):
        run("match_colours", {"image": image, "example": example * 0})
    clear = pictures(1, 4, 4, 4) * torch.tensor([1, 1, 1, 0.0])
    assert torch.equal(run("match_colours", {**inputs, "image": clear}), clear)


def test_palettes_of_few_colours_are_exact():
    image = torch.zeros(2, 10, 10, 4)
    image[..., 3] = 1
    image[:, :3, :, 0] = 1
    image[:, 9, :, 1], image[:, 9, :, 3] = 1, 0.2
    found = outputs("extract_palette", {"image": image}, order="share")
    assert found["palette"].columns["colour"] == ["#000000", "#ff0000"]
    assert found["palette"].columns["share"] == pytest.approx([2 / 3, 1 / 3])
    assert found["image"].shape == (1, 64, 128, 3)
    assert found["image"][0, 63, 64].tolist() == [1, 0, 0]
    with pytest.raises(NodeError, match="the pictures are transparent - "):
        outputs("extract_palette", {"image": image * 0})


def test_palettes_of_many_colours_are_near_to_them():
    centres = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.7, 0.2], [0.1, 0.1, 0.4], [0.9, 0.9, 0.8]])
    rows = torch.arange(400 * 500) % 4
    noise = (pictures(400 * 500, 3) - 0.5) * 0.1
    image = (centres[rows] + noise).clamp(0, 1).view(1, 400, 500, 3)
    found = outputs("extract_palette", {"image": image}, colours=4)["palette"]
    levels = [bytes.fromhex(colour[1:]) for colour in found.columns["colour"]]
    colours = torch.tensor([list(level) for level in levels]) / 255
    assert torch.cdist(centres, colours).amin(1).max() < 0.02
    assert found.columns["share"] == pytest.approx([0.25] * 4, abs=0.01)


PALETTE = Table({"colour": ["#102030", "#ff8000", "#ffffff"]})


def test_palettes_are_saved():
    (name, gpl), *_ = run("save_palette", {"palette": PALETTE}).files.items()
    assert name == "@.gpl"
    assert gpl.decode().splitlines()[0] == "GIMP Palette"
    rows = [line.split()[:3] for line in gpl.decode().splitlines()[4:]]
    assert rows == [["16", "32", "48"], ["255", "128", "0"], ["255", "255", "255"]]
    text = run("save_palette", {"palette": PALETTE}, format="hex", name="a").files["a.hex"]
    assert text == b"102030\nff8000\nffffff\n"
    ase = run("save_palette", {"palette": PALETTE}, format="ase", name="a").files["a.ase"]
    assert ase[:4] == b"ASEF"
    assert struct.unpack(">HHI", ase[4:12]) == (1, 0, 3)
    at, found = 12, []
    while at < len(ase):
        kind, size = struct.unpack(">HI", ase[at : at + 6])
        block = ase[at + 6 : at + 6 + size]
        letters = struct.unpack(">H", block[:2])[0]
        assert kind == 1
        assert block[2 + 2 * letters : 6 + 2 * letters] == b"RGB "
        found.append(struct.unpack(">3fH", block[6 + 2 * letters :]))
        at += 6 + size
    assert found[1] == pytest.approx((1, 128 / 255, 0, 2))
    with pytest.raises(NodeError, match="'red' is not a colour like #ff8000 - "):
        run("save_palette", {"palette": Table({"colour": ["red"]})})
    with pytest.raises(NodeError, match="the table has no column `colour` - "):
        run("save_palette", {"palette": Table({"share": [1.0]})})


def floyd_steinberg(values, choose):
    """The loop of 1976 over all pixels, in the order of reading."""
    wide = np.zeros((len(values) + 1, values.shape[1] + 2, 3), np.float32)
    wide[:-1, 1:-1] = values
    for y in range(len(values)):
        for x in range(1, values.shape[1] + 1):
            wanted = wide[y, x].copy()
            wide[y, x] = choose(wanted)
            error = wanted - wide[y, x]
            wide[y + 1, x - 1] += error * np.float32(3 / 16)
            wide[y + 1, x] += error * np.float32(5 / 16)
            wide[y + 1, x + 1] += error * np.float32(1 / 16)
            wide[y, x + 1] += error * np.float32(7 / 16)
    return wide[:-1, 1:-1]


@pytest.mark.parametrize("shape", [(1, 17, 23, 3), (1, 1, 40, 3), (1, 40, 1, 3), (1, 1, 1, 3)])
def test_diffusion_is_the_loop_of_floyd_and_steinberg(shape):
    image = pictures(*shape)
    colours = np.array([list(bytes.fromhex(c[1:])) for c in PALETTE.columns["colour"]]) / 255

    def nearest(value):
        return colours[((colours - value) ** 2).sum(1).argmin()]

    found = run("reduce_colours", {"image": image, "palette": PALETTE})[0].numpy()
    assert np.allclose(found, floyd_steinberg(image[0].numpy(), nearest), atol=1e-6)
    tones = run("reduce_colours", {"image": image}, levels=3)[0].numpy()
    wanted = floyd_steinberg(image[0].numpy(), lambda v: np.clip(np.floor(v * 2 + 0.5), 0, 2) / 2)
    assert np.array_equal(tones, wanted)


def test_without_dithering_the_colours_are_those_of_pillow():
    image = pictures(1, 30, 40, 3)
    palette = Image.new("P", (1, 1))
    levels = [16, 32, 48, 255, 128, 0, 255, 255, 255]
    palette.putpalette(levels)
    source = Image.fromarray((image[0].numpy() * 255).round().astype(np.uint8))
    wanted = source.quantize(3, palette=palette, dither=Image.Dither.NONE).convert("RGB")
    colours = ", ".join(PALETTE.columns["colour"])
    found = run("reduce_colours", {"image": image}, colours=colours, dither="none")[0].numpy()
    assert (np.abs(found * 255 - np.asarray(wanted)).max(2) < 0.01).mean() > 0.99
    again = run("reduce_colours", {"image": image, "palette": PALETTE}, strength=0.0)[0].numpy()
    assert np.array_equal(found, again)


@pytest.mark.parametrize("dither", ["diffusion", "pattern"])
def test_dithering_shows_the_mean_tone_and_stays_in_its_colours(dither):
    image = torch.full((1, 64, 64, 3), 0.3)
    image[..., 1] = 0.62
    found = run("reduce_colours", {"image": image}, levels=2, dither=dither)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    assert found.mean((0, 1, 2)).tolist() == pytest.approx([0.3, 0.62, 0.3], abs=0.02)
    same = run("reduce_colours", {"image": found}, levels=2, dither=dither)
    assert torch.equal(same, found)


def test_clear_pixels_diffuse_nothing():
    image = pictures(1, 20, 20, 4)
    image[:, :, :10, 3], image[:, :, 10:, 3] = 0, 1
    other = image.clone()
    other[:, :, :10, :3] = 1 - other[:, :, :10, :3]
    first, second = (run("reduce_colours", {"image": i}) for i in (image, other))
    assert torch.equal(first[:, :, 10:], second[:, :, 10:])


def test_gradients():
    ramp = torch.linspace(0, 1, 5).view(1, 1, 5, 1).repeat(1, 1, 1, 3)
    found = run("gradient_map", {"image": ramp}, colours="#000000, #ff0000, #ffffff")[0, 0]
    wanted = [[0, 0, 0], [0.5, 0, 0], [1, 0, 0], [1, 0.5, 0.5], [1, 1, 1]]
    assert torch.allclose(found, torch.tensor(wanted), atol=1e-6)
    one = run("gradient_map", {"image": ramp}, colours="#ff0000")
    assert one[..., 1].max() == 0
    with pytest.raises(NodeError, match="the palette has no colours - "):
        run("gradient_map", {"image": ramp}, colours=" ")
