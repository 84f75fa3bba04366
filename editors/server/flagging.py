"""The process that finds flags for a review sheet, seen from the server: one runs at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import Any

from .review_sheet import Sheet
from .settings import Settings

_LINE = 64 * 2**20  # largest size of one line of the process in bytes


class Flagging:
    """The flags of one sheet: `state` is what the page gets."""

    def __init__(
        self, sheet: Sheet, widgets: dict[str, Any], size: int, settings: Settings
    ) -> None:
        self._input = {
            "pictures": str(sheet.pictures),
            "count": len(sheet.entries),
            "widgets": widgets,
            "size": size,
            "cache": str(settings.cache),
            "state": str(settings.state),
        }
        self.state: dict[str, Any] = {"done": 0.0}
        self._task: asyncio.Task[None] | None = None

    def start(self, turns: asyncio.Semaphore) -> None:
        """Start the process when it is its turn."""
        self._task = asyncio.create_task(self._run(turns))

    async def stop(self) -> None:
        """End the process, if it runs."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, turns: asyncio.Semaphore) -> None:
        async with turns:
            process = None
            try:
                process = await self._started()
                await self._follow(process)
            except (OSError, ValueError) as error:
                self.state = {"error": f"the search failed: {error}"}
            finally:
                if process is not None and process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()

    async def _started(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{__package__}.flags"),
            stdin=pipe,
            stdout=pipe,
            limit=_LINE,
            start_new_session=True,
        )

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(self._input).encode() + b"\n")
        async for line in process.stdout:
            self.state = json.loads(line)
        if "done" in self.state:
            code = await process.wait()
            self.state = {"error": f"the search ended unexpectedly (exit code {code})"}
