"""Films as MP4 (H.264) and WebM (VP9), written frame by frame.

The same input yields the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace

from .film_colour import EXACT, Pixels

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

Kind = Literal["mp4", "webm"]

MOST_BYTES = 1 << 30  # size of a film at most: it is in memory before it is stored
_BT709 = 1  # the number of BT.709 in ITU-T H.273, as primaries, curve and matrix


class TooLargeError(ValueError):
    """A film has more than MOST_BYTES."""


class _Output(io.BytesIO):
    """The file in memory. The MP4 format reads it again, to move its index to the front."""

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > MOST_BYTES:
            raise TooLargeError(f"the film has more than {MOST_BYTES >> 30} GiB")
        return super().write(data)

    def close(self) -> None:
        """Does nothing: the bytes are needed after FFmpeg has closed the file."""

    def reader(self, *_: object) -> io.BytesIO:
        """Returns the bytes so far, as a file of their own."""
        return io.BytesIO(self.getvalue())


def encode_film(
    frames: Iterable[Pixels], size: tuple[int, int], kind: Kind, fps: float, quality: int
) -> bytes:
    """Encode frames, uint8 (H, W, 3) in sRGB, as YUV 4:2:0 of BT.709 in the limited range.

    size:    height and width of all frames. An odd one becomes even: the last row or column is
             repeated.
    quality: 1 to 100.

    Raises: TooLargeError; ValueError if the encoder refuses the size.
    """
    height, width = size
    file = _Output()
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    try:
        with av.open(file, "w", kind, container_options=options, io_open=file.reader) as container:
            stream = _stream(container, kind, fps, quality)
            stream.width, stream.height = width + width % 2, height + height % 2
            for number, pixels in enumerate(frames):
                padded = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
                for packet in stream.encode(_frame(padded, number)):
                    container.mux(packet)
            for packet in stream.encode(None):
                container.mux(packet)
    except FFmpegError as error:
        what = f"a film of {width} x {height} px can't be encoded as {kind} ({error.strerror})"
        raise ValueError(what) from error
    return file.getvalue()


def _stream(container: OutputContainer, kind: Kind, fps: float, quality: int) -> VideoStream:
    rate = Fraction(fps).limit_denominator(1001)
    if kind == "mp4":
        # 51 is H.264's coarsest quality and 0 is lossless; 92 becomes 18, which looks lossless.
        options = {"crf": f"{51 - 0.36 * quality:.2f}", "preset": "medium"}
        # Without it, the bits differ from time to time, even on one computer, because of x264's
        # macroblock tree: those of 2 to 17 of 30 films of five frames.
        options["x264-params"] = "cpu-independent=1"
        stream = container.add_stream("libx264", rate)
    else:
        options = {"crf": f"{round(63 - 0.45 * quality)}", "b": "0", "cpu-used": "4"}
        options |= {"deadline": "good", "row-mt": "0"}
        stream = container.add_stream("libvpx-vp9", rate)
    context: Any = stream.codec_context
    context.options = options
    context.pix_fmt = "yuv420p"
    context.thread_count = 1
    context.flags |= av.codec.context.Flags.bitexact
    context.time_base = 1 / rate
    context.color_range = ColorRange.MPEG
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    return stream


def _frame(pixels: Pixels, number: int) -> av.VideoFrame:
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
    frame = rgb.reformat(
        format="yuv420p",
        src_color_range=ColorRange.JPEG,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation=EXACT,
        threads=1,
    )
    frame.color_primaries = frame.color_trc = _BT709
    frame.pts, frame.duration = number, 1
    return frame
