"""Memory and speed of trainings on pictures in shards: `python benchmarks/streaming.py`.

It writes N and 4 N generated pictures of 64 px (from a seed) as shards into a temporary folder, and
trains `train_classifier` and `train_gan` on each from the stream, each in a process of its own. The
peak of the memory must be flat: with 4 N pictures at most MORE larger than with N, although the
pictures themselves need many times that. Then it reads pictures from the shards and from a folder.

Exit code 1 if the memory is not flat.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from PIL import Image

SIZE, CLASSES, EACH = 64, 8, 1000
BUFFER = 32  # MiB of pictures in memory
MORE = 64  # MiB by which the peak may differ; that of the same training differs by up to 50
READ = 4000  # pictures of the comparison with a folder


def jpegs(count: int, seed: int = 0) -> Iterator[tuple[int, str, bytes]]:
    """Yields numbers, classes and pictures: soft patches with a bar, whose place is the class."""
    draw = np.random.default_rng(seed)
    for number in range(count):
        kind = number % CLASSES
        patches = Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8))
        levels = np.array(patches.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
        levels[kind * SIZE // CLASSES :][: SIZE // CLASSES] //= 4
        content = io.BytesIO()
        Image.fromarray(levels).save(content, "JPEG")
        yield number, f"bar {kind}", content.getvalue()


def write_shards(folder: Path, count: int) -> None:
    """Write `count` pictures as shards of EACH pictures, if they are not there."""
    if folder.exists():
        return
    folder.mkdir(parents=True)
    archive = None
    for number, kind, data in jpegs(count):
        if number % EACH == 0:
            if archive is not None:
                archive.close()
            archive = tarfile.open(folder / f"s-{number // EACH:04}.tar", "w")  # noqa: SIM115
        assert archive is not None
        for name, content in (("jpg", data), ("cls", kind.encode())):
            info = tarfile.TarInfo(f"{number:07}.{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    if archive is not None:
        archive.close()


def train(node: str, folder: str, cache: str, steps: int) -> None:
    """Run a graph in this process, and print its peak of memory in MiB."""
    import resource

    graph = {
        "artgraph": 1,
        "title": "Streaming",
        "nodes": {
            "pictures": {
                "node": "stream_dataset",
                "with": {"shards": folder, "size": SIZE, "buffer": BUFFER},
            },
            "trained": {
                "node": node,
                "from": {"dataset": "pictures"},
                "with": {"steps": steps},
            },
        },
    }
    file = Path(cache) / "graph.json.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(graph))
    from artgraph.cli.main import main

    sys.argv = ["artgraph", "run", str(file), "--cache", cache, "--quiet", "--device", "cpu"]
    sys.argv += ["--set", f"pictures.shards={folder}", "--out", f"{cache}/out"]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak": peak}))


def peak_of(node: str, folder: Path, cache: Path, steps: int) -> float:
    """Returns the peak of the memory of a training in a new process, in MiB."""
    words = [sys.executable, __file__, "--train", node, str(folder), str(cache), str(steps)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return float(json.loads(done.stdout.splitlines()[-1])["peak"])


def speeds(folder: Path, files: Path) -> tuple[float, float, float]:
    """Returns pictures per second: from shards in order, shuffled, and from a folder."""
    import torch

    from artgraph.contract.context import Context
    from artgraph.contract.shards import Shards
    from artgraph.models.training.windows import sampler_of
    from artgraph.nodes.load_dataset import load_dataset
    from artgraph.nodes.stream_dataset import stream_dataset

    files.mkdir()
    count = min(READ, len(list(folder.iterdir())) * EACH)
    for number, kind, data in jpegs(count):
        (files / kind).mkdir(exist_ok=True)
        (files / kind / f"{number:07}.jpg").write_bytes(data)
    pattern = f"s-{{0000..{count // EACH - 1:04}}}.tar"
    dataset = stream_dataset(
        shards=Shards(str(folder), pattern), size=SIZE, buffer=BUFFER, ctx=Context()
    )
    start = time.perf_counter()
    for rows in torch.arange(len(dataset)).split(1000):
        dataset.images[rows]
    ordered = len(dataset) / (time.perf_counter() - start)
    sampler = sampler_of(dataset.images, torch.arange(len(dataset)), 64, 0)
    start = time.perf_counter()
    for step in range(count // 64):
        dataset.images[sampler.indices(step)]
    shuffled = count // 64 * 64 / (time.perf_counter() - start)
    start = time.perf_counter()
    load_dataset(folder=files, size=SIZE, ctx=Context())
    return ordered, shuffled, count / (time.perf_counter() - start)


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=20_000, help="N")
    parser.add_argument("--steps", type=int, default=40, help="steps of each training")
    parser.add_argument("--nodes", default="train_classifier,train_gan")
    parser.add_argument("--no-speed", action="store_true", help="only measure the memory")
    parser.add_argument("--folder", help="for the shards; they stay there for the next time")
    parser.add_argument("--train", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        node, folder, cache, steps = options.train
        train(node, folder, cache, int(steps))
        return 0
    is_flat = True
    kept = options.folder and nullcontext(options.folder)
    with tempfile.TemporaryDirectory() as temporary, kept or nullcontext(temporary) as shards:
        place, stored = Path(temporary), Path(shards)
        counts = (options.pictures, 4 * options.pictures)
        for count in counts:
            write_shards(stored / str(count), count)
        levels = SIZE * SIZE * 3 / 2**20
        print(f"pictures of {SIZE} px; buffer {BUFFER} MiB; {options.steps} steps")
        for node in options.nodes.split(","):
            peaks = [
                peak_of(node, stored / str(count), place / f"cache-{node}-{count}", options.steps)
                for count in counts
            ]
            for count, peak in zip(counts, peaks, strict=True):
                print(
                    f"{node}: {count:,} pictures ({count * levels:,.0f} MiB decoded): peak"
                    f" {peak:,.0f} MiB"
                )
            flat = peaks[1] - peaks[0] <= MORE
            is_flat &= flat
            print(f"{node}: {peaks[1] - peaks[0]:+.0f} MiB: {'pass' if flat else 'FAIL'}")
        if not options.no_speed:
            ordered, shuffled, loaded = speeds(stored / str(counts[0]), place / "files")
            print(f"pictures per second: {ordered:,.0f} from shards in order, {shuffled:,.0f}")
            print(f"  shuffled as in a training, {loaded:,.0f} by load_dataset from a folder")
    return 0 if is_flat else 1


if __name__ == "__main__":
    sys.exit(main())
