"""Several GPUs: nodes side by side, one on each, with the results of a single one."""

import json
import threading
from contextlib import closing

import pytest
import torch
from gpu_trainings import LAST, train

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.registry import load_nodes
from artgraph.contract.spec import NodeSpec
from artgraph.contract.values.kinds import Number
from artgraph.runner.graph.binding import bind
from artgraph.runner.graph.document import parse_document
from artgraph.runner.graph.folders import Folders
from artgraph.runner.run.events import Failed, Progressed, Started
from artgraph.runner.run.execute import Run
from artgraph.runner.run.job import Job
from artgraph.runner.run.publish import Publisher
from artgraph.runner.store.store import Store

pytestmark = pytest.mark.gpu
PATIENCE = 60  # seconds that a node waits for another one before it fails

TRAININGS_AND_DRAWINGS = """
artgraph: 1
nodes:
  art: {node: procedural_art, with: {count: 12, size: 32}}
  one: {node: train_gan, with: {steps: 3, batch: 8, seed: 1, method: classic}, from: {dataset: art}}
  two: {node: train_gan, with: {steps: 3, batch: 8, seed: 2, method: r3}, from: {dataset: art}}
  z1: {node: sample_latent, with: {count: 2}, from: {gan: one.gan}}
  z2: {node: sample_latent, with: {count: 2}, from: {gan: two.gan}}
  d1: {node: generate, from: {gan: one.gan, latent: z1.latent}}
  d2: {node: generate, from: {gan: two.gan, latent: z2.latent}}
"""


class Meeting:
    """Nodes on devices that wait for one another, and the device of each."""

    def __init__(self, count):
        self.barrier, self.devices = threading.Barrier(count, timeout=PATIENCE), {}

    def registry(self):
        def meet(*, salt: int = 0, then: str = "", ctx: Context) -> Number:
            self.barrier.wait()
            self.devices[salt] = ctx.device, torch.cuda.current_device()
            if then == "break":
                raise NodeError("it is broken", "repair it")
            if then == "fill":
                torch.empty(1 << 50, dtype=torch.uint8, device=ctx.device)
            return salt

        return dict(load_nodes()) | {"meet": NodeSpec("meet", "Meet", "test", 1, meet, device=True)}


def graph_of(text, folder, registry):
    return bind(parse_document(text, "g.yaml", folder), registry, Folders(*[folder] * 3))


def run(folder, graph, devices, hear=None, jobs=4):
    """Run a graph in this process. Returns the run, its events and its manifest."""
    events = []
    with closing(Store(folder / "cache")) as store:
        listener = hear or events.append
        others = tuple(devices[1:])
        publisher = Publisher(folder / "out", "")
        job = Job(graph, store, devices[0], publisher, listener, jobs=jobs, others=others)
        running = Run(job)
        running.execute()
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    return running, events, manifest["nodes"]


def meetings(*ends):
    text = "artgraph: 1\nnodes:\n"
    for salt, end in enumerate(ends):
        text += f"  n{salt}: {{node: meet, with: {{salt: {salt}, then: '{end}'}}}}\n"
    return text


def test_two_nodes_compute_at_the_same_time_on_two_gpus(tmp_path, two_gpus):
    meeting = Meeting(2)
    graph = graph_of(meetings(*[""] * 4), tmp_path, meeting.registry())
    running, events, nodes = run(tmp_path, graph, two_gpus)
    assert running.exit_code == 0
    assert sorted(meeting.devices.values()) == [("cuda:0", 0)] * 2 + [("cuda:1", 1)] * 2
    started = {event.node: event.device for event in events if isinstance(event, Started)}
    assert {f"n{salt}": device for salt, (device, _) in meeting.devices.items()} == started
    assert {name: node["device"] for name, node in nodes.items()} == started


def test_one_node_at_a_time_on_each_gpu(tmp_path, two_gpus):
    """Three nodes that wait for one another never meet."""
    meeting = Meeting(3)
    meeting.barrier = threading.Barrier(3, timeout=0.5)
    graph = graph_of(meetings("", "", ""), tmp_path, meeting.registry())
    running, _, _ = run(tmp_path, graph, two_gpus)
    assert running.exit_code == 1
    assert meeting.devices == {}


