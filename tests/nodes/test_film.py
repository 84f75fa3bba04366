"""Films as datasets: which pictures are chosen, as what they are shown, and what is reported."""

import struct
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="films need the extra `film`")

import av
from filming import SCENES, moving, write_film

from artgraph.contract.context import Context
from artgraph.contract.errors import InputError, NodeError
from artgraph.nodes.film import load_video
from artgraph.pictures.film import clock


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "a.mp4", moving())


def load(path, **widgets):
    """The dataset, and the warnings."""
    warnings = []
    return load_video(path=path, ctx=Context(warn=warnings.append), **widgets), warnings


def times(dataset):
    return [name.removeprefix("film ") for name in dataset.names]


def near(pixels, colour, levels=12):
    corner = pixels[-4:, :].reshape(-1, 3).float().mean(0)
    return bool((corner - corner.new_tensor(colour)).abs().max() <= levels)


def test_one_picture_each_second(film):
    dataset, warnings = load(film, every=0.5, aspect="1:1", size=32)
    assert times(dataset) == [clock(0.5 * number) for number in range(6)]
    assert dataset.images.shape == (6, 32, 32, 3)
    assert dataset.classes == ("film",)
    assert all(near(p, SCENES[number // 2]) for number, p in enumerate(dataset.images))
    assert warnings == []


def test_times_that_are_looked_up_give_the_same_pictures(tmp_path):
    path = write_film(tmp_path / "a.mp4", moving(24 * 30))
    every, some = load(path, every=1.0)[0], load(path, every=5.0)[0]
    assert some.names == every.names[::5]
    assert np.array_equal(some.images, every.images[::5])


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts", "mpg", "mov"])
def test_start_and_end_in_every_format(tmp_path, suffix):
    fps, codec = 24, {"mpg": "mpeg2video", "avi": "mpeg4"}.get(suffix, "libx264")
    path = write_film(tmp_path / f"a.{suffix}", moving(24 * 14), fps=fps, codec=codec)
    whole = load(path, every=0.25)[0]
    part = load(path, every=0.25, start=12.0, end=13.0)[0]
    assert len(part) == 4
    rows = [whole.names.index(name) for name in part.names]
    assert rows == list(range(48, 52))
    assert np.array_equal(part.images, whole.images[rows])
    assert whole.names[0] == "film 00:00:00.000"


def test_pictures_of_each_scene(film):
    dataset, _ = load(film, choose="scenes", per_scene=2, classes="scenes")
    assert dataset.classes == ("scene 001", "scene 002", "scene 003")
    assert dataset.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert times(dataset)[:3] == [clock(0.25), clock(0.75), clock(1.25)]
    assert all(near(p, SCENES[number // 2]) for number, p in enumerate(dataset.images))


def test_a_flash_and_movement_make_no_scene(tmp_path):
    frames = list(moving(48, scenes=1))
    frames[20] = np.full_like(frames[20], 255)
    dataset, _ = load(write_film(tmp_path / "a.mp4", frames), choose="scenes")
    assert len(dataset) == 1


def test_the_sharpest_picture_of_each_stretch(tmp_path):
    rng = np.random.default_rng(0)
    detail = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    blurred = np.asarray(Image.fromarray(detail).resize((6, 5)).resize((64, 48)))
    frames = [detail if number in (7, 40) else blurred for number in range(48)]
    dataset, _ = load(write_film(tmp_path / "a.mp4", frames), choose="sharpest", every=1.0)
    assert times(dataset) == [clock(7 / 24), clock(40 / 24)]


def test_a_picture_that_is_shown_for_long_is_used_once(tmp_path):
    path = write_film(tmp_path / "a.mp4", moving(6), times=lambda number: 48 * number)
    assert times(load(path, every=0.5)[0]) == [clock(2.0 * number) for number in range(6)]


@pytest.mark.parametrize(("turn", "corner"), [(90, (0, 0)), (-90, (-1, -1)), (180, (0, -1))])
def test_a_film_is_shown_upright(tmp_path, turn, corner):
    frame = np.full((48, 64, 3), 20, np.uint8)
    frame[-16:, :16] = 250  # at the bottom left
    path = write_film(tmp_path / "a.mp4", [frame] * 4, turn=turn)
    (pixels,) = load(path, aspect="auto", fit="stretch")[0].images.float().mean(-1)
    assert (pixels.shape[0] > pixels.shape[1]) is (abs(turn) == 90)
    with av.open(str(path)) as container:  # where a player that follows the matrix has the corner
        stored = next(container.decode(video=0))
        upright = np.rot90(stored.to_ndarray(format="gray"), stored.rotation // 90)
    expected = np.asarray(Image.fromarray(upright).resize(pixels.shape[::-1]), float)
    assert np.abs(pixels.numpy() - expected).mean() < 10


def test_pixels_become_square(tmp_path):
    path = write_film(tmp_path / "a.mp4", moving(4), ratio=Fraction(3, 2))
    dataset, _ = load(path)
    assert dataset.width == 2 * dataset.height


def test_the_limit_is_reported(film):
    dataset, (warning,) = load(film, every=0.1, limit=4)
    assert len(dataset) == 4
    assert "only the first 4 pictures are used, up to 00:00:00.292 - raise `limit`" in warning


def test_what_is_left_of_a_film_cut_short_is_used(tmp_path):
    path = write_film(tmp_path / "a.mp4", moving(24 * 20), flags="+faststart")
    whole = load(path)[0]
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    (part, (warning,)), (again, _) = load(path), load(path)
    assert 5 < len(part) < 18
    assert np.array_equal(part.images[:-1], whole.images[: len(part) - 1])
    assert np.array_equal(part.images, again.images)
    assert "its pictures end at 00:00:09.375" in warning
    assert "although it should last 00:00:20.000" in warning


def test_an_interlaced_film_is_reported(tmp_path):
    options = {"x264-params": "interlaced=1"}
    path = write_film(tmp_path / "a.mp4", moving(), options=options)
    assert "it is interlaced" in load(path)[1][0]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_animations_are_films(tmp_path, suffix):
    pictures = [Image.fromarray(frame) for frame in moving(6)]
    path = tmp_path / f"a.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=500, **options)
    dataset, _ = load(path, every=1.0, classes="scenes")
    assert times(dataset) == [clock(0), clock(1), clock(2)]
    assert dataset.labels.tolist() == [0, 1, 2]
    assert all(near(p, SCENES[number]) for number, p in enumerate(dataset.images))


def sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", 44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4410), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


BAD = {
    "empty.mp4": (lambda path: path.write_bytes(b""), "it is empty"),
    "text.mp4": (lambda path: path.write_text("hello " * 200), "not a film"),
    "list.mp4": (lambda path: path.write_text("#EXTM3U\nother.mp4\n"), "not a film"),
    "concat.mp4": (
        lambda path: path.write_text("ffconcat version 1.0\nfile a\n"),
        "not a film",
    ),
    "sound.m4a": (sound, "only sound"),
    "still.png": (lambda path: Image.new("RGB", (8, 8)).save(path), "one picture"),
    "photo.avif": (lambda path: Image.new("RGB", (8, 8)).save(path), "is a picture"),
    "header.mp4": (lambda path: path.write_bytes(b"\0\0\0\x18ftypisom" + bytes(12)), "damaged"),
    "half.mp4": (lambda path: cut(write_film(path, moving())), "cut short"),
}


def cut(path):
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_not_a_film(tmp_path, name):
    make, message = BAD[name]
    make(tmp_path / name)
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert caught.value.advice


def alias(path):
    """A data reference to another file, as QuickTime writes it."""
    name = str(path).encode()
    name += b"\0" * (len(name) % 2)
    head = bytes(10) + bytes(28) + bytes(12) + bytes(64) + bytes(16) + b"\0\1\0\1" + bytes(16)
    body = bytes(4) + head + struct.pack(">HH", 2, len(name)) + name + b"\xff\xff\0\0"
    return struct.pack(">I4s", 8 + len(body), b"alis") + body


def test_a_film_that_refers_to_another_file_does_not_open_it(tmp_path):
    other = write_film(tmp_path / "other.mov", moving())
    data = bytearray(write_film(tmp_path / "a.mov", moving()).read_bytes())
    at = data.index(b"dref") + 12  # behind the number of references
    own = int.from_bytes(data[at : at + 4], "big")
    reference = alias(other)
    data[at : at + own] = reference
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        size = data.rindex(box, 0, at + 4) - 4
        grown = int.from_bytes(data[size : size + 4], "big") + len(reference) - own
        data[size : size + 4] = grown.to_bytes(4, "big")
    start = data.index(b"mdat") + 4
    end = start - 8 + int.from_bytes(data[start - 8 : start - 4], "big")
    data[start:end] = bytes(end - start)  # the pictures are only in the other file
    (tmp_path / "a.mov").write_bytes(data)
    with av.open(str(tmp_path / "a.mov"), options={"enable_drefs": "1"}) as container:
        assert next(container.decode(video=0)), "FFmpeg would open it"
    with pytest.raises(InputError, match="none of its pictures can be decoded"):
        load(tmp_path / "a.mov")


def test_a_window_outside_of_the_film(film):
    with pytest.raises(InputError, match=r"lasts 3\.000 seconds, and `start` is 5 - lower"):
        load(film, start=5.0)
    with pytest.raises(NodeError, match="`end` is 1, and `start` is 2"):
        load(film, start=2.0, end=1.0)
    with pytest.raises(NodeError, match="more than 4 GiB"):
        load(film, size=1024, limit=100_000)
