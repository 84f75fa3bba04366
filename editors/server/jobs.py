"""The queue and the history of runs. They are stored in SQLite, and survive a crash."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Status = Literal["pending", "in_progress", "completed", "failed", "cancelled"]
WAITING: tuple[Status, ...] = ("pending", "in_progress")
FINISHED: tuple[Status, ...] = ("completed", "failed", "cancelled")

_TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    number REAL NOT NULL,   -- the queue's order
    status TEXT NOT NULL,
    created REAL NOT NULL,  -- seconds since 1970, like the next two
    started REAL,
    ended REAL,
    request TEXT NOT NULL,  -- JSON: what the editor sent
    task TEXT NOT NULL,     -- JSON: what the worker runs
    outputs TEXT NOT NULL,  -- JSON: what the editor shows of each node
    error TEXT              -- JSON: the message of the failure
);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, number);
"""


@dataclass
class QueuedRun:
    """One run of a graph that is waiting, running or finished."""

    id: str
    number: float
    request: dict[str, Any]
    task: dict[str, Any]
    status: Status = "pending"
    created: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: dict[str, Any] | None = None

    @property
    def client(self) -> str:
        """Client id of the browser tab that started the run."""
        return str(self.request.get("client_id") or "")

    @property
    def graph(self) -> str:
        """The path of the graph's file in the folder of graphs."""
        return str(self.task.get("graph") or "")

    @property
    def names(self) -> dict[str, str]:
        """The editor's id of each node of the graph, by the node's name."""
        names: dict[str, str] = self.task["names"]
        return names


class RunQueue:
    """All jobs. A job that was running when the server ended waits again after the next start."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(_TABLE)
        self._db.execute("UPDATE jobs SET status = 'pending' WHERE status = 'in_progress'")

    def close(self) -> None:
        self._db.close()

    def save(self, job: QueuedRun) -> None:
        """Write the current state of a job."""
        data = (job.request, job.task, job.outputs, job.error)
        written = (json.dumps(d) if d is not None else None for d in data)
        self._db.execute(
            "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (job.id, job.number, job.status, job.created, job.started, job.ended, *written),
        )

    def get(self, job_id: str) -> QueuedRun | None:
        return next(iter(self._select("WHERE id = ?", job_id)), None)

    def next(self) -> QueuedRun | None:
        """Returns the job to run next, or None if none waits."""
        found = self._select("WHERE status = 'pending' ORDER BY number LIMIT 1")
        return next(iter(found), None)

    def select(
        self, statuses: tuple[str, ...] = (), limit: int | None = None, offset: int = 0
    ) -> list[QueuedRun]:
        """Returns the jobs with one of these statuses, or all jobs; the newest come first."""
        where, values = _where(statuses)
        order = f"{where} ORDER BY created DESC, number DESC LIMIT ? OFFSET ?"
        return self._select(order, *values, -1 if limit is None else limit, offset)

    def last(self, graph: str, limit: int) -> list[QueuedRun]:
        """Returns the last runs of a graph that have started, the newest first."""
        where = "WHERE status != 'pending' AND json_extract(task, '$.graph') = ?"
        return self._select(f"{where} ORDER BY created DESC LIMIT ?", graph, limit)

    def rename(self, graph: str, new: str) -> None:
        """Change the path of a graph in its finished runs."""
        where = "WHERE json_extract(task, '$.graph') = ?"
        values = (new, graph)
        self._db.execute(f"UPDATE jobs SET task = json_set(task, '$.graph', ?) {where}", values)  # noqa: S608 - no outside text

    def count(self, statuses: tuple[str, ...] = ()) -> int:
        where, values = _where(statuses)
        row = self._db.execute(f"SELECT count(*) FROM jobs {where}", values).fetchone()  # noqa: S608 - no outside text
        return int(row[0])

    def number(self, front: bool) -> float:
        """Returns a number for a job after all others, or before all others if `front` is true."""
        low, high = self._db.execute("SELECT min(number), max(number) FROM jobs").fetchone()
        return (low or 0.0) - 1 if front else (high or 0.0) + 1

    def delete(self, job_ids: list[str]) -> None:
        self._db.executemany("DELETE FROM jobs WHERE id = ?", [(i,) for i in job_ids])

    def _select(self, rest: str, *values: object) -> list[QueuedRun]:
        rows = self._db.execute(f"SELECT * FROM jobs {rest}", values)  # noqa: S608 - no outside text
        return [
            QueuedRun(
                id=row[0],
                number=row[1],
                status=row[2],
                created=row[3],
                started=row[4],
                ended=row[5],
                request=json.loads(row[6]),
                task=json.loads(row[7]),
                outputs=json.loads(row[8]),
                error=json.loads(row[9]) if row[9] else None,
            )
            for row in rows
        ]


def _where(statuses: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    marks = ", ".join("?" * len(statuses))
    return (f"WHERE status IN ({marks})", statuses) if statuses else ("", ())


def workflow_of(extra: Any) -> dict[str, Any] | None:
    """Returns the workflow that was sent with a prompt, or None."""
    info = extra.get("extra_pnginfo")
    workflow = info.get("workflow") if isinstance(info, dict) else None
    return workflow if isinstance(workflow, dict) else None
