"""The process that finds out what is wrong with the pictures of a review sheet.

Duplicates are found by the node `drop_duplicates`, in a graph, so that they are in the cache the
next time. Blur, borders and empty pictures are measured as by `filter_pictures`, with the limits
that it has by default.

Input:  one line of JSON. The process ends when its input ends.
Output: lines of JSON: {"done": share}, and at last {"flags": ..., "notes": ...} or {"error": text}.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from ...contract.errors import ArtgraphError
from ...contract.registry import load_nodes
from ...contract.spec import NodeSpec
from ...contract.values.alpha import in_front_of_grey
from ...contract.values.dataset import Dataset
from ...pictures.sources.source import sizes_in
from ...runner.graph.binding import bind
from ...runner.graph.bound import Graph
from ...runner.graph.document import document_of
from ...runner.graph.folders import Folders
from ...runner.run.device_option import all_numerics_for
from ...runner.run.events import Event, Failed, Progressed, Warned
from ...runner.run.execute import Run
from ...runner.run.job import Job
from ...runner.run.publish import Publisher
from ...runner.store.store import Store
from ...runner.store.temporary import write_whole

_MOST_COMPARED = 20_000  # pictures among which near duplicates are searched, as in the report
_MOST_EDGE = 128  # pixels; larger pictures are not measured better
_MOST_BYTES = 1 << 29  # of all pictures in memory
_SETTLED = 2.1  # seconds after which a file counts as completely written
_SHARE = 0.7  # of the work is loading and comparing, the rest measuring

Flags = dict[
    str, list[list[str]]
]  # by the names of the pictures: [word, text, name of the picture that stays]


def find_flags(task: dict[str, Any], out: IO[str]) -> dict[str, Any]:
    """Returns the flags of the pictures, and notes: what the node says that loads them."""
    registry, pictures = load_nodes(), Path(task["pictures"])
    count, size = task["count"], task["size"]
    edge = min(size, _MOST_EDGE, max(16, math.isqrt(_MOST_BYTES // (3 * count))))
    empty = _empty_review(Path(task["state"]))
    load = {"folder": pictures.name, **task["widgets"], "size": edge, "review": empty.name}
    nodes: dict[str, Any] = {"pictures": {"node": "load_dataset", "with": load}}
    compares = count <= _MOST_COMPARED
    if compares:
        nodes["twins"] = {"node": "drop_duplicates", "from": {"dataset": "pictures"}}
    parent = pictures.parent
    document = document_of({"artgraph": 1, "nodes": nodes}, "review.yaml", parent)
    notes: list[str] = []

    def listener(event: Event) -> None:
        if isinstance(event, Warned | Failed) and event.node == "pictures":
            notes.append(event.message)
        elif isinstance(event, Progressed) and event.total:
            part = 0.5 if event.node == "twins" else 0.0
            _send(out, {"done": _SHARE * (part + 0.5 * event.done / event.total)})

    with TemporaryDirectory(prefix="artgraph-", ignore_cleanup_errors=True) as temporary:
        graph = bind(document, registry, Folders(parent, empty.parent, parent))
        store = Store(Path(task["cache"]), lambda message: print(message, file=sys.stderr))
        try:
            publisher = Publisher(Path(temporary) / "review", "")
            job = Job(graph, store, all_numerics_for("cpu")[0], publisher, listener, None)
            run = Run(job)
            run.execute(list(nodes))
            dataset = _output(run, store, graph, "pictures", "dataset")
            twins = _output(run, store, graph, "twins", "table") if compares else None
        finally:
            store.close()
    if dataset is None:
        return {"flags": {}, "notes": notes}
    flags: Flags = {}
    if twins is not None:
        _add_duplicates(flags, twins.columns)
    elif compares:
        notes.append("duplicates could not be searched")
    else:
        notes.append(f"duplicates are not searched among more than {_MOST_COMPARED:,} pictures")
    _add_measures(flags, dataset, registry["filter_pictures"], out)
    _add_small(flags, pictures, size)
    return {"flags": flags, "notes": list(dict.fromkeys(notes))}


def _empty_review(folder: Path) -> Path:
    """Returns a review without choices, so that what was dropped or cropped is looked at too."""
    path = folder / "nothing decided.yaml"
    if not path.exists():
        write_whole(path, b"review: 1\n")
    age = time.time() - path.stat().st_ctime
    if 0 <= age < _SETTLED:  # a file that was just written would be read, and all pictures, twice
        time.sleep(_SETTLED - age)
    return path


def _output(run: Run, store: Store, graph: Graph, node: str, name: str) -> Any:
    """Returns an output of a node; None if the node failed."""
    if node not in run.results:
        return None
    socket = graph.nodes[node].spec.outputs[name].sockets[0]
    return store.value(socket, run.results[node].outputs[name])


def _add_duplicates(flags: Flags, columns: dict[str, list[Any]]) -> None:
    for name, of, how, similarity in zip(*columns.values(), strict=True):
        text = f"repeats {of}: {how}" + ("" if how == "identical" else f", {similarity:.2f}")
        flags.setdefault(name, []).append(["duplicate", text, of])


def _add_measures(flags: Flags, dataset: Dataset, spec: NodeSpec, out: IO[str]) -> None:
    """Add what `filter_pictures` would leave out."""
    from ...pictures import measures

    kinds = (
        ("blur", "blurred", measures.blur, "blur is {:g}, above {:g}"),
        ("border", "border", measures.border, "{:.1%} of it is a border, above {:.0%}"),
        ("empty", "empty", measures.empty, "{:.1%} of it has one colour, above {:.0%}"),
    )
    pixels = in_front_of_grey(dataset.images)
    for row, name in enumerate(dataset.names):
        for widget, word, measure, text in kinds:
            value = round(measure(pixels[row].numpy()), 3)
            limit = spec.widgets[widget].default
            if value > limit:
                flags.setdefault(name, []).append([word, text.format(value, limit)])
        if row % 50 == 0:
            _send(out, {"done": _SHARE + (1 - _SHARE) * row / len(dataset)})


def _add_small(flags: Flags, pictures: Path, size: int) -> None:
    """Add pictures that would be enlarged."""
    for name, (width, height) in sizes_in(pictures).items():
        if min(width, height) < size:
            text = f"{width} x {height} px, smaller than {size} px"
            flags.setdefault(name, []).append(["small", text])


def _send(out: IO[str], data: dict[str, Any]) -> None:
    out.write(json.dumps(data) + "\n")
    out.flush()


def _end_with(lines: IO[str]) -> None:
    lines.read()
    os._exit(0)


def main() -> None:
    """Read a task from standard input. Standard output is for lines of JSON only."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if hasattr(os, "nice"):
        os.nice(10)
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with, args=[sys.stdin], daemon=True).start()
    try:
        _send(out, find_flags(task, out))
    except ArtgraphError as error:
        _send(out, {"error": str(error)})
    except Exception as error:
        _send(out, {"error": f"{type(error).__name__}: {error}"})
    os._exit(0)


if __name__ == "__main__":
    main()
