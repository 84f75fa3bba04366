"""Films that are saved: frames, times, colours, and the form of the files."""

import io
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("av", reason="films need the extra `film`")

import av
import torch

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.values.pictures import PART_BYTES, PictureBatch
from artgraph.nodes.save import save_video
from artgraph.pictures.film_colour import to_rgb


def ramps(count=5, height=48, width=64):
    down, across = torch.meshgrid(
        torch.linspace(0.1, 0.9, height), torch.linspace(0.1, 0.9, width), indexing="ij"
    )
    first = torch.stack([across, down, torch.full_like(down, 0.5)], -1)
    return torch.stack([first * (0.5 + 0.1 * number) for number in range(count)])


def save(image, kind="mp4", **options):
    """The bytes, and the warnings."""
    warnings = []
    ctx = Context(warn=warnings.append)
    return save_video(image, name="a", format=kind, **options, ctx=ctx).files[f"a.{kind}"], warnings


def decoded(data):
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(video=0))
    return np.stack([to_rgb(frame, pytest.fail) for frame in frames]) / 255, frames


@pytest.mark.parametrize(("kind", "codec"), [("mp4", "h264"), ("webm", "vp9")])
def test_what_is_saved_is_what_is_shown(kind, codec):
    data, warnings = save(ramps(), kind, fps=10.0)
    shown, frames = decoded(data)
    difference = np.abs(shown - ramps().numpy()) * 255
    assert (difference.mean() < 2, difference.max() < 15) == (True, True)
    assert [round(frame.time, 3) for frame in frames] == [0, 0.1, 0.2, 0.3, 0.4]
    assert warnings == []
    with av.open(io.BytesIO(data)) as container:
        context = container.streams.video[0].codec_context
        assert (context.codec.name.removeprefix("lib"), context.pix_fmt) == (codec, "yuv420p")
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert context.color_range == 1
        assert container.duration == pytest.approx(500_000, abs=1000)


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_the_same_pictures_are_the_same_bytes(kind):
    assert len({save(ramps(), kind, fps=24.0)[0] for _ in range(12)}) == 1


def test_an_mp4_plays_before_it_is_loaded():
    data, _ = save(ramps())
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("kind", ["mp4", "webm"])
@pytest.mark.parametrize(("height", "width"), [(47, 63), (48, 63), (1, 1)])
def test_odd_edges_are_repeated_and_reported(kind, height, width):
    image = ramps(2, height, width)
    data, (warning,) = save(image, kind)
    shown, _ = decoded(data)
    padded = np.pad(image, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), "edge")
    assert shown.shape == padded.shape
    assert np.abs(shown - padded).mean() <= 3 / 255
    assert f"{padded.shape[2]} x {padded.shape[1]} px instead of {width} x {height}" in warning


@pytest.mark.parametrize("is_batch", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_ping_pong_does_not_repeat_the_ends(count, is_batch):
    levels = torch.linspace(0.1, 0.9, count)
    edge = 2 * int((PART_BYTES / 12 / 2.5 / 4) ** 0.5)  # two pictures are in one part
    pictures = levels[:, None, None, None].expand(-1, 32, 32, 3)
    if is_batch:
        read = lambda rows: levels[list(rows), None, None, None].expand(-1, edge, edge, 3)  # noqa: E731
        pictures = PictureBatch((edge, edge, 3), range(count), read)
    _, frames = decoded(save(pictures, ping_pong=True)[0])
    shown = [frame.to_ndarray(format="rgb24")[0, 0, 0] / 255 for frame in frames]
    order = [*range(count), *range(count - 2, 0, -1)]
    assert shown == pytest.approx([float(levels[number]) for number in order], abs=0.02)


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_a_higher_quality_is_a_larger_file(kind):
    noise = torch.rand(3, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    sizes = [len(save(noise, kind, quality=quality)[0]) for quality in (1, 50, 92, 100)]
    assert sizes == sorted(set(sizes))


def test_a_size_that_can_not_be_encoded():
    with pytest.raises(NodeError, match=r"20000 x 2 px can't be encoded as mp4 .* - lower"):
        save(torch.zeros(1, 2, 20_000, 3))


WITHOUT = "import sys; sys.modules['av'] = None\nfrom artgraph.cli.main import main\nmain()"


def test_without_the_extra_it_is_said_before_anything_runs(tmp_path):
    graph = tmp_path / "g.yaml"
    graph.write_text(
        "artgraph: 1\nnodes:\n  art: {node: procedural_art, with: {count: 4}}\n"
        "  pictures: {node: load_video, from: {fallback: art}}\n"
        "  some: {node: dataset_images, from: {dataset: pictures}}\n"
        "  film: {node: save_video, from: {image: some.image}}\n"
    )
    command = [sys.executable, "-c", WITHOUT, "run", str(graph)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.endswith(
        "node 'film': save_video needs the package av - run pip install \"artgraph[film]\""
    )
    assert not (tmp_path / "out").exists()
