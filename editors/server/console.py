"""The lines of a run in the editor's console: what each node does, and the files that it saves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ENDS = {"done": "done in", "failed": "failed after", "interrupted": "stopped after"}
_MOST_FILES = 3  # names of saved files in a line


def console_line(event: Mapping[str, Any], folder: Path) -> str | None:
    """Returns the line for an event of the worker; None for an event without one.

    The names of saved files are relative to `folder`.
    """
    kind, name = event["event"], str(event.get("node"))
    if picture := event.get("picture"):
        name += f" ({picture})"
    if kind == "started":
        step = event.get("step")
        return f"{name}: resumed from step {step}" if step else f"{name}: started"
    if kind == "finished":
        return f"{name}: done in {event['seconds']:.1f} s{_saved(event['files'], folder)}"
    if kind == "cached":
        return f"{name}: reused{_saved(event['files'], folder)}"
    if kind == "failed":
        return f"{name}: {event['what']} - {event['advice']}"
    if kind == "warning":
        return f"{name}: warning: {event['message']}"
    return f"{name}: {event['message']}" if kind in ("log", "waiting") else None


def end_line(graph: str, end: Mapping[str, Any], seconds: float) -> str:
    """Returns the last line of a run, from its last message."""
    return f"{graph}: {_ENDS[end['status']]} {seconds:.1f} s"


def _saved(files: list[str], folder: Path) -> str:
    """Returns the end of a line with the names of a node's files; empty without files."""
    names = [os.path.relpath(file, folder) for file in files]
    if not names:
        return ""
    more = f" and {len(names) - _MOST_FILES} more" if len(names) > _MOST_FILES else ""
    return f", saved to {', '.join(names[:_MOST_FILES])}{more}"
