"""Blur, sharpening, grain, edges and halftone, against float64 loops and Pillow; and reliefs."""

import math
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from retouching import pictures, run

from artgraph.contract.errors import NodeError
from artgraph.contract.values.pictures import PictureBatch

STILL = {
    "blur_picture": {"radius": 0.0},
    "sharpen_picture": {"amount": 0.0},
    "add_grain": {"amount": 0.0},
}


@pytest.mark.parametrize("shape", [(2, 33, 47, 4), (1, 1, 1, 3), (1, 1, 300, 3)])
@pytest.mark.parametrize("name", STILL)
def test_strength_zero_changes_no_bit(name, shape):
    image = pictures(*shape)
    assert torch.equal(run(name, {"image": image}, **STILL[name]), image)


@pytest.mark.parametrize("name", [*STILL, "find_edges", "halftone", "relief"])
def test_empty_batches_are_refused(name):
    with pytest.raises(NodeError, match="a batch has no pictures - "):
        run(name, {"image": pictures(0, 4, 4, 3)})


def averaged(plane, weights):
    """Returns a plane after a blur with weights by offset (dy, dx); edges are repeated."""
    height, width = plane.shape
    total = np.zeros(plane.shape)
    for (dy, dx), weight in weights.items():
        y = np.clip(np.arange(height) + dy, 0, height - 1)
        x = np.clip(np.arange(width) + dx, 0, width - 1)
        total += weight * plane[y][:, x]
    return total / sum(weights.values())


def gaussian(sigma):
    reach = range(-math.ceil(4 * sigma), math.ceil(4 * sigma) + 1)
    return {(y, x): math.exp(-(x * x + y * y) / 2 / sigma**2) for y in reach for x in reach}


def disc(radius):
    reach = range(-int(radius), int(radius) + 1)
    return {(y, x): 1 for y in reach for x in reach if x * x + y * y <= radius**2}


KERNELS = {
    ("gaussian", 1.3, 0): gaussian(1.3),
    ("gaussian", 0.4, 0): gaussian(0.4),
    ("box", 2.0, 0): {(y, x): 1 for y in range(-2, 3) for x in range(-2, 3)},
    ("lens", 3.5, 0): disc(3.5),
    ("motion", 6.0, 0): {(0, x): 1 for x in range(-3, 4)},
    ("motion", 6.0, 90): {(y, 0): 1 for y in range(-3, 4)},
    ("motion", 4 * math.sqrt(2), 45): {(-x, x): 1 for x in range(-2, 3)},
}


@pytest.mark.parametrize(("kind", "radius", "angle"), KERNELS)
@pytest.mark.parametrize("shape", [(1, 13, 18, 3), (1, 1, 25, 3), (1, 1, 1, 3)])
def test_each_blur_is_a_weighted_mean(kind, radius, angle, shape):
    image = pictures(*shape)
    found = run("blur_picture", {"image": image}, kind=kind, radius=radius, angle=float(angle))
    weights = KERNELS[kind, radius, angle]
    for channel in range(3):
        wanted = averaged(image[0, ..., channel].double().numpy(), weights)
        assert np.abs(found[0, ..., channel].numpy() - wanted).max() < 1e-5


def test_the_box_blur_is_that_of_pillow():
    image = pictures(1, 30, 41, 3)
    levels = Image.fromarray((image[0].numpy() * 255).round().astype(np.uint8))
    wanted = np.asarray(levels.filter(ImageFilter.BoxBlur(3))) / 255
    found = run("blur_picture", {"image": image}, kind="box", radius=3.0)[0].numpy()
    assert np.abs(found - wanted).max() < 1.5 / 255


@pytest.mark.parametrize("kind", ["gaussian", "box", "lens", "motion"])
def test_clear_pixels_colour_nothing(kind):
    image = torch.zeros(1, 30, 30, 4)
    image[..., 1] = 1  # clear green
    image[:, 10:20, 10:20] = torch.tensor([1.0, 0, 0, 1])
    found = run("blur_picture", {"image": image}, kind=kind, radius=3.0)
    assert found[..., 1].max() == 0
    assert found[..., 3].sum() == pytest.approx(100, abs=0.01)
    assert 0 < found[0, 15, 9, 3] < 1
    sharp = run("sharpen_picture", {"image": image})
    assert torch.equal(sharp[..., 3], image[..., 3])
    assert torch.allclose(sharp[:, 10:20, 10:20], image[:, 10:20, 10:20], atol=1e-6)


