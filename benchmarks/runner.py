"""What a node costs, in microseconds: ours and others', side by side.

    python benchmarks/runner.py [--peers PYTHON] [--count N] [--repeat N]

`--peers` is a Python that has the extra `bench` (this one otherwise); a peer that is not installed
is left out, with a line that says so. Each figure is of a process of its own, the median of
`--repeat`; "cached" is a second process on the first one's cache. Process CPU time, which other
work on the machine disturbs less than the wall's; starting Python and importing are not in it.

diskcache is not in the extra, as nobody maintains it and it loads pickles from its folder
(CVE-2025-69872). To compare with it, install it into a throwaway environment and name its Python.
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

SHAPES: dict[str, Callable[[int], int | None]] = {  # what node i needs
    "chain": lambda i: i - 1 if i else None,
    "tree": lambda i: (i - 1) // 2 if i else None,
    "independent": lambda i: None,
}
SLOW = 1_000  # nodes at which Hamilton is measured; its time grows with the square


def add(a: int, b: int) -> int:
    """The work of a node."""
    return a + b


def ours(shape: str, count: int, folder: Path) -> dict[str, float]:
    """Reading, binding and running; the last with plan, keys, results stored and the manifest."""
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
    """A loop over the sorted graph, without a cache: the floor."""
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
    """joblib.Memory around the function."""
    from joblib import Memory

    return _loop(Memory(folder, verbose=0).cache(add), shape, count)


def diskcache(shape: str, count: int, folder: Path) -> dict[str, float]:
    """Diskcache's memoize around the function."""
    from diskcache import Cache

    return _loop(Cache(str(folder)).memoize()(add), shape, count)


def dask(shape: str, count: int, folder: Path) -> dict[str, float]:
    """Dask's threads, without a cache."""
    from dask.threaded import get

    graph: dict[str, Any] = {}
    for i in range(count):
        needs = SHAPES[shape](i)
        graph[f"n{i}"] = (add, i if needs is None else f"n{needs}", 1)
    start = time.process_time()
    get(graph, [f"n{i}" for i in range(count)])
    return {"run": time.process_time() - start}


def hamilton(shape: str, count: int, folder: Path) -> dict[str, float]:
    """Hamilton with its cache."""
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


def measured(python: str, name: str, shape: str, count: int, folder: str) -> dict[str, float]:
    """One run in a process of its own; microseconds a node, nothing where it can't run."""
    words = [python, __file__, "--one", name, shape, str(count), folder]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [""])[-1]
        print(f"{name} {shape} {count}: left out ({reason[:90]})", file=sys.stderr)
        return {}
    return {k: 1e6 * v / count for k, v in json.loads(done.stdout.splitlines()[-1]).items()}


def main() -> None:
    """Measure all and print a table a shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--count", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        name, shape, count, folder = given.one
        print(json.dumps(RUNNERS[name](shape, int(count), Path(folder))))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores,", end=" ")
    print(f"Python {platform.python_version()}; CPU microseconds a node, median of {given.repeat}")
    for count in given.count:
        for shape in SHAPES:
            print(f"\n{shape} of {count}: cold, cached (ours: reading the graph by itself)")
            for name in RUNNERS:
                if name == "hamilton" and count > SLOW:
                    continue
                _line(name, shape, count, given)


def _line(name: str, shape: str, count: int, given: argparse.Namespace) -> None:
    python = sys.executable if name == "ours" else given.peers
    cold, cached = [], []
    for _ in range(given.repeat):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(measured(python, name, shape, count, folder))
            if not cold[-1]:
                return
            if name not in WITHOUT_CACHE:
                cached.append(measured(python, name, shape, count, folder))
    figures = [statistics.median(m["run"] for m in column) for column in (cold, cached) if column]
    read = statistics.median(m.get("read", 0) for m in cold)
    more = f"   reading {read:.1f}" if read else ""
    print(f"  {name:10}" + "".join(f"{figure:12.1f}" for figure in figures) + more, flush=True)


if __name__ == "__main__":
    main()
