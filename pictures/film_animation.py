"""Animated pictures (GIF, WebP, APNG) as films, decoded by Pillow."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .colour import in_srgb
from .film import Film, Shown
from .reading import MOST_PIXELS, UnreadableError, damaged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .colour import Note

_FORMATS = ("GIF", "WEBP", "PNG")
_TOO_LARGE = f"it has more than {MOST_PIXELS // 10**6} million pixels"
_DEFAULT_MS = 100  # how long players show a picture that has no duration, or one under 20 ms in GIF
_NO_DURATION = 10  # ms up to which a GIF's duration means the default


def is_animation(path: Path) -> bool:
    """Returns whether a file has the format of animated pictures; one with one picture too."""
    if not stat.S_ISREG(path.stat().st_mode):
        return False
    with path.open("rb") as file:
        start = file.read(12)
    return start.startswith((b"GIF8", b"\x89PNG\r\n\x1a\n")) or (
        start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    )


class AnimationFile(Film):
    """An animated picture, with white behind its transparent parts."""

    def __init__(self, path: Path, note: Note) -> None:
        super().__init__(note)
        try:
            self._picture = Image.open(path, formats=_FORMATS)
        except Image.DecompressionBombError as error:
            raise UnreadableError(
                f"it has more than {MOST_PIXELS // 10**6} million pixels"
            ) from error
        except (OSError, ValueError, SyntaxError) as error:
            raise damaged(error) from error
        self.size = self._picture.size
        self.duration = None
        if self.size[0] * self.size[1] > MOST_PIXELS:
            self.close()
            raise UnreadableError(_TOO_LARGE)
        if getattr(self._picture, "n_frames", 1) < 2:
            self.close()
            raise UnreadableError("it is one picture, and not a film", "load it with load_image")

    def frames(self, start: float) -> Iterator[Shown]:
        """Yields all frames: each is stored as a change of the one before."""
        time = 0.0
        for number in range(getattr(self._picture, "n_frames", 1)):
            try:
                self._picture.seek(number)
                self._picture.load()
            except Exception:  # a damaged file can make a decoder raise anything
                self.note(f"it is damaged after {number} pictures")
                return
            if number == 0 and self._picture.info.get("default_image"):
                continue  # shown only by programs that don't play animations
            if "A" in self._picture.getbands() or "transparency" in self._picture.info:
                rgba = self._picture.convert("RGBA")
                if rgba.getchannel("A").getextrema()[0] != 255:
                    self.note("white is put behind its transparent parts")
            seconds = self._milliseconds() / 1000
            yield _Picture(in_srgb(self._picture.copy(), self.note), time, seconds)
            time += seconds
        self.duration = self.ended = time

    def _milliseconds(self) -> float:
        shown = float(self._picture.info.get("duration") or 0)
        return shown if shown > _NO_DURATION else _DEFAULT_MS

    def close(self) -> None:
        self._picture.close()


class _Picture(Shown):
    def __init__(self, picture: Image.Image, time: float, seconds: float) -> None:
        self.time, self.seconds, self._picture = time, seconds, picture

    @property
    def picture_size(self) -> tuple[int, int]:
        return self._picture.size

    def picture(self) -> Image.Image:
        return self._picture

    def luma(self, width: int, height: int) -> NDArray[np.uint8]:
        return np.asarray(self._picture.convert("L").resize((width, height), Image.Resampling.BOX))

    def colours(self, width: int, height: int) -> NDArray[np.uint8]:
        return np.asarray(self._picture.resize((width, height), Image.Resampling.BOX))
