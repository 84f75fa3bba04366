"""How long a run is going to take, judging by earlier runs."""

import json
from contextlib import closing

from artgraph.runner.run.estimate import Seconds, Total
from artgraph.runner.store.store import Store

GRAPH = """
artgraph: 1
nodes:
  walk: {node: slow_training, with: {steps: 20, pause: 0.05}}
  late: {node: save_table, from: {table: walk.table}}
  art: {node: procedural_art, with: {count: 4, size: 16}}
  shown: {node: dataset_images, from: {dataset: art}}
  soon: {node: save_image, from: {image: shown.image}}
"""


def plan(cli, graph, pack, *words):
    done = cli("plan", graph, "--pack", pack, "--json", *words)
    return {row["node"]: row for row in json.loads(done.stdout)}


def test_trainings_are_estimated_by_their_steps(cli, pack):
    graph = cli.write("g.yaml", GRAPH)
    rows = plan(cli, graph, pack)
    assert [row["order"] for row in rows.values()] == [1, 2, 3, 4, 5]
    assert [*rows][-1] == "late", "what is saved without a training comes first"
    assert all(row["seconds"] is None for row in rows.values())
    done = cli("plan", graph, "--pack", pack, "--time")
    assert done.stdout.splitlines()[-1].startswith("Unknown: art, shown, soon, walk, late have not")
    assert cli("run", graph, "--pack", pack).returncode == 0
    done = cli("plan", graph, "--pack", pack, "--time")
    assert done.stdout.splitlines()[-1] == "Nothing is computed, since all results are stored"
    with closing(Store(cli.folder / "cache", print)) as store:
        (took,) = store.durations("slow_training")
    longer = plan(cli, graph, pack, "--set", "walk.steps=220")
    low, high = longer["walk"]["seconds"]
    assert 0.05 * 200 / 4 < low < high, "200 steps are left, of 0.05 s or more"
    assert took.step_seconds * 200 < high < took.seconds * 10 * 4, "the run took 20 steps"
    new = plan(cli, graph, pack, "--set", "walk.seed=5")
    assert new["walk"]["seconds"][1] < high
    assert (new["walk"]["order"], new["art"]["order"]) == (1, None)
    done = cli("plan", graph, "--pack", pack, "--time", "--set", "walk.steps=220")
    assert "in all, judging by earlier runs" in done.stdout.splitlines()[-1]


def test_an_estimate_of_other_values_is_less_certain(cli, pack):
    graph = cli.write("g.yaml", GRAPH)
    assert cli("run", graph, "--pack", pack).returncode == 0
    same = plan(cli, graph, pack, "--force", "walk")["walk"]["seconds"]
    other = plan(cli, graph, pack, "--set", "walk.rate=0.2")["walk"]["seconds"]
    assert other[0] < same[0] < same[1] < other[1]


def test_a_total_in_few_words():
    def short(low, high, *unknown):
        return Total(Seconds(low, high), list(unknown)).short

    assert short(0, 0) == short(0, 0.5) == "less than 1 s"
    assert short(200, 300) == "about 4 min"
    assert short(0, 8) == "about 8 s"
    assert short(3_600, 7_200) == "about 1 h 25 min"
    assert short(200, 300, "gan") == "over 4 min"
    assert short(0, 0.5, "gan") == short(5, 9, "gan") == ""
