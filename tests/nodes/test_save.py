import csv
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.values.files import Files, is_file_name
from artgraph.contract.values.kinds import Table
from artgraph.nodes.save import save_animation, save_image, save_table

CTX = Context.quiet()


def batch(count=3, height=24, width=32):
    return torch.rand(count, height, width, 3, generator=torch.Generator().manual_seed(0))


def ramps(count=4, size=48):
    """Smooth pictures, that lossy formats keep nearly as they are."""
    ramp = torch.linspace(0.1, 0.9, size)
    first = torch.stack(
        [ramp.expand(size, -1), ramp.expand(size, -1).T, torch.full((size, size), 0.5)]
    )
    return torch.stack([first.permute(1, 2, 0) * (0.5 + 0.1 * i) for i in range(count)])


def save(image, name="a", kind="png", quality=92):
    return save_image(image, name=name, format=kind, quality=quality, ctx=CTX).files


def animate(image, name="a", kind="gif", fps=10.0, loop=True, ping_pong=False, quality=92, ctx=CTX):
    settings = {"loop": loop, "ping_pong": ping_pong, "quality": quality}
    return save_animation(image, name=name, format=kind, fps=fps, **settings, ctx=ctx).files


def opened(data):
    return Image.open(io.BytesIO(data))


def frames(data):
    """Each frame as float (H, W, 3) in 0..1, and how long it is shown, in milliseconds."""
    picture = opened(data)
    shown, times = [], []
    for index in range(picture.n_frames):
        picture.seek(index)
        shown.append(np.asarray(picture.convert("RGB")) / 255)
        times.append(picture.info["duration"])
    return np.stack(shown), times


def test_one_picture_and_a_batch_are_named():
    assert list(save(batch(1), "art")) == ["art.png"]
    assert list(save(batch(2), "art", "jpeg")) == ["art_0001.jpg", "art_0002.jpg"]
    assert list(save(batch(1), "")) == ["@.png"]
    assert list(save(batch(2, 1, 1), "", "webp")) == ["@_0001.webp", "@_0002.webp"]
    assert all(is_file_name(name) for name in save(batch(2), "art"))


@pytest.mark.parametrize(("kind", "quality"), [("png", 1), ("webp", 100)])
def test_lossless_formats_keep_every_bit(kind, quality):
    levels = torch.arange(256).view(1, 16, 16, 1).expand(-1, -1, -1, 3).float() / 255
    (data,) = save(levels, kind=kind, quality=quality).values()
    assert np.array_equal(np.asarray(opened(data)), levels[0].mul(255).round().byte())


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_quality(kind):
    sizes = [
        len(save(batch(1), kind=kind, quality=q)["a." + {"jpeg": "jpg", "webp": "webp"}[kind]])
        for q in (10, 60, 95)
    ]
    assert sizes == sorted(sizes)
    (data,) = save(ramps(1), kind=kind, quality=95).values()
    assert np.abs(np.asarray(opened(data)) / 255 - ramps(1)[0].numpy()).max() < 0.05


def test_values_beyond_the_range_are_cut_off_and_the_input_is_kept():
    image = torch.tensor([-1.0, 0.5, 2.0]).view(1, 1, 1, 3)
    before = image.clone()
    (data,) = save(image).values()
    assert np.asarray(opened(data)).ravel().tolist() == [0, 128, 255]
    assert torch.equal(image, before)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_same_picture_same_bytes(kind):
    assert save(batch(), kind=kind) == save(batch(), kind=kind)


@pytest.mark.parametrize(("kind", "ending"), [("gif", "gif"), ("webp", "webp"), ("apng", "png")])
def test_animation(kind, ending):
    files = animate(ramps(4), kind=kind)
    assert list(files) == [f"a.{ending}"]
    shown, times = frames(files[f"a.{ending}"])
    assert shown.shape == (4, 48, 48, 3)
    assert times == [100] * 4
    assert np.abs(shown - ramps(4).numpy()).mean() < 0.03
    assert files == animate(ramps(4), kind=kind)


def test_apng_keeps_every_bit():
    shown, _ = frames(animate(batch(3), kind="apng")["a.png"])
    assert np.array_equal(np.round(shown * 255), (batch(3) * 255 + 0.5).floor())


