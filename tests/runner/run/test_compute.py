"""A node is done in one way, whether a run or ComfyUI asks for it."""

import gc
import sys
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytest
import torch
from comfy_stand_in import COMMON

from artgraph.contract.context import Context
from artgraph.contract.errors import GraphError, NodeError
from artgraph.contract.spec import NodeSpec
from artgraph.contract.values.kinds import GanLatent, Image, Latent, Number, Table, Text, VaeLatent
from artgraph.contract.values.pictures import PictureBatch
from artgraph.contract.widgets import MayBeEmpty
from artgraph.editors.comfy import host as comfy_host
from artgraph.editors.comfy import run as comfy_run
from artgraph.models.training.numerics import Numerics
from artgraph.runner.graph.binding import bind
from artgraph.runner.graph.document import parse_document
from artgraph.runner.graph.folders import Folders
from artgraph.runner.run.events import Cached, Failed, Finished, RunFinished, Warned
from artgraph.runner.run.execute import Run
from artgraph.runner.run.job import Job
from artgraph.runner.run.publish import Publisher
from artgraph.runner.store.store import Store


def spec(function, device=False):
    """A node of our own."""
    return NodeSpec(function.__name__, "Title", "test", 1, function, device)


class InRun:
    """The nodes of a graph run as the command line does it."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, *specs, widget=None, listener=None):
        """Run nodes, each wired to the one before, the last by a widget; the events."""
        lines = ["artgraph: 1", "nodes:"]
        for number, node in enumerate(specs):
            wired = [*node.inputs, *(name for name in node.widgets if name == widget)]
            wires = [f"{name}: n{number - 1}" for name in wired if number]
            lines.append(f"  n{number}: {{node: {node.id}, from: {{{', '.join(wires)}}}}}")
        document = parse_document("\n".join(lines), "g.yaml", self.folder)
        graph = bind(document, {node.id: node for node in specs}, Folders(*[self.folder] * 3))
        store, events = Store(self.folder / "cache"), []
        try:
            publisher = Publisher(self.folder / "out", "")
            Run(Job(graph, store, Numerics(), publisher, listener or events.append)).execute()
        finally:
            store.close()
        for event in events:
            if isinstance(event, Failed):
                raise NodeError(event.message)
        return events


class InComfy:
    """The nodes of a prompt run as ComfyUI does it."""

    def __call__(self, *specs):
        """Run nodes, each wired to the one before; what the wires carry."""
        carried = []
        with torch.inference_mode():
            for node in specs:
                given = dict.fromkeys(node.inputs, carried[-1] if carried else None)
                carried += comfy_run.run_node(node, given, {}).values
        return carried


@pytest.fixture
def in_run(tmp_path):
    return InRun(tmp_path)


@pytest.fixture
def in_comfy(tmp_path, monkeypatch):
    """On the same cache, with the same numerics."""
    monkeypatch.setenv("ARTGRAPH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ARTGRAPH_DEVICE", "cpu")
    (tmp_path / "folder_paths.py").write_text(COMMON["folder_paths.py"])
    monkeypatch.syspath_prepend(tmp_path)
    comfy_host.store.cache_clear()
    comfy_host.numerics.cache_clear()
    yield InComfy()
    comfy_host.store().close()
    comfy_host.store.cache_clear()
    comfy_host.numerics.cache_clear()
    monkeypatch.delitem(sys.modules, "folder_paths", raising=False)


@pytest.fixture(params=["in_run", "in_comfy"])
def either(request):
    return request.getfixturevalue(request.param)


def points() -> VaeLatent:
    """A latent."""
    return VaeLatent(torch.ones(2, 1, 2, 2))


def test_a_value_that_the_output_does_not_declare_is_refused(either):
    def wrong(latent: Latent) -> Latent:
        """Return a table where a latent is declared."""
        return Table({"a": [1]})

    with pytest.raises(NodeError, match="latent is a Table"):
        either(spec(points), spec(wrong))


def doubtful(*, number: int = 3, ctx: Context) -> Number:
    """A number, and a word about it."""
    ctx.warn(f"{number} is a lot")
    return number


def in_log(caplog):
    return [record.message for record in caplog.records if record.name == "artgraph"]


def test_a_warning_in_comfyui_is_kept_for_it_and_for_the_command_line(in_comfy, in_run, caplog):
    for _ in range(2):
        caplog.clear()
        in_comfy(spec(doubtful))
        assert in_log(caplog) == ["3 is a lot"]
    events = in_run(spec(doubtful))
    assert [e.message for e in events if isinstance(e, Warned)] == ["3 is a lot"]
    assert any(isinstance(e, Cached) for e in events)


def test_an_error_of_a_listener_does_not_reach_the_nodes(in_run, caplog):
    def broken(event):
        seen.append(event)
        raise OSError("no screen")

    seen = []
    in_run(spec(doubtful), listener=broken)
    assert not any(isinstance(event, Failed) for event in seen)
    assert (type(seen[-1]), seen[-1].status) == (RunFinished, "done")
    assert in_log(caplog) == ["an event of the run was not shown: OSError('no screen')"]


def test_a_warning_of_a_run_is_shown_in_comfyui(in_comfy, in_run, caplog):
    assert any(isinstance(e, Finished) for e in in_run(spec(doubtful)))
    caplog.clear()
    in_comfy(spec(doubtful))
    assert in_log(caplog) == ["3 is a lot"]


def test_inputs_are_freed_before_the_outputs_are_stored(either):
    seen = {}

    def turned(latent: VaeLatent) -> Image:
        """Pictures that are computed as they are stored, and look whether the input is there."""
        seen["input"] = weakref.ref(latent)

        def read(rows):
            gc.collect()
            seen["left"] = seen["input"]()
            return torch.zeros(len(rows), 8, 8, 3)

        return PictureBatch((8, 8, 3), range(2), read)

    either(spec(points), spec(turned))
    assert seen["left"] is None


def test_what_is_computed_while_it_is_stored_finds_torchs_switches_set(either):
    seen = []

    def lazy(*, count: int = 2) -> Image:
        """Pictures that are computed as they are stored."""

        def read(rows):
            seen.append(torch.are_deterministic_algorithms_enabled())
            return torch.zeros(len(rows), 8, 8, 3)

        return PictureBatch((8, 8, 3), range(count), read)

    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        either(spec(lazy, device=True))
        after = torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(before)
    assert set(seen) == {True}
    assert after is not isinstance(either, InComfy), "ComfyUI's own switches come back"


def test_a_node_that_ends_the_process_only_fails(either):
    def ends() -> Number:
        """End the process."""
        sys.exit(3)

    with pytest.raises((NodeError, RuntimeError), match="it tried to end the process"):
        either(spec(ends))


def damage(folder):
    """Change a byte of the one blob in the cache."""
    (blob,) = Path(folder / "cache" / "blobs").rglob("*.safetensors")
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)


def test_a_damaged_result_is_made_again_when_comfyui_queues_again(in_comfy, in_run, tmp_path):
    def second(latent: VaeLatent) -> Number:
        """How many there are."""
        return len(latent.z)

    in_run(spec(points))
    damage(tmp_path)
    with pytest.raises(NodeError, match="queue again"):
        in_comfy(spec(points), spec(second))
    assert in_comfy(spec(points), spec(second))[1] == 2


def test_a_damaged_text_wired_to_a_widget_is_made_again(in_run, tmp_path):
    def long() -> Text:
        """A text too long for the index."""
        return "word " * 20_000

    def count(*, text: str = "") -> Number:
        """How many letters there are."""
        return len(text)

    for damaged in (False, True):
        if damaged:
            damage(tmp_path)
        events = in_run(spec(long), spec(count), widget="text")
        ran = [event.node for event in events if isinstance(event, Finished)]
        assert ran == (["n0"] if damaged else ["n0", "n1"])


def test_memory_is_released_for_a_node_on_the_device(either):
    """Python's cycles hold tensors until they are collected, which it may do late."""

    class Cycle:
        def __init__(self):
            self.itself = self

    left = []

    def fit(*, count: int = 2) -> Text:
        """Leave a cycle behind, and note those that are there."""
        left.append(weakref.ref(Cycle()))
        return "done"

    gc.disable()
    try:
        either(spec(fit, device=True))
        assert left[0]() is None
    finally:
        gc.enable()