def test_the_number_of_gpus_changes_no_digest_and_no_key(tmp_path, two_gpus):
    graph = graph_of(TRAININGS_AND_DRAWINGS, tmp_path, load_nodes())
    one, _, single = run(tmp_path / "one", graph, two_gpus[:1])
    two, _, several = run(tmp_path / "two", graph, two_gpus)
    assert one.exit_code == two.exit_code == 0
    assert [several[name]["device"] for name in ("one", "two")] == ["cuda:0", "cuda:1"]
    assert not any("device" in node for node in single.values())
    for name in graph.nodes:
        assert several[name]["key"] == single[name]["key"]
        assert several[name]["outputs"] == single[name]["outputs"]
    again, _, _ = run(tmp_path / "one", graph, two_gpus[::-1])
    assert len(again.results) == len(graph.nodes)
    actions = json.loads((tmp_path / "one/out/manifest.json").read_text())["nodes"].values()
    assert {node["action"] for node in actions} == {"cached"}


@pytest.mark.parametrize(("end", "message"), [("break", "it is broken"), ("fill", "out of memory")])
def test_a_failure_on_one_gpu_leaves_the_other_ones_result(tmp_path, two_gpus, end, message):
    meeting = Meeting(2)
    graph = graph_of(meetings(end, "", "", ""), tmp_path, meeting.registry())
    running, events, nodes = run(tmp_path, graph, two_gpus)
    (failed,) = (event for event in events if isinstance(event, Failed))
    assert (failed.node, failed.what) == ("n0", message)
    assert list(nodes) == ["n1", "n2", "n3"]
    assert running.exit_code == 1
    assert len({device for device, _ in meeting.devices.values()}) == 2, "the GPU is used again"


def test_cancelling_stops_the_nodes_on_all_gpus(tmp_path, two_gpus, pack):
    text = "artgraph: 1\nnodes:\n" + "".join(
        f"  t{i}: {{node: slow_training, with: {{steps: 100000, pause: 0.01, seed: {i}}}}}\n"
        for i in range(3)
    )
    at_work = set()

    def hear(event):
        if isinstance(event, Progressed):
            at_work.add(event.node)
            if len(at_work) == 2:
                running.cancel()

    graph = graph_of(text, tmp_path, load_nodes([str(pack)]))
    with closing(Store(tmp_path / "cache")) as store:
        first, second = two_gpus
        publisher = Publisher(tmp_path, "")
        running = Run(Job(graph, store, first, publisher, hear, jobs=4, others=(second,)))
        assert running.execute().status == "interrupted"
        rows = store.index.rows("SELECT DISTINCT training FROM checkpoints")
        assert len(rows) == 2, "both stored where they were; the third did not start"
    assert at_work == {"t0", "t1"}


def test_one_training_in_several_lengths_on_two_gpus(tmp_path, two_gpus, pack):
    """They share their checkpoints, and none disturbs another."""
    text = "artgraph: 1\nnodes:\n"
    for steps in (20, 40, 60):
        text += f"  t{steps}: {{node: slow_training, with: {{steps: {steps}, pause: 0.01}}}}\n"
    graph = graph_of(text, tmp_path, load_nodes([str(pack)]))
    _, _, single = run(tmp_path / "one", graph, two_gpus[:1])
    running, _, several = run(tmp_path / "two", graph, two_gpus)
    assert running.exit_code == 0
    assert [several[name]["outputs"] for name in single] == [n["outputs"] for n in single.values()]


@pytest.mark.parametrize("name", ["GAN, r3", "VAE, adversarial", "prior", "classifier, residual"])
def test_a_training_continues_on_another_gpu(name, two_gpus, tmp_path):
    first, second = two_gpus
    with closing(Store(tmp_path)) as store:
        key = "f" * 32
        train(name, first, steps=3, checkpoint=store.checkpoint(key, 3))
        with second.current():
            resumed = train(name, second, checkpoint=store.checkpoint(key, LAST))
    straight = train(name, first)
    for output, value in straight.items():
        if hasattr(value, "state"):
            assert all(torch.equal(resumed[output].state[k], v) for k, v in value.state.items())
        else:
            assert resumed[output] == value, output


def test_the_command_line_and_a_sweep_use_several_gpus(cli, gpu):
    if gpu is None:
        pytest.skip("the tests above show it on GPUs; this one counts those of the stand-in")
    cli.write("g.yaml", TRAININGS_AND_DRAWINGS)
    words = ("g.yaml", "--device", "cuda:all", "--only", "one", "--only", "two", "--json")
    done = cli("run", *words, STAND_IN_GPUS="2")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    used = {e["node"]: e["device"] for e in events if e["event"] == "started"}
    assert used == {"art": None, "one": "cuda:0", "two": "cuda:1"}
    swept = cli("sweep", *words, "--set", "one.seed=1,3", STAND_IN_GPUS="2")
    assert swept.returncode == 0, swept.stderr
    events = [json.loads(line) for line in swept.stdout.splitlines()]
    assert [e["node"] for e in events if e["event"] == "started"] == ["one"]
