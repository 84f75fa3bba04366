"""Small pictures for the review sheet, made by two threads, and kept in memory within a limit."""

from __future__ import annotations

import asyncio
import io
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from .review_sheet import Sheet

if TYPE_CHECKING:
    from pathlib import Path

    from ...pictures.packed import Packed

EDGES = (256, 1600)  # longer edges in pixels that may be asked for
_THREADS = 2  # pictures that are decoded at a time, which limits the memory
_MOST_BYTES = 1 << 27  # of all small pictures in memory
_MOST_WAITING = 4_000  # pictures that wait; further ones are refused
_AT_ONCE = 128  # pictures of an archive that are read in one pass


class NotShownError(Exception):
    """A picture that can't be shown. The message says why."""


class _Key(NamedTuple):
    folder: str
    name: str
    stamp: bytes
    edge: int


class _Wanted(NamedTuple):
    sheet: Sheet
    number: int
    edge: int
    future: asyncio.Future[bytes]


class Thumbnails:
    """The newest request is answered first, since it is what the user sees after scrolling."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="thumbnails")
        self._made: OrderedDict[_Key, bytes | str] = OrderedDict()  # a text says why there is none
        self._size = 0
        self._waiting: dict[_Key, _Wanted] = {}
        self._running: dict[_Key, _Wanted] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, sheet: Sheet, number: int, edge: int) -> bytes:
        """Returns a picture as WebP whose longer edge is at most `edge`.

        Raises: NotShownError.
        """
        entry = sheet.entries[number]
        stamp = entry.stamp or str(number).encode()
        key = _Key(f"{sheet.pictures} {sheet.stamp}", entry.name, stamp, edge)
        made = self._made.get(key)
        if made is None:
            wanted = self._waiting.pop(key, None) or self._running.get(key)
            if wanted is None:
                if len(self._waiting) >= _MOST_WAITING:
                    raise NotShownError("too many pictures are asked for at once")
                wanted = _Wanted(sheet, number, edge, asyncio.get_running_loop().create_future())
            if key not in self._running:
                self._waiting[key] = wanted  # the last one is the next
            self._start()
            return await asyncio.shield(wanted.future)
        self._made.move_to_end(key)
        if isinstance(made, str):
            raise NotShownError(made)
        return made

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        while self._waiting and len(self._tasks) < _THREADS:
            newest = next(reversed(self._waiting))
            first = self._waiting[newest]
            batch = {newest: first}
            if first.sheet.is_packed:  # one pass through the archive for several of them
                others = (k for k in reversed(self._waiting) if _like(self._waiting[k], first))
                for key, _ in zip(others, range(_AT_ONCE), strict=False):
                    batch[key] = self._waiting[key]
            for key in batch:
                self._running[key] = self._waiting.pop(key)
            task = asyncio.create_task(self._make(batch))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._start()

    async def _make(self, batch: dict[_Key, _Wanted]) -> None:
        loop = asyncio.get_running_loop()
        keys, wanted = list(batch), list(batch.values())
        sheet, edge = wanted[0].sheet, wanted[0].edge

        def work() -> None:
            for place, file in sheet.read([one.number for one in wanted]):
                made = _small(file, edge)
                loop.call_soon_threadsafe(self._done, keys[place], made)

        try:
            await loop.run_in_executor(self._pool, work)
        except Exception as error:  # such as an archive that is being replaced
            reason = f"it can't be read ({error})"
        else:
            reason = "it can't be read"
        await asyncio.sleep(0)
        for key in keys:
            if key in self._running:
                self._done(key, reason)

    def _done(self, key: _Key, made: bytes | str) -> None:
        wanted = self._running.pop(key, None)
        if wanted is None:
            return
        self._made[key] = made
        self._size += len(made)
        while self._size > _MOST_BYTES:
            _, old = self._made.popitem(last=False)
            self._size -= len(old)
        if isinstance(made, bytes):
            wanted.future.set_result(made)
        else:
            wanted.future.set_exception(NotShownError(made))
            wanted.future.exception()  # nobody may wait for it any more


def _like(one: _Wanted, other: _Wanted) -> bool:
    return one.sheet is other.sheet and one.edge == other.edge


def _small(file: Path | Packed | Exception, edge: int) -> bytes | str:
    """Returns a picture as WebP, with its transparent parts; or why it can't be shown."""
    from ...pictures.alpha import resized
    from ...pictures.reading import UnreadableError, read_picture

    if isinstance(file, Exception):
        return str(file)
    try:
        picture = read_picture(file, edge, background=None)
        width, height = picture.size
        scale = min(1.0, edge / max(width, height))
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            picture = resized(picture, size)
        if picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (255, 255):
            picture = picture.convert("RGB")
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=82, method=2)
        return buffer.getvalue()
    except UnreadableError as error:
        return str(error)
    except MemoryError:
        return "there is not enough memory to show it"
    except Exception as error:
        return f"it can't be shown ({type(error).__name__})"
