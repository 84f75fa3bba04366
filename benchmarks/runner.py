"""Measures the cost of a node in microseconds, beside other runners.

    python benchmarks/runner.py [--peers PYTHON] [--count N] [--repeat N]

`--peers` is a Python with the extra `bench`, by default this one. A peer that is not installed is
reported and left out. Each figure is the median of `--repeat` separate processes. "cached" is a
second process with the cache of the first. Times are CPU times of the process, which depend less on
other work on the machine, without the start of Python and imports.

diskcache is not in the extra, as it is not maintained and loads pickles from its folder
(CVE-2025-69872). To compare with it, install it into a temporary environment and pass its Python.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHAPES: dict[str, Callable[[int], int | None]] = {  # the node that node i depends on
    "chain": lambda i: i - 1 if i else None,
    "tree": lambda i: (i - 1) // 2 if i else None,
    "independent": lambda i: None,
}
SLOW = 1_000  # most nodes for Hamilton, as its time grows quadratically


def add(a: int, b: int) -> int:
    """Add two numbers: the work of a node."""
    return a + b


def ours(shape: str, count: int, folder: Path) -> dict[str, float]:
    """Read, bind and run a graph; running includes plan, keys, stored results and the manifest."""
    from artgraph.cli.options import collect_rarely
    from artgraph.contract.registry import load_nodes
    from artgraph.models.training.numerics import Numerics
    from artgraph.runner.graph.binding import bind
    from artgraph.runner.graph.document import parse_document
    from artgraph.runner.graph.folders import Folders
    from artgraph.runner.run.execute import Run
    from artgraph.runner.run.job import Job
    from artgraph.runner.run.publish import Publisher
    from artgraph.runner.store.store import Store

    lines = ["artgraph: 1", "nodes:"]
    for i in range(count):
        needs = SHAPES[shape](i)
        wire = "" if needs is None else f", from: {{a: n{needs}}}"
        values = f"a: {i}, b: 1" if needs is None else "b: 1"
        lines.append(f"  n{i}: {{node: math{wire}, with: {{{values}}}}}")
    text, registry = "\n".join(lines), load_nodes()
    collect_rarely()  # as the command line does
    start = time.process_time()
    document = parse_document(text, "g.yaml", folder)
    graph = bind(document, registry, Folders(folder, folder, folder))
    bound = time.process_time()
    store = Store(folder / "cache")
    publisher = Publisher(folder / "out", graph.document.yaml())
    run = Run(Job(graph, store, Numerics(), publisher, lambda event: None))
    run.execute()
    store.close()
    assert run.exit_code == 0
    return {"read": bound - start, "run": time.process_time() - bound}


def networkx(shape: str, count: int, folder: Path) -> dict[str, float]:
    """Loop over the sorted graph without a cache: the lower bound."""
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(
        (SHAPES[shape](i), i) for i in range(count) if SHAPES[shape](i) is not None
    )
    start = time.process_time()
    values: dict[int, int] = {}
    for node in nx.topological_sort(graph):
        values[node] = add(sum(values[p] for p in graph.predecessors(node)), 1)
    return {"run": time.process_time() - start}


def _loop(function: Callable[[int, int], int], shape: str, count: int) -> dict[str, float]:
    start = time.process_time()
    values: dict[int | None, int] = {None: 0}
    for i in range(count):
        needs = SHAPES[shape](i)
        values[i] = function(i if needs is None else values[needs], 1)
    return {"run": time.process_time() - start}


def joblib(shape: str, count: int, folder: Path) -> dict[str, float]:
    """Call the function through joblib.Memory."""
    from joblib import Memory

    return _loop(Memory(folder, verbose=0).cache(add), shape, count)


def diskcache(shape: str, count: int, folder: Path) -> dict[str, float]:
    """Call the function through diskcache's `memoize`."""
    from diskcache import Cache

    return _loop(Cache(str(folder)).memoize()(add), shape, count)


def dask(shape: str, count: int, folder: Path) -> dict[str, float]:
    """Run the graph with Dask's threads, without a cache."""
    from dask.threaded import get

    graph: dict[str, Any] = {}
    for i in range(count):
        needs = SHAPES[shape](i)
        graph[f"n{i}"] = (add, i if needs is None else f"n{needs}", 1)
    start = time.process_time()
    get(graph, [f"n{i}" for i in range(count)])
    return {"run": time.process_time() - start}


def hamilton(shape: str, count: int, folder: Path) -> dict[str, float]:
    """Run the graph with Hamilton and its cache."""
    import logging

    from hamilton import ad_hoc_utils, driver

    logging.disable(logging.CRITICAL)
    os.environ["HAMILTON_TELEMETRY_ENABLED"] = "false"
    code = []
    for i in range(count):
        needs = SHAPES[shape](i)
        inside, value = ("", str(i)) if needs is None else (f"n{needs}: int", f"n{needs}")
        code.append(f"def n{i}({inside}) -> int:\n    return {value} + 1\n")
    names: dict[str, Any] = {}
    source = folder / "hamilton_nodes.py"
    source.write_text("\n".join(code))
    exec(compile(source.read_text(), str(source), "exec"), names)
    functions = [names[f"n{i}"] for i in range(count)]
    module = ad_hoc_utils.create_temporary_module(*functions, module_name="nodes_of_benchmark")
    start = time.process_time()
    built = driver.Builder().with_modules(module).with_cache(path=str(folder / "cache")).build()
    built.execute([f"n{i}" for i in range(count)])
    return {"run": time.process_time() - start}


RUNNERS = {f.__name__: f for f in (networkx, ours, diskcache, dask, joblib, hamilton)}
WITHOUT_CACHE = ("networkx", "dask")


def measure(python: str, name: str, shape: str, count: int, folder: str) -> dict[str, float]:
    """Run once in a separate process. Returns microseconds per node, or nothing if it fails."""
    words = [python, __file__, "--one", name, shape, str(count), folder]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [""])[-1]
        print(f"{name} {shape} {count}: left out ({reason[:90]})", file=sys.stderr)
        return {}
    return {k: 1e6 * v / count for k, v in json.loads(done.stdout.splitlines()[-1]).items()}


def main() -> None:
    """Measure all runners and print a table for each shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--count", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, shape, count, folder = options.one
        print(json.dumps(RUNNERS[name](shape, int(count), Path(folder))))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores,", end=" ")
    print(
        f"Python {platform.python_version()}; CPU microseconds per node, median of {options.repeat}"
    )
    for count in options.count:
        for shape in SHAPES:
            print(f"\n{shape} of {count}: cold, cached (ours also: reading the graph)")
            for name in RUNNERS:
                if name == "hamilton" and count > SLOW:
                    continue
                _print_line(name, shape, count, options)


def _print_line(name: str, shape: str, count: int, options: argparse.Namespace) -> None:
    python = sys.executable if name == "ours" else options.peers
    cold, cached = [], []
    for _ in range(options.repeat):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(measure(python, name, shape, count, folder))
            if not cold[-1]:
                return
            if name not in WITHOUT_CACHE:
                cached.append(measure(python, name, shape, count, folder))
    figures = [statistics.median(m["run"] for m in column) for column in (cold, cached) if column]
    read = statistics.median(m.get("read", 0) for m in cold)
    more = f"   reading {read:.1f}" if read else ""
    print(f"  {name:10}" + "".join(f"{figure:12.1f}" for figure in figures) + more, flush=True)


if __name__ == "__main__":
    main()
