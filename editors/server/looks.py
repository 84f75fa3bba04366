"""What a folder of pictures contains, before a run: the line that the run would say, and a sheet.

All pictures are opened as in a run, so that those that can't be read are known. That is done in the
background, for a limited time.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...contract.aspects import SQUARE, nearest_common, shape_of
from ...contract.errors import NodeError
from ...contract.values.alpha import WHITE
from ...contract.wording import listed
from ...pictures.sources.folder_sheet import folder_sheet

if TYPE_CHECKING:
    from ...pictures.fitting import Fit
    from ...pictures.sources.reviewed import Reviewed
    from ...pictures.sources.source import Source

_MOST_LOOKS = 24  # folders whose results are in memory
_THREADS = 2  # folders that are looked at at a time
_MOST_SECONDS = 60.0  # for which the pictures of one folder are opened
_ABANDONED = 15.0  # seconds after which nobody waits for a result any more
_MOST_CLASSES = 40  # classes that are listed


class Wanted(NamedTuple):
    """The values of a node that loads pictures. `review` is None if there is none."""

    folder: Path
    table: str
    label: str
    review: Path | None
    size: int
    fit: Fit
    aspect: str
    background: str | None


class Look:
    """What is known about one folder; `state` is what the page gets."""

    def __init__(self, wanted: Wanted) -> None:
        """Raises: SourceError and OSError if the folder can't be used."""
        from ...pictures.sources.reviewed import Reviewed
        from ...pictures.sources.source import open_source

        self.id = secrets.token_urlsafe(12)
        self.sheet: bytes | None = None
        self.asked = time.monotonic()
        self.is_abandoned = False  # whether nobody waited until all pictures were opened
        self._wanted = wanted
        source = open_source(wanted.folder, wanted.table, wanted.label)
        reviewed = Reviewed(wanted.folder, source, wanted.review)
        stamps = [(e.name, e.kind, e.stamp) for e in source.entries]
        self.key = hashlib.sha256(repr((wanted, stamps, _stamp(wanted))).encode()).hexdigest()
        self._work: tuple[Source, Reviewed] | None = (source, reviewed)
        self._names = [entry.name for entry in reviewed.survey.pictures]
        self.state: dict[str, Any] = {"look": self.id, "total": len(self._names), "opened": 0}
        self.state |= self._said(source, reviewed, self._names, "") | {"done": not self._names}

    def run(self, stopped: threading.Event) -> None:
        """Open the pictures, and make the sheet. Called in another thread."""
        assert self._work is not None
        source, reviewed = self._work
        try:
            shape = self._shape(source, reviewed)
            made = folder_sheet(source, reviewed, shape, self._wanted.fit, self._wanted.background)
            self.sheet = made.data if made is not None else None
            self.state |= {"sheet": self.sheet is not None}
            self._open_all(source, reviewed, shape, stopped)
        except Exception as error:  # such as an archive that is being replaced
            self.state |= {"problem": f"the pictures can't be read: {error}", "done": True}
        self._work = None  # so that the names of many files do not stay in memory

    def _shape(self, source: Source, reviewed: Reviewed) -> tuple[int, int]:
        """Returns height and width of the pictures in the run."""
        from ...pictures.sources.summary import median_ratio

        size, aspect = self._wanted.size, self._wanted.aspect
        if aspect == "auto":
            ratio = median_ratio(reviewed, source)
            aspect = SQUARE if ratio is None else nearest_common(ratio)
        try:
            return shape_of(size, aspect)
        except NodeError:
            return size, size

    def _open_all(
        self, source: Source, reviewed: Reviewed, shape: tuple[int, int], stopped: threading.Event
    ) -> None:
        from ...pictures.fitting import read_fitted
        from ...pictures.reading import ANOTHER, UnreadableError
        from ...pictures.sources.summary import change_text
        from ...pictures.walk import refusal

        found, wanted = reviewed.survey, self._wanted
        entries, end = found.pictures, time.monotonic() + _MOST_SECONDS
        shares: dict[int, float] = {}
        notes: dict[int, list[str]] = {}
        bad: set[str] = set()
        for opened, (place, file) in enumerate(source.read(entries), 1):
            entry, said = entries[place], notes.setdefault(place, [])
            try:
                if isinstance(file, UnreadableError):
                    raise file
                crop = reviewed.choice(entry.name).crop
                read = read_fitted(file, *shape, wanted.fit, said.append, wanted.background, crop)
                shares[place] = read.share
            except UnreadableError as error:
                advice = "" if error.advice == ANOTHER else error.advice
                found.add_unreadable(entry.name, str(error), advice)
                bad.add(entry.name)
            except OSError as error:
                why = refusal(error)
                if why is None:
                    raise
                found.skip(why, entry.name)
                bad.add(entry.name)
            self.state |= {"opened": opened}
            now = time.monotonic()
            self.is_abandoned = stopped.is_set() or now - self.asked > _ABANDONED
            if now > end or self.is_abandoned:
                break
        for place in sorted(place for place in notes if place in shares):
            for text in notes[place]:
                found.add_note(entries[place].name, text)
        change = change_text(list(shares.values()), wanted.fit, wanted.background == WHITE)
        names = [name for name in self._names if name not in bad]
        self.state |= self._said(source, reviewed, names, change) | {"done": True}

    def _said(
        self, source: Source, reviewed: Reviewed, names: Sequence[str], change: str
    ) -> dict[str, Any]:
        """Returns what is said about the folder, as `load_dataset` says it."""
        from ...pictures.sources.summary import nothing_found, nothing_read, summary
        from ...pictures.suffixes import READABLE

        survey, folder = reviewed.survey, self._wanted.folder.name
        if not self._names and reviewed.dropped:
            return {"problem": f"no picture is left: the review drops all {reviewed.dropped}"}
        if not self._names:
            formats = listed(list(READABLE), 4)
            return {"problem": " - ".join(nothing_found(survey, source.notes, folder, formats))}
        if not names:
            return {"problem": " - ".join(nothing_read(survey, folder))}
        line, doubts = summary(reviewed, source, names, change)
        counts = Counter(map(reviewed.label, names))
        return {"line": line, "doubts": doubts, "classes": _in_order(counts)}


