"""Uploads that wait and are done in the background, so that no node waits for a network."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

_MOST_BYTES = 64 << 20  # memory of the uploads that wait; further ones are dropped
_PAUSE_SECONDS = 1.0  # between looks at whether an upload may be tried again

Upload = Callable[[], None]


class Uploads:
    """Uploads in the order in which they were added, by a few threads.

    attempt: does an upload; returns False if it is to be tried again later.
    """

    def __init__(self, attempt: Callable[[Upload], bool], threads: int) -> None:
        self._attempt, self._most_threads = attempt, threads
        self._changed = threading.Condition()
        self._queue: deque[tuple[Upload, int]] = deque()
        self._undue: dict[str, Upload] = {}
        self._threads = self._busy = self._bytes = self._dropped = 0
        self._is_closing = False

    def add(self, upload: Upload, size: int = 500, replaces: str = "", due: bool = True) -> None:
        """Do an upload soon, or only in `close` if it is not due.

        It is done instead of the one with the same `replaces` that was not due. If too many wait,
        it is dropped.

        size: the bytes of memory that it needs while it waits.
        """
        with self._changed:
            self._undue.pop(replaces, None)
            if not due:
                self._undue[replaces] = upload
            elif self._bytes + size > _MOST_BYTES:
                self._dropped += 1
            else:
                self._append(upload, size)

    def close(self, seconds: float, slow: Callable[[int], None], slow_seconds: float) -> int:
        """Wait until all uploads are done, also those that were not due; at most `seconds`.

        slow: called with the number of uploads that wait if this takes `slow_seconds`.

        Returns the number of uploads that were not done.
        """
        end = time.monotonic() + seconds
        with self._changed:
            for upload in self._undue.values():
                self._append(upload, 0)
            self._undue.clear()
            self._is_closing = True
            self._changed.notify_all()
            is_done = self._changed.wait_for(self._is_done, min(slow_seconds, seconds))
            if not is_done and slow_seconds < seconds:
                slow(len(self._queue) + self._busy)
                self._changed.wait_for(self._is_done, max(0.0, end - time.monotonic()))
            left = self._dropped + len(self._queue) + self._busy
            self._queue.clear()
            return left

    def _is_done(self) -> bool:
        return not self._queue and not self._busy

    def _append(self, upload: Upload, size: int) -> None:
        self._queue.append((upload, size))
        self._bytes += size
        if self._threads < min(self._most_threads, len(self._queue) + self._busy):
            self._threads += 1
            threading.Thread(target=self._work, daemon=True).start()
        self._changed.notify_all()

    def _work(self) -> None:
        with self._changed:
            while self._changed.wait_for(lambda: self._queue or self._is_closing) and self._queue:
                upload, size = self._queue.popleft()
                self._busy += 1
                self._changed.release()
                is_done = False
                try:
                    is_done = self._attempt(upload)
                finally:
                    self._changed.acquire()
                    self._busy -= 1
                    self._bytes -= size
                    self._changed.notify_all()
                if is_done:
                    continue
                if self._is_closing:
                    self._dropped += 1
                else:
                    self._queue.appendleft((upload, size))
                    self._bytes += size
                    self._changed.wait_for(lambda: self._is_closing, _PAUSE_SECONDS)
