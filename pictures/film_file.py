"""Opens films of strangers: only known formats and decoders, and no other file is ever opened."""

from __future__ import annotations

import math
import stat
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import av
from av.error import FFmpegError, InvalidDataError

from .film import Film, Shown
from .film_colour import (
    Pixels,
    is_hdr,
    luma,
    small_rgb,
    square_size,
    to_rgb,
    turned,
    with_square_pixels,
)
from .film_formats import DECODERS, format_of
from .reading import MOST_PIXELS, UnreadableError

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream
    from PIL import Image

    from .colour import Note

_TURNS = {  # signs of a display matrix, and whether width and height change places
    **dict.fromkeys(((1, 0, 0, 1), (-1, 0, 0, -1), (-1, 0, 0, 1), (1, 0, 0, -1)), False),
    **dict.fromkeys(((0, 1, -1, 0), (0, -1, 1, 0), (0, 1, 1, 0), (0, -1, -1, 0)), True),
}
_MOST_STREAMS = 64
_BACK = 10.0  # seconds to go back if a film's index leads to a place that is too late
_ROUNDING = 1e-6  # seconds
_DAMAGED = ("damaged part", "damaged parts")
_OUT_OF_ORDER = ("picture out of order", "pictures out of order")
_TOO_LARGE = ("picture that is too large", "pictures that are too large")
_LONGEST_PIXEL = 8  # width divided by height of a pixel, or its inverse, that is believed


