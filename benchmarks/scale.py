"""Compares the model of a shared store with real workers, and prints what a large cluster needs.

    python benchmarks/scale.py [--tasks N] [--seconds S] [--latency S] [--workers 2 4 8]

All is measured in this one command: the requests of a small and a larger object to an S3 server of
moto, which runs on this machine, and the overhead of a task. With these constants, a simulation
(scale_model.py) predicts how long 2, 4 and 8 workers take, and then so many processes do the tasks.
They share an S3 bucket through a proxy that delays each request, and a quarter of the results is in
it before they begin. The tasks wait, as a processor waits for a GPU.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from scale_model import Constants, Load, capacity, makespan

HERE = Path(__file__).parent
SIZE = 200_000  # bytes of a result
REPEATS = 30  # of each request that is measured


def graph_text(numbers: Iterable[int], seconds: float) -> str:
    """Returns a graph of tasks that do not depend on each other."""
    lines = ["artgraph: 1", "nodes:"]
    for n in numbers:
        values = f"number: {n}, seconds: {seconds}, size: {SIZE}"
        lines.append(f"  n{n}: {{node: waiting_task, with: {{{values}}}}}")
    return "\n".join(lines)


def prepared(
    numbers: Iterable[int], seconds: float, folder: Path, url: str | None, jobs: int = 1
) -> Callable[[], None]:
    """Returns a function that runs the tasks in a new cache, and ends when all is uploaded."""
    from artgraph.contract.registry import load_nodes
    from artgraph.models.training.numerics import Numerics
    from artgraph.runner.graph.binding import bind
    from artgraph.runner.graph.document import parse_document
    from artgraph.runner.graph.folders import Folders
    from artgraph.runner.run.execute import Run
    from artgraph.runner.run.job import Job
    from artgraph.runner.run.publish import Publisher
    from artgraph.runner.store.remote import Remote
    from artgraph.runner.store.store import Store

    document = parse_document(graph_text(numbers, seconds), "g.yaml", folder)
    registry = load_nodes([str(HERE / "scale_nodes.py")])
    graph = bind(document, registry, Folders(folder, folder, folder))
    remote = Remote(url, print) if url else None
    if remote is not None:
        remote.read("nothing")  # connects
    store = Store(folder / "cache", print, remote)
    publisher = Publisher(folder / "out", document.yaml())

    def run() -> None:
        running = Run(Job(graph, store, Numerics(), publisher, lambda event: None, jobs=jobs))
        running.execute()
        store.close()
        assert running.exit_code == 0

    return run


def warm_up(folder: Path) -> None:
    """Run a task in a cache of its own, so that all modules are imported."""
    place = folder / "warm"
    place.mkdir(parents=True)
    prepared([1_000_000], 0.0, place, None)()


def processors(count: int, seconds: float = 2.0) -> float:
    """Returns how many processors so many busy processes get, beside what else runs here."""
    code = f"""
import time
end = time.perf_counter() + {seconds}
while time.perf_counter() < end:
    pass
print(time.process_time())
"""
    words = [sys.executable, "-c", code]
    busy = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    return sum(float(process.communicate()[0]) for process in busy) / seconds


def work(words: list[str]) -> None:
    """Be a worker: get ready, wait for a line, run, and print when it is done."""
    first, tasks, step, seconds, folder, url = words
    warm_up(Path(folder))
    numbers = range(int(first), int(tasks), int(step))
    run = prepared(numbers, float(seconds), Path(folder), url)
    print("ready", flush=True)
    sys.stdin.readline()
    run()
    print("done", flush=True)


def start(words: list[str]) -> subprocess.Popen[str]:
    """Start a worker."""
    command = [sys.executable, __file__, "work", *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def measured(workers: int, tasks: int, seconds: float, url: str) -> float:
    """Returns the seconds that so many processes take, after all are ready."""
    with tempfile.TemporaryDirectory(prefix="artgraph-scale-") as folder:
        started = []
        for n in range(workers):
            Path(folder, str(n)).mkdir()
            words = [n, tasks, workers, seconds, f"{folder}/{n}", url]
            started.append(start([str(word) for word in words]))
        return timed(started)


def timed(started: list[subprocess.Popen[str]]) -> float:
    """Returns the seconds from the word to begin until all are done."""
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    begun = time.perf_counter()
    for process in started:
        process.stdin.write("\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
    for process in started:
        lines = process.communicate()[0].splitlines()
        assert process.returncode == 0, lines
        assert lines == ["done"], lines
    return time.perf_counter() - begun


def cost_of(call: Callable[[], Any]) -> tuple[float, float]:
    """Returns the medians of the seconds of a request, and of this process's processor in it."""
    walls, processors = [], []
    for _ in range(REPEATS):
        wall, processor = time.perf_counter(), time.process_time()
        call()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return statistics.median(walls), statistics.median(processors)