def test_sharpening_adds_the_detail():
    image = pictures(1, 15, 20, 3)
    found = run("sharpen_picture", {"image": image}, amount=0.7, radius=1.1, threshold=0.1)
    for channel in range(3):
        plane = image[0, ..., channel].double().numpy()
        detail = plane - averaged(plane, gaussian(1.1))
        detail[np.abs(detail) < 0.1] = 0
        away = np.abs(found[0, ..., channel].numpy() - np.clip(plane + 0.7 * detail, 0, 1))
        assert (away < 1e-5).mean() > 0.995


@pytest.mark.parametrize("size", [1.0, 4.0])
def test_grain_has_its_strength_and_follows_its_seed(size):
    image = torch.full((3, 128, 128, 4), 0.5)
    widgets = {"amount": 0.05, "size": size, "seed": 3}
    found = run("add_grain", {"image": image}, **widgets)
    noise = found[..., :3] - 0.5
    assert noise.std().item() == pytest.approx(0.05, rel=0.1)
    assert noise.mean().abs() < 0.005
    assert torch.equal(noise[..., 0], noise[..., 1])
    assert torch.equal(found[..., 3], image[..., 3])
    assert not torch.equal(found[0], found[1])
    assert torch.equal(run("add_grain", {"image": image[:1]}, **widgets), found[:1])
    other = run("add_grain", {"image": image}, **{**widgets, "seed": 4})
    assert not torch.equal(other, found)
    coloured = run("add_grain", {"image": image}, coloured=True, **widgets)
    assert not torch.equal(coloured[..., 0], coloured[..., 1])
    near = torch.corrcoef(
        torch.stack([noise[0, :, :-1, 0].flatten(), noise[0, :, 1:, 0].flatten()])
    )
    assert (near[0, 1] > 0.7) == (size > 1)


def test_the_first_grains_are_these_on_every_machine():
    found = run("add_grain", {"image": torch.full((1, 2, 2, 3), 0.5)}, amount=0.1, seed=7)
    levels = (found[0, ..., 0] * 2**24).round().long().flatten().tolist()
    assert levels == GRAINS


GRAINS = [8526654, 8877926, 8212465, 8066714]


def test_grain_spares_white_and_black_only_if_it_shall():
    image = torch.cat([torch.zeros(1, 8, 8, 3), torch.ones(1, 8, 8, 3)])
    assert torch.equal(run("add_grain", {"image": image}, amount=0.3), image)
    assert not torch.equal(run("add_grain", {"image": image}, midtones=False), image)


def test_edges_are_those_of_sobel():
    image = torch.zeros(1, 20, 20, 4)
    image[..., 3] = 1
    image[:, :, 10:, :3] = 0.5
    found = run("find_edges", {"image": image}, kind="edges", width=0.3)
    assert found.shape == image.shape
    assert found[0, 10, 9, 0] == pytest.approx(0.5, abs=0.01)
    assert found[0, :, :7, :3].max() == found[0, :, 13:, :3].max() == 0
    assert torch.equal(found[..., 3], image[..., 3])
    drawn = run("find_edges", {"image": image * torch.tensor([1, 1, 1, 0.0])})
    assert drawn[..., :3].min() == 1  # clear parts are white paper


def test_a_drawing_is_black_in_the_dark_and_on_edges():
    image = torch.full((1, 40, 40, 3), 0.8)
    image[:, :, 20:] = 0.1
    found = run("find_edges", {"image": image}, strength=2.0)[0, ..., 0]
    assert found[:, 30:].max() < 0.05
    assert found[:, :12].min() == 1


@pytest.mark.parametrize("kind", ["dots", "lines"])
@pytest.mark.parametrize("tone", [0.0, 0.1, 0.35, 0.5, 0.8, 1.0])
def test_even_tones_get_as_much_ink(kind, tone):
    image = torch.full((1, 240, 240, 3), tone)
    widgets = {"kind": kind, "cell": 12.0, "angle": 30.0, "ink": "#000000"}
    found = run("halftone", {"image": image}, **widgets)
    assert found.mean().item() == pytest.approx(tone, abs=0.02)
    if tone in (0, 1):
        assert torch.allclose(found, image, atol=1e-6)


def test_inks_and_papers():
    image = torch.zeros(1, 8, 8, 4)
    image[:, :4, :, 3] = 1
    found = run("halftone", {"image": image}, ink="#ff0000", paper="#0000ff")
    assert found[0, 0, 0].tolist() == [1, 0, 0, 1]
    assert torch.equal(found[..., 3], image[..., 3])
    white = run("halftone", {"image": torch.ones(1, 8, 8, 3)}, ink="#ff0000", paper="#0000ff")
    assert white[0, 0, 0].tolist() == [0, 0, 1]
    red = torch.tensor([1.0, 0, 0]).expand(1, 60, 60, 3).contiguous()
    printed = run("halftone", {"image": red}, kind="colour")
    assert torch.allclose(printed, red, atol=1e-6)


