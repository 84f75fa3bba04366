"""A widget added later, with its neutral value, leaves stored results and trainings valid."""

import json
from typing import Annotated

import pytest

from artgraph.api import Neutral, Steps, Table
from artgraph.contract.spec import NodeSpec
from artgraph.contract.widgets import KeptStep
from artgraph.models.training.numerics import Numerics
from artgraph.runner.store.keys import make_key

BEFORE = """
from typing import Annotated, Literal

from pydantic import Field

from artgraph.api import Context, Neutral, Seed, Steps, Table, node


@node(title="Practise", category="test")
def practise(*, steps: Steps = 4, seed: Seed = 0, {widget}ctx: Context) -> Table:
    \"\"\"Count the steps, from the longest checkpoint on.\"\"\"
    import torch

    found = ctx.checkpoint.load(steps)
    start = 0 if found is None else found[0]
    ctx.checkpoint.save(steps, {{"steps": torch.tensor(steps)}})
    return Table({{"from": [start], "to": [steps]}})
"""
WIDGET = (
    'aspect: Annotated[Literal["1:1", "3:2"], Field(description="Shape"), Neutral("1:1")] = "1:1", '
)
GRAPH = """
artgraph: 1
nodes:
  p: {node: practise}
  t: {node: save_table, from: {table: p}}
"""


@pytest.fixture
def run(cli):
    cli.write("g.yaml", GRAPH)
    cli.write("before.py", BEFORE.format(widget=""))
    cli.write("after.py", BEFORE.format(widget=WIDGET))

    def call(pack, *settings):
        words = [word for setting in settings for word in ("--set", setting)]
        done = cli("run", "g.yaml", "--pack", f"{pack}.py", "--json", *words)
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        ends = {e["node"]: e["event"] for e in events if e["event"] in ("finished", "cached")}
        return ends["p"], (cli.folder / "out/g/t.csv").read_text().split()[1]

    return call


def test_results_are_found(run):
    assert run("before") == ("finished", "0,4")
    assert run("after") == ("cached", "0,4")
    assert run("after", "p.aspect=1:1") == ("cached", "0,4")


def test_a_training_goes_on_from_its_checkpoint(run):
    assert run("before") == ("finished", "0,4")
    assert run("after", "p.steps=6") == ("finished", "4,6")
    assert run("before", "p.steps=6") == ("cached", "4,6")


def test_another_value_makes_another_result_and_training(run):
    assert run("before") == ("finished", "0,4")
    assert run("after", "p.aspect=3:2") == ("finished", "0,4")
    assert run("after", "p.aspect=3:2", "p.steps=6") == ("finished", "4,6")
    assert run("after", "p.steps=5") == ("finished", "4,5")


def test_the_plan_names_the_value_it_had(run, cli):
    run("before")
    plan = cli("plan", "g.yaml", "--pack", "after.py", "--set", "p.aspect=3:2")
    assert "aspect was '1:1', is now '3:2'" in plan.stdout


def test_a_kept_step_and_a_newer_version_of_the_node_leave_the_training_as_it_is():
    def before(*, steps: Steps = 4) -> Table:
        """Train."""

    def after(*, steps: Steps = 4, at_step: Annotated[int, KeptStep, Neutral(0)] = 0) -> Table:
        """Train."""

    def key(version, function, training_version=None, **values):
        spec = NodeSpec("t", "T", "test", version, function, False, None, training_version)
        return make_key(spec, values, {}, lambda path, pictures: "", Numerics())

    old, new = key(1, before, steps=9), key(2, after, 1, steps=9, at_step=0)
    early = key(2, after, 1, steps=9, at_step=3)
    assert old.training == new.training == early.training
    assert len({old.digest, new.digest, early.digest}) == 3
    assert key(2, after, steps=9, at_step=3).training != old.training
