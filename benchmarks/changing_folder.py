"""Loads a folder that another process changes: `python benchmarks/changing_folder.py [COUNT]`.

The other process replaces, removes and puts back pictures, in bursts with pauses. The folder is
loaded COUNT times (100 by default), not counting when nothing has changed since the last time. Then
each stored result is compared with its key: a new folder with exactly the pictures of the result
must have the fingerprint that the key contains. The exit code is 1 if one does not.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from io import BytesIO
from pathlib import Path

from PIL import Image

from artgraph.contract.registry import load_nodes
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.kinds import socket_of
from artgraph.models.training.numerics import Numerics
from artgraph.runner.graph.binding import bind
from artgraph.runner.graph.document import parse_document
from artgraph.runner.graph.folders import Folders
from artgraph.runner.run.events import Event
from artgraph.runner.run.execute import Run
from artgraph.runner.run.job import Job
from artgraph.runner.run.publish import Publisher
from artgraph.runner.store.results import unpacked
from artgraph.runner.store.store import Store

PICTURES, EDGE = 12, 96
GRAPH = f"""
artgraph: 1
nodes:
  art: {{node: load_dataset, with: {{folder: pictures, size: {EDGE}}}}}
"""


def picture(level: int) -> bytes:
    """Returns a PNG file in one grey, which takes a while to decode."""
    buffer = BytesIO()
    Image.new("L", (EDGE * 8, EDGE * 8), level).save(buffer, "PNG")
    return buffer.getvalue()


def change(folder: Path, seed: int) -> None:
    """Replace, remove and put back pictures until the process is ended."""
    draw = random.Random(seed)
    versions = [picture(level) for level in range(0, 250, 10)]
    while True:
        for _ in range(draw.randrange(1, 30)):
            path = folder / f"{draw.randrange(PICTURES)}.png"
            away = folder.parent / "away.png"
            match draw.randrange(4):
                case 0:
                    path.write_bytes(draw.choice(versions))
                case 1:
                    away.write_bytes(draw.choice(versions))
                    away.replace(path)
                case 2 if path.exists():
                    path.replace(away)
                    time.sleep(draw.uniform(0, 0.005))
                    away.replace(path)
                case 3:
                    path.unlink(missing_ok=True)
            time.sleep(draw.choice((0, 0, 0.001, 0.01)))
        time.sleep(draw.uniform(0, 0.8))


def load(place: Path, store: Store) -> str:
    """Run the graph. Returns what happened."""
    events: list[Event] = []
    document = parse_document(GRAPH, "g.yaml", place)
    graph = bind(document, load_nodes(), Folders(place, place, place / "out"))
    job = Job(graph, store, Numerics(), Publisher(place / "out" / "g", ""), events.append)
    end = Run(job).execute()
    lines = [str(getattr(event, "message", "")) for event in events]
    if end.failed:
        return f"failed: {next(line for line in lines if 'node' in line).split(': ')[-1]}"
    again = sum("is read again" in line for line in lines)
    return "reused" if end.cached else f"stored after {again + 1} readings"


def mistakes(place: Path, store: Store) -> tuple[int, int]:
    """Returns the number of stored results, and of those whose pictures do not fit their keys."""
    socket = socket_of(Dataset)
    assert socket is not None
    rows = store.index.rows("SELECT parts, outputs, seconds FROM results")
    wrong = 0
    for number, (parts, outputs, seconds) in enumerate(rows):
        (stored,) = unpacked(outputs, seconds).outputs.values()
        dataset = store.value(socket, stored)
        fresh = place / "fresh" / str(number)
        fresh.mkdir(parents=True)
        for name, image in zip(dataset.names, dataset.images, strict=True):
            (fresh / name).write_bytes(picture(int(image[0, 0, 0])))
        if store.fingerprint(fresh, True) != json.loads(parts)["widget folder"]:
            wrong += 1
            print(f"a result of {len(dataset)} pictures does not fit its key")
    return len(rows), wrong


def main() -> None:
    """Load the folder many times and check all results."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        folder = place / "pictures"
        folder.mkdir()
        for number in range(PICTURES):
            (folder / f"{number}.png").write_bytes(picture(10 * number))
        spawn = multiprocessing.get_context("spawn")
        other = spawn.Process(target=change, args=(folder, 1), daemon=True)
        other.start()
        store = Store(place / "cache")
        outcomes: Counter[str] = Counter()
        pause = random.Random(0)
        try:
            while outcomes.total() - outcomes["reused"] < count:
                if not other.is_alive():
                    sys.exit("the other process has failed")
                outcomes[load(place, store)] += 1
                time.sleep(pause.uniform(0, 0.3))
        finally:
            other.kill()
            other.join()
        store.flush()
        for outcome, times in sorted(outcomes.items()):
            print(f"{times:4} {outcome}")
        results, wrong = mistakes(place, store)
        store.close()
    print(f"{results} results are stored, {wrong} do not fit their keys")
    sys.exit(1 if wrong or not results else 0)


if __name__ == "__main__":
    main()