def triangles(stl):
    count = int.from_bytes(stl[80:84], "little")
    rows = np.frombuffer(stl[84:], np.dtype([("n", "<f4", 3), ("c", "<f4", (3, 3)), ("e", "<u2")]))
    assert len(rows) == count
    return rows["n"], rows["c"]


@pytest.mark.parametrize("shape", [(1, 9, 14, 3), (1, 2, 2, 3), (1, 1, 1, 4), (1, 1, 30, 3)])
def test_a_relief_is_watertight_and_has_its_size(shape):
    image = pictures(*shape)
    widgets = {"width": 50.0, "depth": 4.0, "base": 1.5, "smooth": 0.0}
    files = run("relief", {"image": image}, **widgets).files
    normals, corners = triangles(files["@.stl"])
    edges = {}
    for triangle in corners:
        points = [tuple(corner) for corner in triangle.tolist()]
        for pair in zip(points, points[1:] + points[:1], strict=True):
            edges[pair] = edges.get(pair, 0) + 1
    assert set(edges.values()) == {1}
    assert all((b, a) in edges for a, b in edges)
    flat = corners.astype(np.float64)
    volume = np.einsum("ij,ij->i", flat[:, 0], np.cross(flat[:, 1], flat[:, 2])).sum() / 6
    low, high = flat.reshape(-1, 3).min(0), flat.reshape(-1, 3).max(0)
    wide, tall = max(shape[2], 2), max(shape[1], 2)
    assert high - low == pytest.approx([50, 50 * (tall - 1) / (wide - 1), high[2]], rel=1e-5)
    assert low.tolist() == [0, 0, 0]
    area = 50 * 50 * (tall - 1) / (wide - 1)
    assert 1.5 * area <= volume <= 5.5 * area
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1, abs=1e-5)


def test_heights_are_the_brightness_in_16_bits():
    image = torch.zeros(1, 3, 5, 4)
    image[..., 3] = 1
    image[:, 1, 2, :3] = 1
    image[:, 0, 4] = torch.tensor([1.0, 1, 1, 0])
    for invert in (False, True):
        files = run("relief", {"image": image}, invert=invert, smooth=0.0).files
        with Image.open(BytesIO(files["@.png"])) as picture:
            assert picture.mode == "I;16"
            found = np.asarray(picture).astype(int)
        assert found[1, 2] == (0 if invert else 65535)
        assert found[0, 0] == (65535 if invert else 0)
        assert found[0, 4] == 0
        top = triangles(files["@.stl"])[1].reshape(-1, 3)
        white = top[(top[:, 0] == 50) & (top[:, 1] == 25)]
        assert white[:, 2].max() == pytest.approx(2 if invert else 7)
    smooth = run("relief", {"image": image}).files["@.png"]
    assert len(np.unique(np.asarray(Image.open(BytesIO(smooth))))) >= 5


def test_several_reliefs_are_numbered_and_large_ones_reduced():
    files = run("relief", {"image": pictures(2, 30, 60, 3)}, points=20, name="a").files
    assert [*files] == ["a_0001.png", "a_0001.stl", "a_0002.png", "a_0002.stl"]
    corners = triangles(files["a_0001.stl"])[1]
    assert len(np.unique(corners.reshape(-1, 3)[:, 0])) == 20 + 1  # and the middle of the back
    with pytest.raises(NodeError, match="200 solids need more than 1 GiB - lower `points`"):
        run("relief", {"image": torch.zeros(200, 400, 400, 3)})


def test_large_batches_are_computed_in_parts_with_the_same_bits():
    image = pictures(20, 300, 400, 3)
    most = []

    def read(rows):
        most.append(len(rows))
        return image[list(rows)]

    batch = PictureBatch(image.shape[1:], range(20), read)
    for name, widgets in (("add_grain", {}), ("levels", {"black": 0.1}), ("crop_picture", {})):
        found = run(name, {"image": batch}, **widgets)
        assert isinstance(found, PictureBatch)
        assert torch.equal(torch.stack([*found]), run(name, {"image": image}, **widgets))
    both = run("blend_layers", {"base": batch, "layer": image[:1]}, mode="screen", opacity=0.5)
    wanted = run("blend_layers", {"base": image, "layer": image[:1]}, mode="screen", opacity=0.5)
    assert torch.equal(torch.stack([*both]), wanted)
    assert max(most) == 1
