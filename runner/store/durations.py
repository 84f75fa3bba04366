"""How long nodes took when they ran, for estimates of later runs."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection
from typing import NamedTuple

from .index import Index

_MOST = 20_000  # rows that are stored


class Duration(NamedTuple):
    """How long a node took when it last ran.

    node:         the id of the node.
    place:        its graph, and its name in it.
    widgets:      the digest of its values, without the length of a training.
    device:       what it computed on.
    resumed:      whether its training resumed.
    steps:        the steps of a training that were done; 0 for other nodes.
    step_seconds: the seconds of each step; 0 if unknown.
    seconds:      the seconds of all.
    """

    node: str
    place: str
    widgets: str
    device: str
    resumed: bool
    steps: int
    step_seconds: float
    seconds: float


def durations(index: Index, node: str) -> list[Duration]:
    """Returns the durations of nodes with this id, the latest first."""
    rows = index.rows(
        "SELECT node, place, widgets, device, resumed, steps, step_seconds, seconds FROM durations"
        " WHERE node = ? ORDER BY created DESC",
        (node,),
    )
    return [Duration(*row) for row in rows]


def write_durations(connection: Connection, rows: Sequence[Duration], now: float) -> None:
    """Store durations; each replaces the earlier one of the same node, place, values and device."""
    connection.executemany(
        "INSERT OR REPLACE INTO durations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*row, now) for row in rows],
    )


def prune_durations(connection: Connection) -> None:
    """Delete the oldest durations if there are too many."""
    connection.execute(
        "DELETE FROM durations WHERE created < (SELECT created FROM durations"
        " ORDER BY created DESC LIMIT 1 OFFSET ?)",
        (_MOST,),
    )
