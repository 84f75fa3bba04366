"""The queue's loop, and the process that runs graphs for it.

The process starts when it is first needed, loads torch once and stays. When it dies, the run that
was in it has failed, and the next run gets a new process.
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

from .follow import Follower
from .hub import Hub
from .jobs import FINISHED, WAITING, QueuedRun, RunQueue
from .settings import Settings

_LINE = 64 * 2**20  # bytes of one event at most
_PATIENCE = 10.0  # seconds until an interrupted node that doesn't listen is killed


class Engine:
    """Runs the jobs of the queue, one after the other."""

    def __init__(self, settings: Settings, jobs: RunQueue, hub: Hub) -> None:
        self._settings, self.jobs, self._hub = settings, jobs, hub
        self._wake = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._follower: Follower | None = None
        self._current: QueuedRun | None = None
        self._interrupted = False
        self._loop_task: asyncio.Task[None] | None = None
        self.logs: deque[tuple[float, str]] = deque(maxlen=1_000)

    def start(self) -> None:
        self._loop_task = asyncio.create_task(self._loop())

    async def stop(self) -> None:
        """End the process; the run that was in it waits for the next start."""
        if self._loop_task is not None:
            self._loop_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop_task
        await self._end_process(5.0)

    # What routes ask for

    def submit(self, job: QueuedRun) -> None:
        self.jobs.save(job)
        self._wake.set()
        self.tell_status()

    def cancel(self, job_id: str | None) -> bool:
        """Interrupt this job, or with None whatever runs; False where it does not wait or run."""
        current = self._current
        if current is not None and job_id in (None, current.id):
            if self._interrupted:
                self._kill(current)  # asked for twice: at once
            self._interrupted = True
            self._tell_process({"cancel": current.id})
            asyncio.get_running_loop().call_later(_PATIENCE, self._kill, current)
            return True
        job = self.jobs.get(job_id) if job_id is not None else None
        if job is None or job.status != "pending":
            return False
        job.status, job.ended = "cancelled", time.time()
        self.jobs.save(job)
        self.tell_status()
        return True

    def forget(self, job_ids: list[str]) -> None:
        """Drop finished jobs, with what was kept of their outputs."""
        finished = [j for i in job_ids if (j := self.jobs.get(i)) and j.status not in WAITING]
        self.jobs.delete([job.id for job in finished])
        for job in finished:
            shutil.rmtree(self.folder(job.id), ignore_errors=True)

    def folder(self, job_id: str) -> Path:
        """Where a job's outputs are kept for the history."""
        return self._settings.state / "jobs" / job_id

    def status(self) -> dict[str, Any]:
        return {"status": {"exec_info": {"queue_remaining": self.jobs.count(WAITING)}}}

    def tell_status(self) -> None:
        self._hub.broadcast("status", self.status())

    def replay(self, client: str) -> None:
        """Tell a tab that came back where its run stands."""
        if self._follower is not None:
            self._follower.replay(client)

    async def free(self) -> None:
        """Give memory back: the process ends if nothing runs in it."""
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
        job.status, job.started, job.outputs = "in_progress", time.time(), {}
        self.jobs.save(job)
        self._current, self._interrupted = job, False
        self._follower = follower = Follower(job, self._hub, self.folder(job.id))
        follower.start()
        self.tell_status()
        try:
            end = await self._follow(job, follower)
        except Exception as error:  # whatever is wrong with one run, the queue goes on
            self.log(f"a run could not be followed: {type(error).__name__}: {error}\n")
            await self._end_process(1.0)
            end = {"status": "failed", "what": f"{type(error).__name__}: {error}", "advice": ""}
        finally:
            self._current = self._follower = None
        self._finish(job, follower, end)

    async def _follow(self, job: QueuedRun, follower: Follower) -> dict[str, Any]:
        """Hand the job to the process and pass on its events; how it ended."""
        process = await self._ensure_process()
        shown = {"shown": str(self.folder(job.id))}
        self._tell_process({"run": job.task | shown | {"id": job.id}})
        assert process.stdout is not None
        while line := await process.stdout.readline():
            event = json.loads(line)
            if event["job"] != job.id:
                continue
            if event["event"] == "end":
                return dict(event)
            follower.event(event)
        code = await process.wait()
        self._process = None
        if self._interrupted:
            return {"status": "interrupted"}
        what, advice = _death(code, self._last_words())
        return {"status": "failed", "what": what, "advice": advice}

    def _last_words(self) -> str:
        """The last line that the process printed."""
        return next((line for _, text in reversed(self.logs) if (line := text.strip())), "")

    def _finish(self, job: QueuedRun, follower: Follower, end: dict[str, Any]) -> None:
        job.ended = time.time()
        statuses = {"done": "completed", "failed": "failed", "interrupted": "cancelled"}
        job.status = statuses[end["status"]]  # type: ignore[assignment]
        if job.status == "completed":
            follower.finish("execution_success")
        elif job.status == "cancelled":
            follower.finish("execution_interrupted", **follower.place(), executed=[])
        else:
            job.error = follower.error(end.get("what", "the run failed"), end.get("advice", ""))
            follower.finish("execution_error", **job.error)
        self.jobs.save(job)
        old = self.jobs.found(FINISHED, offset=self._settings.history)
        self.forget([job.id for job in old])
        self.tell_status()

    # The process

    async def _ensure_process(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{__package__}.worker"),
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            limit=_LINE,
            start_new_session=True,
        )
        self._log_task = asyncio.create_task(self._read_log(self._process))
        settings = self._settings
        folders = {"input": settings.input, "out": settings.out, "cache": settings.cache}
        self._tell_process(
            {
                "folders": {name: str(path) for name, path in folders.items()},
                "device": settings.device,
                "packs": settings.packs,
            }
        )
        return self._process

    def _tell_process(self, message: dict[str, Any]) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        """Pass on what nodes print."""
        assert process.stderr is not None
        with contextlib.suppress(ValueError):
            async for line in process.stderr:
                self.log(line.decode(errors="replace"))

    def log(self, text: str) -> None:
        """Write to the terminal and the editor's log panel."""
        sys.stderr.write(text)
        self.logs.append((time.time(), text))
        self._hub.log(*self.logs[-1])

    def _kill(self, job: QueuedRun) -> None:
        if self._current is job and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _end_process(self, patience: float) -> None:
        """Close the process's input, at which it stops with a checkpoint; then be firm."""
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


def _death(code: int, last_words: str) -> tuple[str, str]:
    """Returns in plain words what ended the process, and what to do."""
    if code < 0:
        how = f"was killed (signal {-code})"
        advice = "it may have run out of memory: make size, count or batch smaller"
    else:
        how = f"ended (code {code})"
        advice = f"it said: {last_words[:300]}" if last_words else "look into the terminal"
    return f"the process that ran the graph {how}", f"{advice}; what was finished is kept"