def test_both_kinds_of_latent_pass(either):
    def double(latent: Latent) -> Latent:
        """Twice the latent."""
        if isinstance(latent, GanLatent):
            return GanLatent(latent.z * 2, latent.classes)
        return VaeLatent(latent.z * 2)

    either(spec(points), spec(double))


def nothing(*, number: int = 0) -> Annotated[Number | None, MayBeEmpty]:
    """A number that is empty on purpose if it is 0."""
    return number or None


def counted(number: Number | None = None) -> Number:
    """1 with a value, 0 without."""
    return int(number is not None)


def test_an_output_that_is_empty_on_purpose_counts_as_not_wired(either, in_run):
    either(spec(nothing), spec(counted))
    (alone,) = in_run(spec(counted))[-2:-1]
    assert isinstance(alone, Cached), "the key is that of the node without the wire"


def test_another_output_without_a_value_is_an_error(in_run, in_comfy):
    def lost() -> Table | None:
        return None

    def lines(table: Table | None = None) -> Number:
        return 0

    with pytest.raises(NodeError, match="'n0' returned no 'table' this time"):
        in_run(spec(lost), spec(lines))
    with pytest.raises(NodeError, match="wired to the output table, which has no value this time"):
        in_comfy(spec(lost), spec(lines))


def test_an_output_that_may_be_empty_does_not_fit_an_input_that_needs_a_value(in_run, in_comfy):
    def double(number: Number) -> Number:
        return 2 * number

    with pytest.raises(GraphError, match=r"n0\.number may be empty, but 'number' always needs"):
        in_run(spec(nothing), spec(double))
    with pytest.raises(NodeError, match="number is wired to an output that is empty this time"):
        in_comfy(spec(nothing), spec(double))
    with pytest.raises(GraphError, match=r"n0\.number may be empty"):
        in_run(spec(nothing), spec(doubtful), widget="number")


def test_an_output_that_may_be_empty_is_declared_with_none():
    def wrong() -> Annotated[Number, MayBeEmpty]:
        return 1

    with pytest.raises(TypeError, match="must be optional"):
        spec(wrong).outputs  # noqa: B018


def test_what_surrounds_a_node_is_part_of_its_key(in_run):
    def installed() -> Number:
        return len(found)

    found = {"package": "missing"}
    node = replace(spec(installed), surroundings=lambda: dict(found))
    in_run(node)
    assert any(isinstance(event, Cached) for event in in_run(node))
    found["package"] = "installed"
    assert not any(isinstance(event, Cached) for event in in_run(node))