def constants(url: str, latency: float, folder: Path) -> Constants:
    """Measure what requests and tasks cost on this machine, without a delay."""
    from artgraph.runner.store.remote_files import RemoteFiles

    files, data = RemoteFiles(url), os.urandom(SIZE)
    row = os.urandom(1_000)
    files.write("small", row)
    files.write("large", data)
    small = [cost_of(lambda: files.read("small")), cost_of(lambda: files.write("small", row))]
    large = [
        cost_of(lambda: files.read("large")),
        cost_of(lambda: files.upload("large", io.BytesIO(data), SIZE)),
    ]
    files.close()
    warm_up(folder)
    begin, overhead = task_costs(folder)
    cores = os.cpu_count() or 1
    slower = cores / processors(2 * cores)  # other work on this machine
    return Constants(
        latency,
        client=slower * statistics.mean(processor for _, processor in small),
        get=small[0][0] - small[0][1],
        put=small[1][0] - small[1][1],
        get_blob=large[0][0] - large[0][1],
        put_blob=large[1][0] - large[1][1],
        blob_client=slower * statistics.mean(processor for _, processor in large),
        overhead=slower * overhead,
        begin=slower * begin,
        cores=cores,
        servers=1,
    )


def task_costs(folder: Path) -> tuple[float, float]:
    """Returns the processor's seconds for a run, and for each of its tasks."""
    used = []
    for count in (1, 101):
        place = folder / f"tasks{count}"
        place.mkdir()
        run = prepared(range(1_000_001, 1_000_001 + count), 0.0, place, None)
        begun = time.process_time()
        run()
        used.append(time.process_time() - begun)
    overhead = (used[1] - used[0]) / 100
    return max(0.0, used[0] - overhead), overhead


def is_found(task: int) -> bool:
    """Returns whether the result of a task is in the store before the workers begin."""
    return task % 4 == 3


def print_capacity() -> None:
    """Print what clusters of several sizes need of the store, by the formulas."""
    print(
        "| GPUs | tasks/s | GET/s | PUT/s | MB/s | results a month | TB a month"
        " | $ requests | $ for each month stored |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for gpus in (1, 8, 64, 256, 1000):
        c = capacity(Load(gpus))
        print(
            f"| {gpus} | {c['tasks']:.2f} | {c['gets']:.1f} | {c['puts']:.1f}"
            f" | {c['network'] / 1e6:.1f} | {c['results'] / 1e6:.2f} million"
            f" | {c['stored'] / 1e12:.2f} | {c['dollars_requests']:.0f}"
            f" | {c['dollars_stored']:.0f} |"
        )


def main() -> None:
    """Measure, predict, run and compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=2.0, help="for which a task waits")
    parser.add_argument("--latency", type=float, default=0.05, help="of each request")
    parser.add_argument("--workers", type=int, nargs="*", default=[2, 4, 8])
    options = parser.parse_args()
    sys.path.insert(0, str(HERE.parent / "tests" / "support"))
    from proxy import Proxy
    from s3_server import environment, port_of, s3_server

    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    with s3_server() as client, tempfile.TemporaryDirectory() as folder:
        proxy = Proxy(port_of(client))
        os.environ.update(environment(proxy.port))
        client.create_bucket(Bucket="scale")
        cost = constants("s3://scale/constants", options.latency, Path(folder))
        print(cost)
        found = [n for n in range(options.tasks) if is_found(n)]
        print("| workers | predicted | measured | predicted / measured |\n|---|---|---|---|")
        for workers in options.workers:
            url, place = f"s3://scale/{workers}", Path(folder, f"found{workers}")
            place.mkdir()
            prepared(found, options.seconds, place, url, jobs=len(found))()
            proxy.delay = options.latency
            real = measured(workers, options.tasks, options.seconds, url)
            proxy.delay = 0.0
            expected = makespan(workers, options.tasks, is_found, options.seconds, cost)
            ratio = f"{expected / real:.2f}"
            print(f"| {workers} | {expected:.2f} s | {real:.2f} s | {ratio} |", flush=True)
    print()
    print_capacity()


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(sys.argv[2:])
    else:
        main()
