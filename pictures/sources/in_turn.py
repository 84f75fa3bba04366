"""A function of many files, computed by several threads, with little in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ..packed import Packed

File = TypeVar("File")
Result = TypeVar("Result")

_AHEAD = 32  # files that wait for a thread or for their turn
_MOST_BYTES = 1 << 26  # bytes of their contents that are in memory; one file may have more


def in_turn(
    function: Callable[[int, File], Result], files: Iterator[tuple[int, File]]
) -> Generator[tuple[int, Result], None, None]:
    """Yields the results in the order of the files, each with the number of its file.

    function: is called with the number and the file.
    """
    waiting: deque[tuple[int, int, Future[Result]]] = deque()
    size = 0
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        try:
            for number, file in files:
                length = len(file.data) if isinstance(file, Packed) else 0
                while waiting and (len(waiting) >= _AHEAD or size + length > _MOST_BYTES):
                    first, bytes_, future = waiting.popleft()
                    size -= bytes_
                    yield first, future.result()
                waiting.append((number, length, pool.submit(function, number, file)))
                size += length
            for first, _, future in waiting:
                yield first, future.result()
        finally:
            pool.shutdown(cancel_futures=True)
