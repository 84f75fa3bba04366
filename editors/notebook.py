"""Runs a graph in a notebook (Jupyter, Colab, Kaggle), and shows how it goes.

    from artgraph.editors.notebook import run

    run("finetune", "--set", "knobs.folder=/content/drive/MyDrive/pictures")

The graph runs in a process of its own, as `artgraph run` does. If the notebook's process ends, that
one is interrupted.
"""

from __future__ import annotations

import json
import math
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from ..contract.quantities import duration

_EVERY = 0.5  # shortest time in seconds between two changes of what is shown
_SHOWN = 8  # pictures that are shown at the end, at most
_TYPES = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif"}
_WIDTH, _HEIGHT = 220, 60  # of a curve, in pixels
_STYLE = "font-family: sans-serif; line-height: 1.5; max-width: 60em"


def run(graph: str, *options: str) -> dict[str, Any]:
    """Run a graph, and show its nodes, the pictures of a training, and its curves.

    `options` are those of `artgraph run`, such as "--set", "knobs.seed=2". If the cell is
    interrupted, the training is stored as it is, and the same call resumes it.

    Returns the last event: how many nodes ran, and how many results were reused.
    """
    display: Any = import_module("IPython.display").display

    view = _View()
    shown = display(view.bundle(), raw=True, display_id=True)
    command = [sys.executable, "-m", __name__, "run", graph, *options, "--json"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE}  # which ends with this process
    pipes |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, text=True, encoding="utf-8", **pipes) as process:  # noqa: S603
        assert process.stdout is not None
        last = 0.0
        while True:
            try:
                for line in process.stdout:
                    view.add(line)
                    if time.monotonic() - last >= _EVERY:
                        last = time.monotonic()
                        shown.update(view.bundle(), raw=True)
                break
            except KeyboardInterrupt:  # the process ends after it has stored the training
                process.send_signal(signal.SIGINT)
        process.wait()  # before its standard input is closed
    shown.update(view.bundle(), raw=True)
    if view.end is None:
        raise SystemExit("\n".join(view.others) or f"exit code {process.returncode}")
    return view.end


@dataclass
class _View:
    """What is shown: a line for each node, messages, and the newest picture and curves."""

    nodes: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # what is not an event, such as a mistake
    picture: str = ""
    trained: str = ""  # the node whose picture and curves are shown
    curves: dict[str, list[float]] = field(default_factory=dict)
    saved: list[str] = field(default_factory=list)
    end: dict[str, Any] | None = None

    def add(self, line: str) -> None:
        """Add one line that the process printed."""
        try:
            event = json.loads(line)
            kind = event["event"]
        except (ValueError, TypeError, KeyError):
            self.others.append(line.strip())
            return
        node = event.get("node", "")
        if kind == "started":
            self.nodes[node] = "running"
            if event["step"]:
                self.messages.append(f"{node}: resumed at step {event['step']:,}")
        elif kind == "progress":
            left = f", {duration(event['left'])} left" if event["left"] else ""
            share = f"{100 * event['done'] / event['total']:.0f} %" if event["total"] else ""
            self.nodes[node] = f"{event['words'] or share}{left}"
        elif kind == "preview":
            self.picture = _embedded(event["path"])
            if node != self.trained:
                self.trained, self.curves = node, {}
            for name, values in event["curves"].items():
                self.curves.setdefault(name, []).extend(values)
        elif kind in ("finished", "cached"):
            done = f"done in {duration(event['seconds'])}"
            self.nodes[node] = done if kind == "finished" else "reused"
            self.saved += event["files"]
        elif kind in ("warning", "log", "failed", "waiting"):
            self.messages.append(event["message"])
            if kind == "failed":
                self.nodes[node] = "failed"
        elif kind == "run_finished":
            self.end = event

    def bundle(self) -> dict[str, str]:
        """Returns what is shown, by MIME type."""
        rows = "".join(
            f"<tr><td>{escape(node)}</td><td>{escape(words)}</td></tr>"
            for node, words in self.nodes.items()
        )
        parts = [f"<table>{rows}</table>"]
        parts += [f"<div>{escape(message)}</div>" for message in [*self.messages, *self.others]]
        if self.end is None:
            parts.append(self.picture)
        parts.append(_plots(self.curves))
        if self.end is not None:
            pictures = [_embedded(path) for path in self.saved]
            parts += [picture for picture in pictures if picture][:_SHOWN]
            parts += [f"<div>saved {escape(path)}</div>" for path in self.saved]
            if self.end["status"] == "interrupted":
                parts.append("<div>interrupted - run this cell again to resume</div>")
        return {"text/html": f'<div style="{_STYLE}">{"".join(parts)}</div>'}


def _embedded(path: str) -> str:
    """Returns an element with a picture; an empty text if it is not one, or is gone."""
    kind = _TYPES.get(Path(path).suffix.lower())
    try:
        data = b64encode(Path(path).read_bytes()).decode() if kind else ""
    except OSError:  # a later one has replaced it
        data = ""
    style = "max-width: 100%; max-height: 520px; image-rendering: pixelated"
    return f'<img style="{style}" src="data:image/{kind};base64,{data}">' if data else ""


def _plots(columns: Mapping[str, Sequence[float]]) -> str:
    """Returns a small plot for each column but the first, which contains the steps."""
    names = [*columns]
    plots = []
    for name in names[1:]:
        points = [
            (x, y)
            for x, y in zip(columns[names[0]], columns[name], strict=False)
            if math.isfinite(y)
        ]
        if len(points) < 2:
            continue
        (left, right), (low, high) = ((min(v), max(v)) for v in zip(*points, strict=True))
        line = " ".join(
            f"{(x - left) / ((right - left) or 1) * _WIDTH:.1f},"
            f"{_HEIGHT - (y - low) / ((high - low) or 1) * _HEIGHT:.1f}"
            for x, y in points
        )
        svg = (
            f'<svg width="{_WIDTH}" height="{_HEIGHT}" style="overflow: visible">'
            f'<polyline points="{line}" fill="none" stroke="currentColor"/></svg>'
        )
        label = f"{escape(name)} {points[-1][1]:.4g}"
        plots.append(f'<span style="display: inline-block; margin: 8px">{label}<br>{svg}</span>')
    return "".join(plots)


def _interrupt_at_end(file: int) -> None:
    """Interrupt this process, as Ctrl-C does, when the one ends that could write to `file`."""
    while os.read(file, 4096):
        pass
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    threading.Thread(target=_interrupt_at_end, args=[sys.stdin.fileno()], daemon=True).start()
    runpy.run_module(__spec__.name.partition(".")[0], run_name="__main__")  # the command line
