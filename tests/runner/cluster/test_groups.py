"""How the nodes of a plan are put into tasks for a cluster."""

from artgraph.contract.registry import load_nodes
from artgraph.runner.cluster.groups import grouped
from artgraph.runner.graph.binding import bind
from artgraph.runner.graph.document import parse_document
from artgraph.runner.graph.folders import Folders
from artgraph.runner.run.plan import Step
from artgraph.runner.run.schedule import name_conflicts


def groups_of(folder, nodes, seconds=None, done=()):
    text = "artgraph: 1\nnodes:\n" + "\n".join(f"  {line}" for line in nodes)
    document = parse_document(text, "g.yaml", folder)
    graph = bind(document, load_nodes(), Folders(folder, folder, folder))
    plan = [Step(graph.nodes[name], "run") for name in graph.order()]
    groups = grouped(plan, done, lambda step: seconds, name_conflicts(plan))
    for number, group in enumerate(groups):
        assert all(need < number for need in group.needs)
    return [[step.node.name for step in group.steps] for group in groups], groups


def image(name, source=None, more=""):
    if source is None:
        return f"{name}: {{node: procedural_art, with: {{count: 12, size: 32{more}}}}}"
    return f"{name}: {{node: dataset_images, from: {{dataset: {source}}}}}"


def test_lattices_of_numbers_are_a_few_groups(tmp_path):
    nodes = ["n0: {node: math}", "n1: {node: math, from: {a: n0}}"]
    nodes += [f"n{i}: {{node: math, from: {{a: n{i - 1}, b: n{i - 2}}}}}" for i in range(2, 1200)]
    names, groups = groups_of(tmp_path, nodes)
    assert len(names) == 3
    assert [group.needs for group in groups] == [set(), {0}, {1}]


def test_a_chain_of_slow_nodes_is_one_task_and_branches_are_not(tmp_path):
    chain = [image("d"), *(image("a", "d"),), "b: {node: resize_image, from: {image: a.image}}"]
    names, _ = groups_of(tmp_path, chain, seconds=9.0)
    assert names == [["d", "a", "b"]]
    branches = [image("d"), *(image(f"b{i}", "d") for i in range(4))]
    names, groups = groups_of(tmp_path, branches, seconds=9.0)
    assert len(names) == 5
    assert all(group.needs == {0} for group in groups[1:])
    names, _ = groups_of(tmp_path, branches, seconds=0.01)
    assert names == [["d", "b0", "b1", "b2", "b3"]]


def test_a_quick_node_does_not_wait_for_a_training_of_others(tmp_path):
    nodes = [
        "n: {node: math}",
        "quick: {node: math, from: {a: n}}",
        image("d"),
        "t: {node: train_vae, from: {dataset: d}}",
        "plot: {node: plot_table, from: {table: t.curves, width: quick}}",
        "other: {node: math, from: {a: quick}}",
    ]
    names, groups = groups_of(tmp_path, nodes)
    place = {name: number for number, group in enumerate(names) for name in group}
    assert place["quick"] == place["other"] != place["plot"]
    assert names[place["t"]] == ["t"]
    assert place["t"] not in groups[place["other"]].needs


def test_what_reads_files_runs_here(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    _names, groups = groups_of(
        tmp_path, ["i: {node: load_image, with: {path: a.png}}", "n: {node: math}"]
    )
    assert [group.is_here for group in groups] == [True, False]
