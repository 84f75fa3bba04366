"""A picture inside an archive or a table, and why such a file is refused."""

from __future__ import annotations

from io import BytesIO
from pathlib import PurePath
from typing import NamedTuple

MOST_BYTES = 1 << 28  # largest size of one file in an archive that is read
MOST_MEMBERS = 1_000_000  # largest number of files in all archives of one source
MOST_RATIO = 200  # how many times its packed size a file may have; pictures reach about 20
SMALL_BYTES = 1 << 26  # size up to which any ratio is accepted


class SourceError(Exception):
    """An archive, a table or a review that can't be used. It has what is wrong, and what to do."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what, self.advice = what, advice


class Packed(NamedTuple):
    """A file that is not on the disk by itself: its name and its content."""

    name: str
    data: bytes

    @property
    def suffix(self) -> str:
        return PurePath(self.name).suffix

    def open(self, mode: str) -> BytesIO:
        """Returns the content as a file; `mode` is always "rb"."""
        return BytesIO(self.data)
