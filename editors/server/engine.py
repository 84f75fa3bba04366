"""The loop over the queue, and the process that runs graphs for it.

The process is started when a browser asks for the page, so that torch is loaded before the
first run, and is used for all runs. If it dies, its run has failed, and the next run starts a new
process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from ..formats.samples import SAMPLES
from .console import console_line, end_line
from .follow import Follower
from .hub import Hub
from .jobs import FINISHED, WAITING, QueuedRun, RunQueue
from .settings import Settings

_LINE = 64 * 2**20  # largest size of one event in bytes
_LIVE_SECONDS = 30.0  # longest time that a tab waits for a live picture
_PATIENCE = 10.0  # seconds after which the process is killed if an interrupted node does not stop


class Engine:
    """Runs the jobs of the queue one after the other."""

    def __init__(self, settings: Settings, jobs: RunQueue, hub: Hub) -> None:
        self._settings, self.jobs, self._hub = settings, jobs, hub
        self._wake = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()
        self._warming: asyncio.Task[Any] | None = None
        self._events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._live: dict[int, asyncio.Future[dict[str, Any]]] = {}  # live tasks by number
        self._number = 0  # of the last live task
        self._follower: Follower | None = None
        self._current: QueuedRun | None = None
        self._interrupted = False
        self._loop_task: asyncio.Task[None] | None = None
        self.logs: deque[tuple[float, str]] = deque(maxlen=1_000)  # lines of the console
        self._printed: deque[str] = deque(maxlen=100)  # lines that the process has printed

    def start(self) -> None:
        self._loop_task = asyncio.create_task(self._loop())

    async def stop(self) -> None:
        """End the process. The queue runs its job again after the next start of the server."""
        patience = 5.0 if self._current is not None else 1.0
        if self._loop_task is not None:
            self._loop_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop_task
        if self._warming is not None:
            await asyncio.wait([self._warming])
        await self._end_process(patience)

    # Methods for the routes

    def submit(self, job: QueuedRun) -> None:
        self.jobs.save(job)
        self._wake.set()
        self.send_status()

    def warm_up(self) -> None:
        """Start the process before the first run, since it needs seconds to load torch."""
        if self._process is None and self._warming is None:
            self._warming = asyncio.create_task(self._ensure_process())

    def cancel(self, job_id: str | None) -> bool:
        """Interrupt a job, or the running job if `job_id` is None.

        Returns False if the job neither waits nor runs.
        """
        current = self._current
        if current is not None and job_id in (None, current.id):
            if self._interrupted:
                self._kill(current)  # the second request stops it at once
            self._interrupted = True
            self._write({"cancel": current.id})
            asyncio.get_running_loop().call_later(_PATIENCE, self._kill, current)
            return True
        job = self.jobs.get(job_id) if job_id is not None else None
        if job is None or job.status != "pending":
            return False
        job.status, job.ended = "cancelled", time.time()
        self.jobs.save(job)
        self.send_status()
        return True

    def forget(self, job_ids: list[str]) -> None:
        """Delete finished jobs from the history, with the copies of their outputs."""
        finished = [j for i in job_ids if (j := self.jobs.get(i)) and j.status not in WAITING]
        self.jobs.delete([job.id for job in finished])
        for job in finished:
            shutil.rmtree(self.folder(job.id), ignore_errors=True)

    def folder(self, job_id: str) -> Path:
        """Returns the folder that stores a job's outputs for the history."""
        return self._settings.state / "jobs" / job_id

    def status(self) -> dict[str, Any]:
        return {"status": {"exec_info": {"queue_remaining": self.jobs.count(WAITING)}}}

    def send_status(self) -> None:
        self._hub.broadcast("status", self.status())

    async def live(self, task: dict[str, Any]) -> dict[str, Any] | None:
        """Draw the pictures of a graph that is being changed, while nothing runs.

        Returns the fields of `Drawn`, or None if that is not possible now.
        """
        if self._current is not None or self.jobs.count(WAITING):
            return None
        await self._ensure_process()
        self._number += 1
        answer = asyncio.get_running_loop().create_future()
        self._live[self._number] = answer
        try:
            self._write({"live": task | {"number": self._number}})
            return await asyncio.wait_for(answer, _LIVE_SECONDS)
        except TimeoutError:
            return None
        finally:
            self._live.pop(self._number, None)

    def replay(self, client: str) -> None:
        """Send the state of the current run to its tab, which has connected again."""
        if self._follower is not None:
            self._follower.replay(client)

    async def free(self) -> None:
        """End the process if nothing runs in it, which releases its memory."""
        if self._current is None:
            await self._end_process(1.0)

    # The loop

    async def _loop(self) -> None:
        while True:
            job = self.jobs.next()
            if job is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._run(job)

    async def _run(self, job: QueuedRun) -> None:
        began = time.time()
        job.status, job.started, job.outputs = "in_progress", began, {}
        self.jobs.save(job)
        self._current, self._interrupted = job, False
        self._follower = follower = Follower(job, self._hub, self.folder(job.id))
        follower.start()
        self.send_status()
        try:
            end = await self._follow(job, follower)
        except Exception as error:  # one broken run must not stop the queue
            self.log(f"an error of the server stopped a run: {type(error).__name__}: {error}\n")
            await self._end_process(1.0)
            end = {"status": "failed", "what": f"{type(error).__name__}: {error}", "advice": ""}
        finally:
            self._current = self._follower = None
        self._finish(job, follower, end)
        self._show_in_console(end_line(job.graph, end, time.time() - began))

    async def _follow(self, job: QueuedRun, follower: Follower) -> dict[str, Any]:
        """Send the job to the process and pass on its events. Returns how the job ended."""
        process = await self._ensure_process()
        folders = {"shown": self.folder(job.id), "samples": self._settings.cache / SAMPLES}
        shown = {name: str(folder) for name, folder in folders.items()}
        self._write({"run": job.task | shown | {"id": job.id}})
        while (event := await self._events.get()) is not None:
            if event["job"] != job.id:
                continue
            if event["event"] == "end":
                return dict(event)
            if line := console_line(event, self._settings.folder):
                self._show_in_console(line)
            follower.event(event)
        code = await process.wait()
        self._process = None
        if self._interrupted:
            return {"status": "interrupted"}
        what, advice = _exit_problem(code, self._last_line())
        return {"status": "failed", "what": what, "advice": advice}

    def _last_line(self) -> str:
        """Returns the last line that the process printed."""
        return next((line for text in reversed(self._printed) if (line := text.strip())), "")

    def _finish(self, job: QueuedRun, follower: Follower, end: dict[str, Any]) -> None:
        job.ended = time.time()
        statuses = {"done": "completed", "failed": "failed", "interrupted": "cancelled"}
        job.status = statuses[end["status"]]  # type: ignore[assignment]
        if job.status == "completed":
            follower.finish("execution_success")
        elif job.status == "cancelled":
            follower.stopped()
            where = {"reached": follower.reached, **follower.last_node()}
            follower.finish("execution_interrupted", **where, executed=[])
        else:
            job.error = follower.error(end.get("what", "the run failed"), end.get("advice", ""))
            follower.finish("execution_error", **job.error)
        self.jobs.save(job)
        old = self.jobs.select(FINISHED, offset=self._settings.history)
        self.forget([job.id for job in old])
        self.send_status()

    # The process

    async def _ensure_process(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                self._process = await self._start_process()
            return self._process

    async def _start_process(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{__package__}.worker"),
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            limit=_LINE,
            start_new_session=True,
        )
        self._log_task = asyncio.create_task(self._read_log(process))
        self._events = asyncio.Queue()
        self._event_task = asyncio.create_task(self._read_events(process, self._events))
        settings = self._settings
        folders = {"input": settings.input, "out": settings.out, "cache": settings.cache}
        first = {"folders": {name: str(path) for name, path in folders.items()}}
        names = ("device", "executor", "ray_address", "remote", "packs")
        _write_to(process, first | {name: getattr(settings, name) for name in names})
        return process

    def _write(self, message: dict[str, Any]) -> None:
        if self._process is not None:
            _write_to(self._process, message)

    async def _read_events(
        self,
        process: asyncio.subprocess.Process,
        events: asyncio.Queue[dict[str, Any] | None],
    ) -> None:
        """Pass on what the process writes, and None at its end."""
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                event = json.loads(line)
                answer = self._live.get(event.get("live", 0))
                if "live" not in event:
                    events.put_nowait(event)
                elif answer is not None and not answer.done():
                    answer.set_result(event["drawn"])
        finally:
            events.put_nowait(None)
            for answer in self._live.values():
                if not answer.done():
                    answer.set_result({})

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        """Log the lines that nodes print."""
        assert process.stderr is not None
        with contextlib.suppress(ValueError):
            async for line in process.stderr:
                self.log(line.decode(errors="replace"))

    def log(self, text: str) -> None:
        """Write to the terminal and to the console of the editor."""
        sys.stderr.write(text)
        self._printed.append(text)
        self._show_in_console(text)

    def _show_in_console(self, text: str) -> None:
        self.logs.append((time.time(), text.rstrip() + "\n"))
        self._hub.log(*self.logs[-1])

    def _kill(self, job: QueuedRun) -> None:
        if self._current is job and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _end_process(self, patience: float) -> None:
        """Close the input of the process, so that it stops with a checkpoint; then kill it."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), patience)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _write_to(process: asyncio.subprocess.Process, message: dict[str, Any]) -> None:
    """Send a message to a process, as a line of JSON."""
    if process.stdin is not None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            process.stdin.write(json.dumps(message).encode() + b"\n")


def _exit_problem(code: int, last_line: str) -> tuple[str, str]:
    """Returns what ended the process, and what to do."""
    if code < 0:
        how = f"was killed (signal {-code})"
        advice = "if the memory was full, lower size, count or batch"
    else:
        how = f"ended unexpectedly (exit code {code})"
        advice = (
            f"it printed: {last_line[:300]}" if last_line else "see the terminal for its output"
        )
    return f"the process that ran the graph {how}", f"{advice}; finished results are stored"