def _in_order(counts: Counter[str]) -> list[tuple[str, int]]:
    from ...pictures.walk import natural_order

    return sorted(counts.items(), key=lambda item: natural_order(item[0]))[:_MOST_CLASSES]


def _stamp(wanted: Wanted) -> list[tuple[int, int]]:
    """Returns what changes if an archive or the review is replaced."""
    files = [wanted.folder, *([wanted.review] if wanted.review else [])]
    return [(status.st_mtime_ns, status.st_size) for status in (file.stat() for file in files)]


class Looks:
    """The folders that were looked at last."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="looks")
        self._looks: OrderedDict[str, Look] = OrderedDict()  # by their ids
        self._stopped = threading.Event()
        self._turns = asyncio.Semaphore(1)  # folders that are listed at a time

    async def look(self, wanted: Wanted) -> Look:
        """Returns what is known about a folder. Raises: SourceError; OSError."""
        async with self._turns:
            new = await asyncio.to_thread(Look, wanted)
        for old in self._looks.values():
            if old.key == new.key and not old.is_abandoned:
                return self.find(old.id) or old
        self._looks[new.id] = new
        while len(self._looks) > _MOST_LOOKS:
            self._looks.popitem(last=False)
        if not new.state["done"]:
            self._pool.submit(new.run, self._stopped)
        return new

    def find(self, name: str) -> Look | None:
        """Returns a look by its id, or None if it is not in memory any more."""
        look = self._looks.get(name)
        if look is not None:
            look.asked = time.monotonic()
            self._looks.move_to_end(name)
        return look

    def close(self) -> None:
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
