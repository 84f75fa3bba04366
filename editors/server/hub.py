"""The open browser tabs, and what they are sent. A tab is known by its client id.

A reloaded tab comes back under its id, and two windows may share one: each id has any number of
connections. What nobody hears is dropped; a tab that comes back is told where its run stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import web

_PREVIEW = 4  # the editor's numbers of its binary messages
_TEXT = 3


class Hub:
    """Sends to tabs without waiting for slow ones: each has a queue of limited length."""

    def __init__(self) -> None:
        self._tabs: dict[str, set[Tab]] = {}
        self._log_readers: set[str] = set()  # tabs that show the log

    def join(self, client: str, socket: web.WebSocketResponse) -> Tab:
        tab = Tab(socket)
        self._tabs.setdefault(client, set()).add(tab)
        return tab

    def leave(self, client: str, tab: Tab) -> None:
        tabs = self._tabs.get(client, set())
        tabs.discard(tab)
        tab.stop()
        if not tabs:
            self._tabs.pop(client, None)
            self._log_readers.discard(client)

    def send(self, client: str, kind: str, data: dict[str, Any]) -> None:
        """A message to one tab."""
        for tab in self._tabs.get(client, ()):
            tab.send(kind, data)

    def preview(self, client: str, about: dict[str, Any], picture: bytes) -> None:
        """A picture of the work so far, on its node."""
        head = json.dumps(about).encode()
        message = struct.pack(">II", _PREVIEW, len(head)) + head + picture
        for tab in self._tabs.get(client, ()):
            tab.put(message)

    def text(self, client: str, prompt: str, node: str, text: str) -> None:
        """A line of text on a node."""
        parts = [struct.pack(">I", _TEXT)]
        for part in (prompt.encode(), node.encode()):
            parts += [struct.pack(">I", len(part)), part]
        for tab in self._tabs.get(client, ()):
            tab.put(b"".join([*parts, text.encode()]))

    def follow_logs(self, client: str, follows: bool) -> None:
        """Whether a tab that is open is sent new lines of the log."""
        if follows and client in self._tabs:
            self._log_readers.add(client)
        else:
            self._log_readers.discard(client)

    def log(self, time: float, text: str) -> None:
        for client in self._log_readers:
            self.send(client, "logs", log_message([(time, text)]))

    def broadcast(self, kind: str, data: dict[str, Any]) -> None:
        for tabs in self._tabs.values():
            for tab in tabs:
                tab.send(kind, data)

    async def close(self) -> None:
        """Say good-bye to all."""
        for tab in [tab for tabs in self._tabs.values() for tab in tabs]:
            tab.stop()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(tab.socket.close(code=1001), 1)


def log_message(lines: Iterable[tuple[float, str]]) -> dict[str, Any]:
    """Lines of the log as the editor reads them."""
    entries = [{"t": time, "m": text} for time, text in lines]
    return {"entries": entries, "size": {"cols": 120, "rows": 40}}


class Tab:
    """One connection."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self._queue: asyncio.Queue[str | bytes] = asyncio.Queue(10_000)
        self._task = asyncio.create_task(self._pump())

    def send(self, kind: str, data: dict[str, Any]) -> None:
        self.put(json.dumps({"type": kind, "data": data}))

    def put(self, message: str | bytes) -> None:
        """Queue a message; a tab that has stopped listening is let go."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self.stop()

    def stop(self) -> None:
        self._task.cancel()

    async def _pump(self) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            while True:
                message = await self._queue.get()
                if isinstance(message, bytes):
                    await self.socket.send_bytes(message)
                else:
                    await self.socket.send_str(message)
