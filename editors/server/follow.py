"""Translates the events of a run to the editor's messages.

It also remembers the state of the run, and sends it to a tab that connects again.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from ...contract.quantities import counted
from ...pictures.class_doubts import first_of
from ...pictures.suffixes import is_displayable, is_film
from ...runner.run.pace import progress_line
from ..formats.samples import link
from .hub import Hub
from .jobs import QueuedRun

FileInfo = dict[str, str]
FAILED, REUSED = "artgraph_failed", "artgraph_reused"  # keys of what a node shows
_MAX_SAVED = 100  # saved pictures of a folder that a node shows at the end


class Follower:
    """Reports one job to its tab, and to all tabs that show its graph.

    Copies of its files for the history are stored in `folder`.
    """

    def __init__(self, job: QueuedRun, hub: Hub, folder: Path) -> None:
        self.job, self._hub, self._folder = job, hub, folder
        self._cached: list[str] = []
        self._sent_cached = False
        self._states: dict[str, dict[str, Any]] = {}  # progress of each running node
        self._previews: dict[str, bytes] = {}  # last preview of each running node
        self._curves: dict[str, dict[str, list[float]]] = {}  # of each running training
        self._warnings: dict[str, list[str]] = {}  # warnings about each node's results
        self._said: dict[str, str] = {}  # what each node has said last
        self._node = self._type = ""  # the node that was started last
        self._lines: dict[str, str] = {}  # how far each running node is, as a text
        self._outlook: dict[str, Any] = {}  # how far the run is (see `_send_outlook`)
        self.failures: list[dict[str, Any]] = []
        self._saved: dict[str, list[FileInfo]] = {}  # pictures of a folder that each node saved
        self._count: dict[str, int] = {}  # how many files each node saved for all pictures
        self._summary = ""  # how many pictures of a folder failed

    def send(self, kind: str, **data: Any) -> None:
        """Send a message about this run."""
        for client in self._clients():
            self._hub.send(client, kind, {"prompt_id": self.job.id, **data})

    def _clients(self) -> set[str]:
        """Returns the tabs that follow this run."""
        return {self.job.client} | self._hub.showing(self.job.graph)

    def _text(self, node: str, text: str) -> None:
        for client in self._clients():
            self._hub.text(client, self.job.id, node, text)

    def start(self) -> None:
        self.send("execution_start", timestamp=now(), graph=self.job.graph)

    def event(self, event: dict[str, Any]) -> None:
        """Translate one event of the worker, and send it."""
        node = self.job.names.get(event["node"], event["node"])
        if event["event"] == "planned":
            self._cached.append(node)
            return
        self._send_cached()
        handle = getattr(self, f"_on_{event['event']}", None)
        if handle is not None:
            handle(node, event)

    def finish(self, kind: str, **data: Any) -> None:
        """Send the last messages of the run."""
        self._send_cached()
        self.send(kind, timestamp=now(), **data)
        self.send("executing", node=None, display_node=None)

    def last_node(self) -> dict[str, str]:
        """Returns the node that was started last."""
        return {"node_id": self._node, "node_type": self._type}

    def error(self, what: str, advice: str) -> dict[str, Any]:
        """Returns the first failure of a node, or else that of the run, in the editor's form."""
        first = next((f for f in self.failures if f["because"] is None), None)
        if first is None:  # no node has failed, but the process that ran it has ended
            first = {**self.last_node(), "what": what, "advice": advice, "because": None}
            self.send("artgraph.failed", **first)
        lines = filter(None, (self._summary, first["what"], first["advice"]))
        return {
            "node_id": first["node_id"],
            "node_type": first["node_type"],
            "executed": [n for n, out in self.job.outputs.items() if FAILED not in out],
            "exception_message": "\n".join(line[:1].upper() + line[1:] for line in lines),
            "exception_type": "artgraph",
            "traceback": [],
            "current_inputs": {},
            "current_outputs": {},
        }

    def _send_cached(self) -> None:
        if not self._sent_cached:
            self._sent_cached = True
            self.send("execution_cached", nodes=self._cached, timestamp=now())

    def replay(self, client: str) -> None:
        """Send the state of the run to the tabs that follow it, if this one does."""
        if client not in self._clients():
            return
        self.start()
        self.send("execution_cached", nodes=self._cached, timestamp=now())
        for node, output in self.job.outputs.items():
            self._send_executed(node, output)
        for node in self._states:
            self.send("executing", node=node, display_node=node)
        self.send("progress_state", nodes=self._states)
        for node, picture in self._previews.items():
            self._send_preview(node, picture)
        for node, line in self._lines.items():
            self._text(node, line)
        if self._outlook:
            self.send("artgraph.progress", **self._outlook)
        for node, columns in self._curves.items():
            self.send("artgraph.curves", node=node, columns=columns, first=0)

    @property
    def reached(self) -> str:
        """How far the trainings are that run now, such as "step 80 of 200"; empty if none does."""
        return ", ".join(line.split(" · ")[0] for line in self._lines.values() if "step" in line)

    def stopped(self) -> None:
        """Show on the nodes that ran how far they were."""
        for node, line in self._lines.items():
            text = f"stopped at {line.split(' · ')[0]}"
            self._hub.text(self.job.client, self.job.id, node, text)

    def _send_outlook(self, node: str, event: dict[str, Any]) -> None:
        """Send how far the run is: a line about its node, its share, and how long the rest takes.

        The node has the number of the editor, and its name in the graph.
        """
        self._outlook = {
            "node": node,
            "name": event["node"],
            "line": self._lines.get(node, ""),
            "share": event.get("share", 0.0),
            "rest": event.get("rest", ""),
        }
        self.send("artgraph.progress", **self._outlook)

    def _on_picture(self, node: str, event: dict[str, Any]) -> None:
        """Show on the node that loads the pictures of a folder which one goes through the graph."""
        number, total = event["number"], event["total"]
        self.send("progress", value=number - 1, max=total, node=node)
        text = f"picture {number:,} of {total:,}: {event['picture']}"
        self._text(node, text)

    def _on_pictures_finished(self, node: str, event: dict[str, Any]) -> None:
        """Show the pictures that were saved for a folder, up to a number, on the saving nodes."""
        text = f"{event['done']:,} of {event['total']:,} pictures done"
        if event["failed"]:
            self._summary = f"{len(event['failed']):,} of {event['total']:,} pictures failed"
            text += f", {len(event['failed']):,} failed: {first_of(event['failed'])}"
        self._text(node, text)
        for saver, count in self._count.items():
            output = self.job.outputs[saver]
            output["images"] = self._saved.get(saver, [])
            output["text"] = [f"saved {counted(count, 'file')}"]
            self._send_executed(saver, output)

    def _on_started(self, node: str, event: dict[str, Any]) -> None:
        self._node, self._type = node, event["type"]
        self.send("executing", node=node, display_node=node)
        self._send_progress(node, event.get("step") or 0, 1, "running")
        if event.get("step"):
            self._text(node, f"resumed from step {event['step']}")
        self._send_outlook(node, event)

    def _on_progress(self, node: str, event: dict[str, Any]) -> None:
        self.send("progress", value=event["done"], max=event["total"], node=node)
        self._send_progress(node, event["done"], event["total"], "running")
        line = progress_line(event["words"], event["left"])
        is_slow = event["left"] is not None or not event["words"].endswith("%")
        if is_slow and line != self._lines.get(node):
            self._lines[node] = line
            self._text(node, line)
        self._send_outlook(node, event)

    def _on_preview(self, node: str, event: dict[str, Any]) -> None:
        try:
            picture = Path(event["path"]).read_bytes()
        except OSError:
            return  # the file is being replaced, and the next preview follows
        self._previews[node] = picture
        self._send_preview(node, picture)
        self._add_curves(node, event.get("curves", {}))

    def _add_curves(self, node: str, new: dict[str, list[float]]) -> None:
        """Add rows to the curves of a training, and send them."""
        if not new:
            return
        columns = self._curves.setdefault(node, {})
        first = len(columns.get("step", ()))
        for name, cells in new.items():
            columns.setdefault(name, []).extend(cells)
        self.send("artgraph.curves", node=node, columns=new, first=first)

    def _on_finished(self, node: str, event: dict[str, Any]) -> None:
        self._previews.pop(node, None)
        self._curves.pop(node, None)
        state = self._states.get(node, {"max": 1})
        self._send_progress(node, state["max"], state["max"], "finished")
        self._states.pop(node)
        self._lines.pop(node, None)
        self._send_outlook(node, event)
        self._show(node, event, {})

    def _on_log(self, node: str, event: dict[str, Any]) -> None:
        self._said[node] = event["message"]
        self._text(node, event["message"])

    def _on_waiting(self, node: str, event: dict[str, Any]) -> None:
        self._text(node, event["message"])

    def _on_warning(self, node: str, event: dict[str, Any]) -> None:
        self._warnings.setdefault(node, []).append(event["message"])
        self._text(node, event["message"])

    def _on_failed(self, node: str, event: dict[str, Any]) -> None:
        for current in (self._states, self._previews, self._curves, self._lines):
            current.pop(node, None)
        because = event["because"]
        failure = {
            "node_id": node,
            "node_type": event["type"],
            "what": event["what"],
            "advice": event["advice"],
            "because": self.job.names.get(because, because),
        }
        self.failures.append(failure)
        self.job.outputs[node] = {FAILED: {key: failure[key] for key in ("what", "advice")}}
        self.send("artgraph.failed", **failure)
        if cells := self._cells(event):
            self.job.outputs[node]["artgraph_cells"] = cells
            self.send("artgraph.cells", node=node, cells=cells)

    def _on_cached(self, node: str, event: dict[str, Any]) -> None:
        if node not in self._cached and not event.get("picture"):
            self._cached.append(node)
            self.send("execution_cached", nodes=[node], timestamp=now())
        self._show(node, event, {REUSED: True})

    def _show(self, node: str, event: dict[str, Any], output: dict[str, Any]) -> None:
        """Store what the editor shows of a node's results, and send it with `output`."""
        shown = event.get("shown", {})
        files = [Path(path) for path in event["files"]]
        names = dict(zip(files, event["names"], strict=True))
        shown_files = [path for path in files if is_displayable(path) or is_film(path)]
        pictures = [self._store(path, names[path]) for path in shown_files]
        for name in (*event.get("samples", ()), *shown.get("pictures", ())):
            pictures.append(self._file_info(name, "temp"))
        if pictures:
            output["images"] = pictures
        if any(map(is_film, shown_files)):
            output["animated"] = [True]  # the editor shows a video
        elif len(pictures) == 1 and files and _is_animated(files[0]):
            output["artgraph_animated"] = True  # with `animated`, the editor would show a video
        others = [path for path in files if path not in shown_files]
        for path in others:
            self._store(path, names[path])
        if node in self._warnings:
            output["artgraph_warnings"] = self._warnings[node]
        said = self._said.pop(node, "")
        texts = [text for text in shown.get("text", ()) if text not in said]
        texts = [*([said] if said else []), *texts, *(f"saved {names[path]}" for path in others)]
        if texts:
            output["text"] = texts
        if event.get("picture") and files:
            self._count[node] = self._count.get(node, 0) + len(files)
            self._saved.setdefault(node, []).extend(pictures)
            del self._saved[node][_MAX_SAVED:]
        if cells := self._cells(event):
            output["artgraph_cells"] = cells
        for kind in ("tables", "curves"):
            if kind in shown:
                output[f"artgraph_{kind}"] = shown[kind]
        self.job.outputs[node] = output
        self._send_executed(node, output)

    def _cells(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns the pictures to choose from on a node."""
        return [
            {**part, **self._file_info(part["filename"], "temp")} for part in event.get("cells", ())
        ]

    def _store(self, path: Path, name: str) -> FileInfo:
        """Link a published file into the job's folder, since the next run moves it aside."""
        with contextlib.suppress(OSError):
            link(self._folder / name, path)
        return self._file_info(name, "output")

    def _file_info(self, name: str, kind: str) -> FileInfo:
        folder = PurePosixPath(self.job.id, PurePath(name).as_posix())
        return {"filename": folder.name, "subfolder": str(folder.parent), "type": kind}

    def _send_executed(self, node: str, output: dict[str, Any]) -> None:
        self.send("executed", node=node, display_node=node, output=output)

    def _send_progress(self, node: str, value: float, maximum: float, state: str) -> None:
        self._states[node] = self._about(node) | {"value": value, "max": maximum, "state": state}
        self.send("progress_state", nodes=self._states)

    def _send_preview(self, node: str, picture: bytes) -> None:
        about = self._about(node) | {"image_type": "image/png"}
        for client in self._clients():
            self._hub.preview(client, about, picture)

    def _about(self, node: str) -> dict[str, Any]:
        return {
            "node_id": node,
            "display_node_id": node,
            "parent_node_id": None,
            "real_node_id": node,
            "prompt_id": self.job.id,
        }


def _is_animated(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return bool(getattr(image, "is_animated", False))
    except (OSError, ValueError, SyntaxError):
        return False


def now() -> int:
    """Returns the current time in milliseconds since 1970."""
    return int(time.time() * 1000)