@pytest.mark.parametrize("kind", ["gif", "webp", "apng"])
def test_ping_pong_repeats_no_end(kind):
    (data,) = animate(ramps(4), kind=kind, ping_pong=True).values()
    shown, _ = frames(data)
    brightness = shown.mean((1, 2, 3))
    assert len(shown) == 6
    assert brightness[4] == pytest.approx(brightness[2], abs=0.01)
    assert brightness[5] == pytest.approx(brightness[1], abs=0.01)


@pytest.mark.parametrize("kind", ["gif", "webp", "apng"])
@pytest.mark.parametrize("count", [1, 2])
def test_short_animations_and_ping_pong(kind, count):
    (data,) = animate(ramps(count), kind=kind, ping_pong=True).values()
    assert getattr(opened(data), "n_frames", 1) == count


@pytest.mark.parametrize("kind", ["gif", "webp", "apng"])
def test_loop(kind):
    (forever,) = animate(ramps(2), kind=kind).values()
    (once,) = animate(ramps(2), kind=kind, loop=False).values()
    assert opened(forever).info["loop"] == 0
    assert opened(once).info.get("loop", 1) == 1


def length(data):
    """How long an animation plays, in milliseconds."""
    picture = opened(data)
    total = 0
    for index in range(picture.n_frames):
        picture.seek(index)
        picture.load()
        total += picture.info["duration"]
    return total


@pytest.mark.parametrize("kind", ["gif", "webp", "apng"])
@pytest.mark.parametrize("fps", [0.1, 7.0, 7.5, 12.0, 24.0, 29.97, 33.0, 48.0, 50.0])
def test_an_animation_plays_as_long_as_fps_says(kind, fps):
    (data,) = animate(ramps(25), kind=kind, fps=fps).values()
    assert abs(length(data) - 25_000 / fps) <= (10 if kind == "gif" else 1)


@pytest.mark.parametrize("kind", ["gif", "webp", "apng"])
def test_equal_pictures_are_shown_as_long_as_others(kind):
    first, second = ramps(2)
    (data,) = animate(torch.stack([first] * 10 + [second] * 3), kind=kind, fps=24.0).values()
    assert abs(length(data) - 13_000 / 24) <= 10


def test_a_gif_faster_than_viewers_show_is_reported():
    warnings = []
    ctx = Context(warn=warnings.append)
    assert frames(animate(ramps(2), fps=60.0, ctx=ctx)["a.gif"])[1] == [20, 20]
    assert warnings == [
        "the GIF plays 50 pictures per second instead of 60, as viewers slow down faster ones"
        " - save it as webp or apng, or lower `fps`"
    ]
    animate(ramps(2), kind="apng", fps=60.0, ctx=ctx)
    animate(ramps(2), fps=50.0, ctx=ctx)
    assert len(warnings) == 1
    assert min(frames(animate(ramps(25), fps=48.0)["a.gif"])[1]) == 20


def test_a_gif_that_stands_still_for_too_long_is_refused():
    still = ramps(1).expand(70, -1, -1, -1)
    with pytest.raises(NodeError, match="for more than 655 seconds - raise `fps`"):
        animate(still, fps=0.1)


TABLE = Table({"class": ["a,b", 'say "é"'], "p": [0.25, float("nan")], "n": [1, None]})


def test_csv():
    (name, data), *rest = save_table(TABLE, name="t", format="csv").files.items()
    assert (name, rest) == ("t.csv", [])
    rows = list(csv.reader(io.StringIO(data.decode())))
    assert rows == [["class", "p", "n"], ["a,b", "0.25", "1"], ['say "é"', "", ""]]
    assert b"\r" not in data


def test_json():
    files = save_table(TABLE, name="t", format="json").files
    assert json.loads(files["t.json"]) == [
        {"class": "a,b", "p": 0.25, "n": 1},
        {"class": 'say "é"', "p": None, "n": None},
    ]


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_empty_table(kind):
    assert len(save_table(Table({}), name="", format=kind).files) == 1


def test_what_is_saved_can_be_stored():
    for files in (save(batch()), animate(batch())):
        Files.encode(Files(files))
