"""The open browser tabs, and the messages to them. Each tab has a client id.

An id may have several connections, because a reloaded tab uses its id again and two windows may
share one. A message to an id without a connection is discarded. When a tab connects again, the
engine sends it the state of its run.
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

_PREVIEW = 4  # type of the editor's binary messages with a preview
_TEXT = 3  # type of the editor's binary messages with a text


class Hub:
    """Sends messages to tabs. Each tab has a queue, so a slow one does not delay the others."""

    def __init__(self) -> None:
        self._tabs: dict[str, set[Tab]] = {}
        self._log_readers: set[str] = set()  # tabs that show the log
        self._graphs: dict[str, str] = {}  # the graph that each tab shows

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
            self._graphs.pop(client, None)

    def shows(self, client: str, graph: str) -> None:
        """Record which graph a tab shows."""
        if client in self._tabs:
            self._graphs[client] = graph

    def showing(self, graph: str) -> set[str]:
        """Returns the tabs that show a graph."""
        return {client for client, shown in self._graphs.items() if shown == graph}

    def send(self, client: str, kind: str, data: dict[str, Any]) -> None:
        """Send a message to one tab."""
        for tab in self._tabs.get(client, ()):
            tab.send(kind, data)

    def preview(self, client: str, about: dict[str, Any], picture: bytes) -> None:
        """Send a preview, which the editor shows on its node."""
        head = json.dumps(about).encode()
        message = struct.pack(">II", _PREVIEW, len(head)) + head + picture
        for tab in self._tabs.get(client, ()):
            tab.put(message)

    def text(self, client: str, prompt: str, node: str, text: str) -> None:
        """Send a line of text, which the editor shows on a node."""
        parts = [struct.pack(">I", _TEXT)]
        for part in (prompt.encode(), node.encode()):
            parts += [struct.pack(">I", len(part)), part]
        for tab in self._tabs.get(client, ()):
            tab.put(b"".join([*parts, text.encode()]))

    def follow_logs(self, client: str, enabled: bool) -> None:
        """Start or stop sending new lines of the log to an open tab."""
        if enabled and client in self._tabs:
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
        """Close all connections."""
        for tab in [tab for tabs in self._tabs.values() for tab in tabs]:
            tab.stop()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(tab.socket.close(code=1001), 1)


def log_message(lines: Iterable[tuple[float, str]]) -> dict[str, Any]:
    """Returns lines of the log in the editor's form."""
    entries = [{"t": time, "m": text} for time, text in lines]
    return {"entries": entries, "size": {"cols": 120, "rows": 40}}


class Tab:
    """One connection to a browser tab."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self._queue: asyncio.Queue[str | bytes] = asyncio.Queue(10_000)
        self._task = asyncio.create_task(self._send_queued())

    def send(self, kind: str, data: dict[str, Any]) -> None:
        self.put(json.dumps({"type": kind, "data": data}))

    def put(self, message: str | bytes) -> None:
        """Queue a message. If the queue is full, the connection gets no further messages."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self.stop()

    def stop(self) -> None:
        self._task.cancel()

    async def _send_queued(self) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            while True:
                message = await self._queue.get()
                if isinstance(message, bytes):
                    await self.socket.send_bytes(message)
                else:
                    await self.socket.send_str(message)
