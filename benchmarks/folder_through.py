"""Sends a folder of photographs through style transfer, kills the run half-way, and goes on.

    python benchmarks/folder_through.py [--count 1000] [--edge 64] [--steps 2] [--seed 1]
        [--folder PATH]

The photographs are cut from those of scikit-image at random places, or read from a folder. It
prints the time for each picture and the peak of memory (Linux only), and verifies that every
picture came out under its name and that nothing that was finished ran again, but for what quick
nodes did in the last half second before the kill (the store writes it a quarter of a second later).
The exit code is 1 if not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from quality_real import PHOTOGRAPHS, photograph

from artgraph.pictures.walk import walk

GRAPH = """
artgraph: 1
nodes:
  brush: {{node: procedural_art, with: {{count: 1, size: {edge}, styles: hokusai}}}}
  style: {{node: dataset_images, from: {{dataset: brush}}}}
  photo: {{node: load_image, with: {{path: photographs}}}}
  small: {{node: resize_image, from: {{image: photo}}, with: {{width: {edge}}}}}
  painted:
    node: style_transfer
    from: {{content: small, style: style.image}}
    with: {{steps: {steps}}}
  saved: {{node: save_image, from: {{image: painted}}, with: {{name: "{{source}}"}}}}
"""
UNWRITTEN = 0.5  # seconds before a kill whose quick results may be lost
EARLY = 100  # the number of the picture at which memory is measured first


@dataclass
class Run:
    """What one run reported.

    ran:    when the nodes ended that ran, by the node and its picture.
    done:   the pictures that were saved.
    peaks:  the peak of memory in MiB, by the number of the picture.
    killed: when the run was killed.
    nodes:  the time that the nodes took, in seconds.
    """

    ran: dict[tuple[str, str], float] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    peaks: dict[int, float] = field(default_factory=dict)
    killed: float = 0.0
    seconds: float = 0.0
    nodes: float = 0.0

    def line(self, title: str) -> str:
        pictures = max(self.peaks, default=1)
        peaks = ", ".join(f"{peak:.0f} MiB at {n:,}" for n, peak in self.peaks.items())
        return (
            f"{title}: {self.seconds:.1f} s, of which nodes {self.nodes:.1f} s;"
            f" {1000 * self.seconds / pictures:.1f} ms for each of {pictures:,} pictures, of which"
            f" {1000 * (self.seconds - self.nodes) / pictures:.1f} ms are not the nodes';"
            f" peak of memory: {peaks}"
        )


def cut(folder: Path, count: int, edge: int, seed: int) -> None:
    """Cut `count` photographs of several shapes, in ten sub-folders."""
    random = np.random.default_rng(seed)
    sources = [Image.open(photograph(name)).convert("RGB") for name in PHOTOGRAPHS]
    for number in range(count):
        source = sources[number % len(sources)]
        width, height = (int(random.integers(edge, 2 * edge)) for _ in range(2))
        x = int(random.integers(0, source.width - width + 1))
        y = int(random.integers(0, source.height - height + 1))
        path = folder / f"{number % 10}" / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        source.crop((x, y, x + width, y + height)).save(path)


def follow(place: Path, kill_at: int = 0) -> Run:
    """Run the graph; if `kill_at` is not 0, kill the run after so many saved pictures."""
    run, start = Run(), time.perf_counter()
    command = [sys.executable, "-m", "artgraph", "run", "through.yaml", "--json", "--device", "cpu"]
    environment = os.environ | {"ARTGRAPH_CACHE": str(place / "cache")}
    with subprocess.Popen(
        command, cwd=place, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        for event in _events(process):
            kind, picture = event["event"], event.get("picture")
            if kind == "picture" and event["number"] == 1:
                start = time.perf_counter()
            if kind == "picture" and event["number"] in (EARLY, event["total"]):
                run.peaks[event["number"]] = _peak(process.pid)
            if kind == "finished" and picture:
                run.ran[event["node"], picture] = time.perf_counter()
                run.nodes += event["seconds"]
            if kind in ("finished", "cached") and event["node"] == "saved":
                run.done.add(picture)
                if len(run.done) == kill_at:
                    run.peaks[kill_at] = _peak(process.pid)
                    process.kill()
                    run.killed = time.perf_counter()
        run.seconds = time.perf_counter() - start
    return run


def _events(process: subprocess.Popen[str]) -> Iterator[dict[str, object]]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("}\n"):
            yield json.loads(line)


def _peak(process: int) -> float:
    """Returns the peak of a process's memory in MiB; NaN if the system does not say it."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def main() -> int:
    """Run the benchmark. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("count", 1000), ("edge", 64), ("steps", 2), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        photographs = place / "photographs"
        if options.folder is None:
            cut(photographs, options.count, options.edge, options.seed)
        else:
            shutil.copytree(options.folder, photographs)
        (place / "through.yaml").write_text(GRAPH.format(edge=options.edge, steps=options.steps))
        names = [entry.name for entry in walk(photographs) if entry.kind == "picture"]
        first = follow(place, kill_at=len(names) // 2)
        print(first.line("killed half-way"))
        second = follow(place)
        print(second.line("gone on"))
        third = follow(place)
        print(third.line("once more"))
        out = place / "out" / "through"
        files = (p.relative_to(out).as_posix() for p in out.rglob("*.png"))
        saved = {name for name in files if not name.startswith("previews/")}
        missing = {f"{name.rpartition('.')[0]}.png" for name in names} ^ saved
        written = (i for i, at in first.ran.items() if at < first.killed - UNWRITTEN)
        again = second.ran.keys() & {item for item in written if item[1] in first.done}
    print(f"{len(names):,} pictures, {len(saved):,} saved; {len(missing)} names differ")
    print(f"{len(again)} finished results ran again, and {len(third.ran)} in the third run")
    return int(bool(missing or again or third.ran))


if __name__ == "__main__":
    sys.exit(main())
