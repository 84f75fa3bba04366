"""What a film is, whether FFmpeg or Pillow decodes it: frames with times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from .colour import Note


class Shown:
    """A picture of a film, and when it begins.

    time:          seconds since the beginning of the film.
    seconds:       how long it is shown.
    is_interlaced: whether its odd and even rows are of different times.
    """

    time: float
    seconds: float
    is_interlaced: bool = False

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height as shown."""
        raise NotImplementedError

    def picture(self) -> Image.Image:
        """Returns it as it is shown: in sRGB, upright, with square pixels."""
        raise NotImplementedError

    def luma(self, width: int, height: int) -> NDArray[np.uint8]:
        """Returns its brightness (height, width), made smaller, for measurements."""
        raise NotImplementedError

    def colours(self, width: int, height: int) -> NDArray[np.uint8]:
        """Returns it made smaller, (height, width, 3), for measurements."""
        raise NotImplementedError


class Film:
    """A film. Close it after use, or use it in a `with` statement.

    size:     width and height as shown.
    duration: seconds that it lasts by its own account; None if it does not say it.
    ended:    seconds that it really lasts; None while its end was not reached.
    """

    size: tuple[int, int]
    duration: float | None
    ended: float | None = None

    def __init__(self, note: Note) -> None:
        self._report, self._noted = note, set[str]()
        self._left_out: Counter[tuple[str, str]] = Counter()

    def note(self, text: str) -> None:
        """Report something that could not be used as it is, once."""
        if text not in self._noted:
            self._noted.add(text)
            self._report(text)

    def count(self, words: tuple[str, str]) -> None:
        """Count something that is left out; `words` name one and several of its kind."""
        self._left_out[words] += 1

    def left_out(self) -> str:
        """Returns what was left out, for people; empty if nothing was."""
        counts = sorted(self._left_out.items())
        return ", ".join(f"{count} {words[count > 1]}" for words, count in counts)

    def frames(self, start: float) -> Iterator[Shown]:
        """Yields the frames in the order of time, from the one shown at `start` or an earlier one.

        Begins anew at each call.
        """
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def clock(seconds: float) -> str:
    """Returns a time as `00:01:23.400`."""
    whole = round(seconds * 1000)
    minutes, rest = divmod(whole, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
