"""Measures what a node costs on a Ray cluster, beside plain Ray tasks and runs on this machine.

    export RAY_AUTH_MODE=token
    ray start --head --num-cpus 2
    python benchmarks/ray_overhead.py [--address ADDRESS] [--repeat N]

The sweep has 200 combinations of two small nodes, which the function of a plain task of Ray calls
alike. All ways are measured in turn, after a first round that starts the workers and loads what
each way needs. Each run has a cache of its own. Small nodes that follow each other run in one
thread on this machine. On the cluster, the nodes of 64 combinations travel as one task, while this
process writes the files of those before; plain tasks use all cores. The exit code is 1 if a bar is
missed by the medians.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from artgraph.contract.registry import load_nodes
from artgraph.models.training.numerics import Numerics
from artgraph.runner.cluster.ray_cluster import RayCluster
from artgraph.runner.cluster.sweep import Ahead
from artgraph.runner.graph.binding import bind
from artgraph.runner.graph.bound import Graph
from artgraph.runner.graph.document import parse_document
from artgraph.runner.graph.folders import Folders
from artgraph.runner.run.execute import Run
from artgraph.runner.run.job import Job, default_jobs
from artgraph.runner.run.publish import Publisher
from artgraph.runner.store.store import Store

COMBINATIONS = 200
SWEPT = """
artgraph: 1
nodes:
  first: {{node: math, with: {{a: {value}, b: 2, op: multiply}}}}
  second: {{node: math, from: {{a: first}}, with: {{b: 1}}}}
"""


def graph_of(text: str, folder: Path) -> Graph:
    """Returns the graph with this text."""
    document = parse_document(text, "g.yaml", folder)
    return bind(document, load_nodes(), Folders(folder, folder, folder))


def chain(length: int) -> str:
    """Returns the text of a chain of nodes."""
    lines = ["artgraph: 1", "nodes:", "  n0: {node: math, with: {a: 1, b: 1}}"]
    lines += [
        f"  n{i}: {{node: math, from: {{a: n{i - 1}}}, with: {{b: 1}}}}" for i in range(1, length)
    ]
    return "\n".join(lines)


def ignore(event: object) -> None:
    """Do nothing with an event."""


class Place:
    """A new folder with a cache of its own, for one measurement."""

    def __init__(self, cluster: RayCluster | None) -> None:
        self.folder, self._cluster = Path(tempfile.mkdtemp()), cluster
        self.store = Store(self.folder / "cache")

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def job(self, graph: Graph, name: str) -> Job:
        """Returns a job that saves in the folder `name`."""
        jobs = 64 if self._cluster else default_jobs(1)
        publisher = Publisher(self.folder / "out" / name, "")
        return Job(
            *(graph, self.store, Numerics(), publisher, ignore),
            jobs=jobs,
            previews=None,
            cluster=self._cluster,
        )


def sweep(cluster: RayCluster | None) -> float:
    """Returns the milliseconds per combination of a sweep."""
    with Place(cluster) as place:
        graphs = [graph_of(SWEPT.format(value=n), place.folder) for n in range(COMBINATIONS)]
        start = time.perf_counter()
        ahead = cluster and Ahead(
            cluster,
            lambda places: (graphs[number] for number in places),
            COMBINATIONS,
            lambda graph, listener: place.job(graph, "ahead"),
            ignore,
        )
        with ahead or nullcontext():
            for number, graph in enumerate(graphs):
                if ahead is not None:
                    ahead.reach(number)
                assert Run(place.job(graph, str(number))).execute().status == "done"
        return (time.perf_counter() - start) / COMBINATIONS * 1_000


def make_plain() -> Callable[[], float]:
    """Returns a function that returns the milliseconds of a plain task of Ray.

    The task calls the nodes of the sweep. Ray sends its function to the workers once.
    """
    import ray

    function = load_nodes()["math"].function

    @ray.remote(num_cpus=1)
    def combination(value: int) -> float:
        return float(function(a=function(a=value, b=2, op="multiply"), b=1))

    def plain() -> float:
        start = time.perf_counter()
        ray.get([combination.remote(n) for n in range(COMBINATIONS)])
        return (time.perf_counter() - start) / COMBINATIONS * 1_000

    return plain


def measured(ways: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Returns what each way took, without garbage of the ways before."""
    found = {}
    for name, way in ways.items():
        gc.collect()
        found[name] = way()
    return found


def nodes(length: int, cluster: RayCluster | None) -> float:
    """Returns the milliseconds of a run of a chain."""
    with Place(cluster) as place:
        graph = graph_of(chain(length), place.folder)
        start = time.perf_counter()
        assert Run(place.job(graph, "chain")).execute().ran == length
        return (time.perf_counter() - start) * 1_000


def main() -> int:
    """Measure and print tables. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # Files are only deleted at the end: ext4 looks at each one that was deleted in the last
        # minutes when it creates a file.
        tempfile.tempdir = folder
        return compare(options.address, options.repeat)


def compare(address: str | None, repeat: int) -> int:
    """Measure all ways so many times and print tables. Returns the exit code."""
    cluster = RayCluster(address, (), None, print)
    cluster.connect()
    ways = {
        "sweep local": lambda: sweep(None),
        "sweep ray": lambda: sweep(cluster),
        "sweep plain": make_plain(),
        "1000 local": lambda: nodes(1_000, None),
        "5000 local": lambda: nodes(5_000, None),
        "1000 ray": lambda: nodes(1_000, cluster),
        "5000 ray": lambda: nodes(5_000, cluster),
    }
    rounds = [measured(ways) for _ in range(repeat + 1)][1:]
    found = {name: statistics.median(r[name] for r in rounds) for name in ways}
    print("| a combination of a sweep of 200 | median, ms | least, ms |\n|---|---|---|")
    for name, words in (
        ("sweep local", "on this machine"),
        ("sweep ray", "`--executor ray`"),
        ("sweep plain", "a plain task of Ray"),
    ):
        print(f"| {words} | {found[name]:.2f} | {min(r[name] for r in rounds):.2f} |")
    print(
        "\n| a chain of `math` nodes | 1,000: ms | 5,000: ms | each further node: µs |\n"
        "|---|---|---|---|"
    )
    slopes = {}
    for where, name in (("local", "on this machine"), ("ray", "`--executor ray`")):
        short, long = found[f"1000 {where}"], found[f"5000 {where}"]
        slopes[where] = (long - short) / 4
        print(f"| {name} | {short:.0f} | {long:.0f} | {slopes[where]:.0f} |")
    missed = []
    if found["sweep ray"] > found["sweep plain"] + found["sweep local"]:
        missed.append("the sweep takes longer than plain tasks and the local store together")
    if slopes["ray"] > 2 * slopes["local"]:
        missed.append("a node of a chain takes more than twice as long as on this machine")
    print("\n".join(missed) or "\nboth bars are met")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
