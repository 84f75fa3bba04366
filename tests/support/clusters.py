"""A Ray cluster on this machine, and runs on it and beside it."""

import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from artgraph.contract.registry import load_nodes
from artgraph.models.training.numerics import Numerics
from artgraph.runner.cluster.ray_cluster import RayCluster
from artgraph.runner.graph.binding import bind
from artgraph.runner.graph.document import parse_document, read_document
from artgraph.runner.graph.folders import Folders
from artgraph.runner.graph.settings import parse_setting
from artgraph.runner.run.execute import Run
from artgraph.runner.run.job import Job
from artgraph.runner.run.publish import Publisher
from artgraph.runner.store.remote import Remote
from artgraph.runner.store.store import Store

PACK = Path(__file__).parent / "pack.py"


class Counting(RayCluster):
    """Counts the tasks that are started."""

    tasks = 0

    def send(self, *arguments):
        self.tasks += 1
        return super().send(*arguments)


@contextmanager
def started(folder):
    """Three nodes of a cluster, each with one core.

    What their workers note is in the file `notes`, and their own cache in the folder `own`.
    """
    import ray
    from ray.cluster_utils import Cluster

    environment = {
        "NOTES": str(folder / "notes"),
        "ARTGRAPH_CACHE": str(folder / "own"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_health_check_period_ms": "500",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        cluster.notes, cluster.own = folder / "notes", folder / "own"
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        load_nodes([str(PACK)])
        yield cluster
        ray.shutdown()
        cluster.shutdown()


class Runner:
    """Runs graphs in a folder, in this process or on a cluster."""

    def __init__(self, folder):
        self.folder = folder
        self.events = []
        self.run = None

    def job(self, text, cluster=None, cache="cache", remote=None, settings=()):
        registry = load_nodes([str(PACK)])
        if isinstance(text, Path):
            document = read_document(text)
        else:
            document = parse_document(text, "g.yaml", self.folder)
        folders = Folders(document.folder, self.folder / "input", self.folder / "out")
        graph = bind(document, registry, folders, dict(map(parse_setting, settings)))
        second = Remote(remote, pytest.fail) if remote else None
        return Job(
            graph,
            Store(self.folder / cache, lambda message: None, second),
            Numerics(),
            Publisher(self.folder / "out" / (cache + ("_ray" if cluster else "")), ""),
            self.events.append,
            previews=0.1,
            jobs=64,
            cluster=cluster,
        )

    def __call__(self, text, cluster=None, only=(), **options):
        """Run a graph. Returns the digests of all nodes that are done, and the last event."""
        self.events.clear()
        job = self.job(text, cluster, **options)
        self.run = Run(job)
        try:
            end = self.run.execute(only)
        finally:
            job.store.close()
        return {name: result.digests for name, result in self.run.results.items()}, end

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def steps_of(notes):
    """The steps that trainings have noted."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith("step ")]


def chain(length):
    """The text of a graph whose nodes follow each other."""
    lines = ["artgraph: 1", "nodes:", "  n0: {node: math, with: {a: 1, b: 1}}"]
    lines += [
        f"  n{i}: {{node: math, from: {{a: n{i - 1}}}, with: {{b: 1}}}}" for i in range(1, length)
    ]
    return "\n".join(lines)