class _Nameless:
    """A file without its path, so that FFmpeg can't look for others beside it."""

    def __init__(self, file: BufferedReader) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def _refuse(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise UnreadableError("it refers to other files, which are not opened")


class FilmFile(Film):
    """A film that FFmpeg decodes, with one thread, so that damage has the same results each time.

    Raises: UnreadableError if it is not a film or can't be used; OSError if the system can't read
    it.
    """

    def __init__(self, path: Path, note: Note) -> None:
        super().__init__(note)
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise UnreadableError("it is not a file")
        self._file = path.open("rb")
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self._stream = self._opened()
        first = next(self.frames(0), None)
        if first is None:
            why = "it is encrypted, damaged or empty"
            raise UnreadableError(f"none of its pictures can be decoded: {why}")
        self.size = first.picture_size
        self.duration = self._length()

    def _opened(self) -> VideoStream:
        """Open the file at its beginning. Returns the stream of pictures."""
        self._file.seek(0)
        name = format_of(self._file)
        options = {
            "format_whitelist": name,
            "codec_whitelist": ",".join(DECODERS),
            "protocol_whitelist": "none",
            "max_streams": str(_MOST_STREAMS),
            "max_pixels": str(MOST_PIXELS),
        }
        try:
            self._container = av.open(
                _Nameless(self._file),
                "r",
                name.split(",")[0],
                options,
                metadata_errors="replace",
                io_open=_refuse,
            )
        except InvalidDataError as error:
            what = "it is damaged, or cut short so that nothing of it can be used"
            raise UnreadableError(what, "save it again, or choose another file") from error
        except FFmpegError as error:
            raise UnreadableError(f"it can't be opened ({error.strerror})") from error
        stream = self._video_stream(self._container)
        context = stream.codec_context
        context.thread_type = "NONE"
        context.thread_count = 1
        context.options = {"max_pixels": str(MOST_PIXELS), "threads": "1"}
        return stream

    def _video_stream(self, container: InputContainer) -> VideoStream:
        """Returns the stream of pictures to use. Covers of music are not films."""
        streams = [s for s in container.streams.video if not _is_cover(s)]
        if not streams:
            sound = "it has only sound" if container.streams.audio else "it has no pictures"
            raise UnreadableError(f"{sound}, and is not a film")
        if len(streams) > 1:
            self.note(f"it has {len(streams)} tracks of pictures, of which the first is used")
        context = streams[0].codec_context
        if context is None or context.codec.name not in DECODERS:
            kind = "of an unknown kind" if context is None else context.codec.name
            advice = "save a copy of it as MP4 with H.264"
            raise UnreadableError(f"its pictures are {kind}, which is not supported", advice)
        _refuse_large(context.width, context.height)
        return streams[0]

    def _length(self) -> float | None:
        """Returns how many seconds the film says that it lasts, or None if it does not say it."""
        stream, container = self._stream, self._container
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return container.duration / 1e6 if container.duration else None

    def frames(self, start: float) -> Iterator[Shown]:
        for begin in (start, start - _BACK, 0.0):
            frames = self._frames_from(max(0.0, begin))
            first = next(frames, None)
            if begin <= 0 or (first is not None and first.time <= start + _ROUNDING):
                break
        if first is not None:
            yield first
            yield from frames

    def _frames_from(self, begin: float) -> Iterator[Shown]:
        """Yields the frames from the keyframe to which the film's index leads, maybe later ones."""
        self._go_to(begin)
        last, end = -math.inf, 0.0
        for frame in self._decoded(after_seeking=begin > 0):
            time = self._time_of(frame.pts if frame.pts is not None else frame.dts)
            if time is None:
                time = end
            if time <= last:
                self.count(_OUT_OF_ORDER)
                continue
            last, shown = time, _Frame(frame, max(0.0, time), self)
            end = shown.time + shown.seconds
            yield shown
        self.ended = max(self.ended or 0.0, end)

    def _go_to(self, seconds: float) -> None:
        """Go to the last keyframe before this time. For the beginning, the file is opened anew."""
        stream = self._stream
        if seconds > 0 and stream.time_base is not None:
            offset = (stream.start_time or 0) + math.floor(seconds / stream.time_base)
            with suppress(FFmpegError):
                self._container.seek(offset, stream=stream, backward=True, any_frame=False)
                return
        self._container.close()
        self._stream = self._opened()

    def _decoded(self, after_seeking: bool) -> Iterator[VideoFrame]:
        """Yields all frames that can be decoded. Others are counted.

        after_seeking: do not use what is before the first keyframe, because it needs frames that
            were not decoded.
        """
        packets = self._container.demux(self._stream)
        first_pts = None
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except FFmpegError:  # the rest of the file can't be read
                self.count(_DAMAGED)
                return
            if after_seeking and first_pts is None and packet.size:
                if not packet.is_keyframe:
                    continue
                first_pts = packet.pts
                after_seeking = first_pts is not None
            try:
                frames = packet.decode()
            except FFmpegError:
                self.count(_DAMAGED)
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self.count(_DAMAGED)
                elif frame.width * frame.height > MOST_PIXELS:
                    self.count(_TOO_LARGE)
                elif first_pts is None or frame.pts is None or frame.pts >= first_pts:
                    yield frame

    def _time_of(self, pts: int | None) -> float | None:
        stream = self._stream
        if pts is None or stream.time_base is None:
            return None
        return float((pts - (stream.start_time or 0)) * stream.time_base)

    def seconds_of(self, frame: VideoFrame) -> float:
        """Returns how long a frame is shown."""
        if frame.duration and self._stream.time_base:
            return float(frame.duration * self._stream.time_base)
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(1 / rate) if rate else 0.04

    @property
    def pixel_ratio(self) -> float:
        """Width divided by height of a stored pixel."""
        ratio = self._stream.codec_context.sample_aspect_ratio or self._stream.sample_aspect_ratio
        value = float(ratio) if ratio else 1.0
        if not 1 / _LONGEST_PIXEL <= value <= _LONGEST_PIXEL:
            self.note("it says that its pixels are extremely wide or high, which is not believed")
            return 1.0
        return value

    def close(self) -> None:
        container = getattr(self, "_container", None)
        if container is not None:
            container.close()
        self._file.close()


class _Frame(Shown):
    """A frame that is converted when it is used."""

    def __init__(self, frame: VideoFrame, time: float, film: FilmFile) -> None:
        self.time, self._frame, self._film = time, frame, film
        self.seconds = film.seconds_of(frame)
        self.is_interlaced = frame.interlaced_frame
        if is_hdr(frame):
            raise UnreadableError("it is an HDR film (PQ or HLG)", "save a copy of it in SDR")

    @property
    def picture_size(self) -> tuple[int, int]:
        size = square_size(self._frame.width, self._frame.height, self._film.pixel_ratio)
        return size[::-1] if _TURNS[self._orientation] else size

    @property
    def _orientation(self) -> tuple[int, int, int, int]:
        """The signs of the display matrix."""
        data: Any = self._frame.side_data.get("DISPLAYMATRIX")
        if data is None:
            return (1, 0, 0, 1)
        numbers = memoryview(bytes(data)).cast("i")
        signs = tuple((numbers[i] > 1 << 12) - (numbers[i] < -(1 << 12)) for i in (0, 1, 3, 4))
        if signs not in _TURNS:
            self._film.note("it is turned by an odd angle, and is shown as it is stored")
            return (1, 0, 0, 1)
        return signs

    def picture(self) -> Image.Image:
        pixels: Pixels = to_rgb(self._frame, self._film.note)
        whole = with_square_pixels(pixels, self._film.pixel_ratio)
        if self._orientation == (1, 0, 0, 1):
            return whole
        import numpy as np
        from PIL import Image

        return Image.fromarray(turned(np.asarray(whole), self._orientation))

    def luma(self, width: int, height: int) -> Pixels:
        return luma(self._frame, width, height)

    def colours(self, width: int, height: int) -> Pixels:
        return small_rgb(self._frame, width, height)


def _is_cover(stream: VideoStream) -> bool:
    return "attached_pic" in str(stream.disposition)


def _refuse_large(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        size = f"{width} x {height} pixels"
        raise UnreadableError(f"it has {size}, more than {MOST_PIXELS // 10**6} million")
