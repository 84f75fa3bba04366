"""Sweeps on a Ray cluster, whose combinations are computed before their turn."""

import json
from dataclasses import replace

import pytest
from clusters import PACK, steps_of, wait_for

from artgraph.contract.errors import GraphError
from artgraph.runner.cluster import sweep
from artgraph.runner.cluster.sweep import Ahead
from artgraph.runner.run.events import Failed, Progressed
from artgraph.runner.run.execute import Run

SWEPT = """
artgraph: 1
nodes:
  shared: {node: parity, with: {value: 5}}
  n: {node: noted, from: {value: shared}, with: {name: n0}}
  save: {node: save_number, from: {value: n}}
"""


class Combinations:
    """Combinations of a sweep, which share one store, their failures and what was computed."""

    broken = None  # the place of the combination that has no graph

    def __init__(self, runner, cluster, texts):
        first = runner.job(texts[0], cluster)
        self.jobs = [first]
        for text in texts[1:]:
            job = runner.job(text, cluster)
            job.store.close()
            self.jobs.append(
                replace(job, store=first.store, failures=first.failures, ahead=first.ahead)
            )
        self.ahead = Ahead(
            cluster,
            lambda places: (self.graph(place) for place in places),
            len(texts),
            lambda graph, listener: replace(first, graph=graph, listener=listener),
            runner.events.append,
        )

    def graph(self, place):
        if place == self.broken:
            raise GraphError("a file has changed")
        return self.jobs[place].graph

    def run(self, place):
        self.ahead.reach(place)
        return Run(self.jobs[place]).execute()

    def __enter__(self):
        self.ahead.__enter__()
        return self

    def __exit__(self, *error):
        self.ahead.__exit__(*error)
        self.jobs[0].store.close()


def names_of(count):
    """Texts of combinations that differ in a name."""
    return [SWEPT.replace("n0", f"n{i}") for i in range(count)]


def noted(machines, start):
    """How many lines with this start the nodes have noted."""
    return sum(line.startswith(start) for line in machines.notes.read_text().splitlines())


def test_a_sweep_is_computed_in_few_tasks(runner, cluster, machines):
    more = "  bad: {node: failing}\n  after: {node: save_number, from: {value: bad}}\n"
    with Combinations(runner, cluster, [text + more for text in names_of(30)]) as combinations:
        combinations.ahead.reach(0)
        tasks = cluster.tasks
        assert tasks <= 12
        for place in range(30):
            end = combinations.run(place)
            ran = 1 if place else 3  # as on one machine, what is equal belongs to the first one
            assert (end.ran, end.cached, end.failed) == (ran, 3 - ran, 2)
    assert cluster.tasks == tasks
    assert noted(machines, "failing") == 1
    assert [event.because for event in runner.of(Failed)] == [None, "bad"] * 30
    assert list((runner.folder / "out" / "cache_ray").glob("*.txt"))


def test_the_next_combinations_are_computed_meanwhile(runner, cluster, machines, monkeypatch):
    monkeypatch.setattr(sweep, "_LEAST", 12)
    with Combinations(runner, cluster, names_of(30)) as combinations:
        combinations.ahead.reach(0)
        wait_for(lambda: noted(machines, "n") >= 24)
        tasks = cluster.tasks
        ends = [combinations.run(place) for place in range(12)]
        assert cluster.tasks == tasks
        assert noted(machines, "n") == 24
        ends += [combinations.run(place) for place in range(12, 30)]
    assert [(end.ran, end.cached) for end in ends] == [(3, 0)] + [(1, 2)] * 29
    assert noted(machines, "n") == 30
    assert noted(machines, "parity") == 1


def test_an_error_belongs_to_the_combinations_that_it_stops(runner, cluster, machines, monkeypatch):
    monkeypatch.setattr(sweep, "_LEAST", 12)
    with Combinations(runner, cluster, names_of(36)) as combinations:
        combinations.broken = 14
        assert all(combinations.run(place).status == "done" for place in range(12))
        with pytest.raises(GraphError, match="has changed"):
            combinations.run(12)
        assert all(combinations.run(place).status == "done" for place in range(12, 36))


def test_what_is_computed_ahead_stops_with_the_sweep(runner, cluster, machines, monkeypatch):
    monkeypatch.setattr(sweep, "_LEAST", 12)
    long = "{artgraph: 1, nodes: {t: {node: slow_training, with: {steps: 500, pause: 0.02}}}}"
    with Combinations(runner, cluster, [*names_of(12), long]) as combinations:
        combinations.run(0)
        wait_for(lambda: len(steps_of(machines.notes)) > 10)
    steps = len(steps_of(machines.notes))
    assert steps < 100
    assert "[13/13] t" in {event.node for event in runner.of(Progressed)}
    _, end = runner(long, cluster)
    assert end.extended == 1


def test_the_table_of_a_sweep_is_the_same_as_on_one_machine(cli, machines):
    cli.write("g.yaml", SWEPT)
    words = ["sweep", "g.yaml", "--set", "n.name=a,b,c", "--pack", PACK, "--json"]
    found = []
    for number, more in enumerate(([], ["--executor", "ray", "--ray-address", machines.address])):
        place = ["--device", "cpu", "--cache", f"cache{number}", "--out", f"out{number}"]
        done = cli(*words, *place, *more)
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        ends = [e for e in events if e["event"] == "combination_finished"]
        assert all(end["seconds"] > 0 for end in ends)
        kinds = [(e["event"], e["node"]) for e in events if e["event"] in ("finished", "cached")]
        found.append(([end["reused"] for end in ends], sorted(kinds)))
    assert found[0] == found[1]
    assert found[0][0] == [False] * 3
