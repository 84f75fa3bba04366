"""Films for tests, written with PyAV."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SCENES = ((200, 40, 60), (60, 180, 40), (50, 60, 190))


def moving(count=72, height=48, width=64, scenes=3):
    """Frames of some scenes of one colour each, with a white square that moves."""
    for number in range(count):
        frame = np.empty((height, width, 3), np.uint8)
        frame[:] = SCENES[number * scenes // count]
        left = number % (width - 8)
        frame[8:16, left : left + 8] = 255
        yield frame


def write_film(
    path: Path,
    frames: Iterable[np.ndarray],
    *,
    fps: int = 24,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Callable[[int], int] = lambda number: number,
    ratio: Fraction | None = None,
    turn: int = 0,
    flags: str = "",
    options: dict[str, str] | None = None,
):
    """Write a film with a keyframe each half second. Returns its path."""
    with av.open(str(path), "w", options={"movflags": flags} if flags else {}) as container:
        stream = None
        for number, pixels_of in enumerate(frames):
            if stream is None:
                stream = container.add_stream(codec, fps)
                stream.height, stream.width = pixels_of.shape[:2]
                stream.pix_fmt = pixels
                stream.codec_context.gop_size = fps // 2
                stream.options = options or {}
                if ratio:
                    stream.codec_context.sample_aspect_ratio = ratio
                if turn:
                    stream.set_display_rotation(turn)
            frame = av.VideoFrame.from_ndarray(pixels_of, "rgb24")
            frame.pts, frame.time_base = times(number), Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
