"""Graphs inside graphs: knobs, wires in and out, cache, errors, loops, confinement."""

import json

import pytest

INNER = """\
artgraph: 1
knobs: {level: 0.25, words: inner}
nodes:
  picture: {node: grey, from: {level: knobs.level}}
  value: {node: mean, from: {image: picture}}
  letter: {node: save_text, from: {text: knobs.words}}
"""

OUTER = """\
artgraph: 1
knobs: {shade: 0.75}
nodes:
  one: {node: ./inner.yaml, with: {words: one}}
  two: {node: ./inner.yaml, from: {level: knobs.shade}, with: {words: two}}
  sum: {node: math, from: {a: one/value, b: two/value.number}}
"""


def run(cli, pack, *words, code=0, **environment):
    done = cli("run", *words, "--pack", pack, "--json", **environment)
    assert done.returncode == code, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    ended = {e["node"]: e for e in events if e["event"] in ("finished", "cached", "failed")}
    return ended, events[-1]


@pytest.fixture
def inner(cli):
    return cli.write("inner.yaml", INNER)


def test_knobs_wires_and_files(cli, pack, inner):
    nodes, _ = run(cli, pack, cli.write("g.yaml", OUTER))
    assert set(nodes) == {
        *("one/picture", "one/value", "one/letter"),
        *("two/picture", "two/value", "two/letter", "sum"),
    }
    assert (cli.folder / "out/g/one.letter.txt").read_text() == "one"
    manifest = json.loads((cli.folder / "out/g/manifest.json").read_text())
    again = cli.write("flat.yaml", manifest["graph"])
    _, end = run(cli, pack, again, "--only", "sum")
    assert end["ran"] == 0, "the flat graph in a manifest is one that runs"


def test_inner_nodes_share_the_cache(cli, pack, inner):
    run(cli, pack, inner, "--set", "knobs.level=0.75")
    notes = cli.folder / "notes"
    nodes, _ = run(cli, pack, cli.write("g.yaml", OUTER), "--only", "sum", NOTES=str(notes))
    assert notes.read_text().split() == ["grey"], "the other one ran in the inner graph"
    assert nodes["two/picture"]["event"] == "cached"


def test_settings_reach_inside(cli, pack, inner):
    graph = cli.write("g.yaml", OUTER)
    words = ["--set", "one.level=0.75", "--set", "two/picture.count=3", "--set", "knobs.shade=1"]
    nodes, _ = run(cli, pack, graph, *words)
    plan = cli("plan", graph, "--pack", pack, *words, "--only", "two/picture", "--json")
    (row,) = json.loads(plan.stdout)
    assert (row["node"], row["action"]) == ("two/picture", "cached")
    assert nodes["one/picture"]["outputs"] != nodes["two/picture"]["outputs"]
    wrong = cli("validate", graph, "--pack", pack, "--set", "one.levl=3")
    assert wrong.stderr.startswith("--set one.levl=3: node 'one': ./inner.yaml has no knob 'levl'")
    wrong = cli("validate", graph, "--pack", pack, "--set", "two/pictur.count=3")
    assert "there is no node 'two/pictur' - did you mean 'two/picture'?" in wrong.stderr


def test_a_graph_inside_is_named_as_a_whole(cli, pack, inner):
    graph = cli.write("g.yaml", OUTER)
    inside = {"two/picture", "two/value", "two/letter"}
    nodes, _ = run(cli, pack, graph, "--only", "two")
    assert set(nodes) == inside
    plan = json.loads(cli("plan", graph, "--pack", pack, "--force", "two", "--json").stdout)
    forced = {row["node"] for row in plan if row["why"] == "it is forced with --force"}
    assert forced == {"two/picture", "two/letter"}
    nodes, end = run(cli, pack, graph, "--only", "two", "--force", "two")
    assert (set(nodes), end["ran"]) == (inside, 3)


def test_inputs_are_wired_anew_and_what_fed_them_is_left_out(cli, pack, inner):
    graph = cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n  mine: {node: grey, with: {level: 1}}\n"
        "  up: {node: inner.yaml, from: {value.image: mine}, with: {letter.name: x}}\n",
    )
    nodes, _ = run(cli, pack, graph)
    assert set(nodes) == {"mine", "up/value", "up/letter"}
    assert (cli.folder / "out/g/x.txt").exists()


def test_three_levels_and_paths_relative_to_each_file(cli, pack):
    (cli.folder / "sub/deep").mkdir(parents=True)
    cli.write("sub/deep/words.txt", "deep words")
    cli.write(
        "sub/deep/c.yaml",
        "artgraph: 1\nknobs: {file: words.txt}\nnodes: {r: {node: read, from: {path: knobs.file}}}",
    )
    cli.write(
        "sub/b.yaml",
        "artgraph: 1\nnodes:\n  c: {node: deep/c.yaml}\n  s: {node: save_text, from: {text: c/r}}",
    )
    graph = cli.write("a.yaml", "artgraph: 1\nnodes: {b: {node: ./sub/b.yaml}}")
    run(cli, pack, graph)
    assert (cli.folder / "out/a/b.s.txt").read_text() == "deep words"
    words = ["--set", "b/c/r.path=sub/b.yaml"]
    nodes, _ = run(cli, pack, graph, *words)
    assert nodes["b/c/r"]["event"] == "finished"


@pytest.mark.parametrize(
    ("outer", "inner_change", "line"),
    [
        ("with: {lvel: 1}", "", "g.yaml:3: node 'i': inner.yaml has no knob 'lvel' - did you mea"),
        ("with: {pic.count: 1}", "", "g.yaml:3: node 'i': inner.yaml has no node 'pic' - did you"),
        (
            "with: {level: 7}",
            "",
            "g.yaml:3: node 'i/picture': widget 'level': 7 is too large - the maximum is 1",
        ),
        (
            "about: x",
            "from: {level: knobs.levl}",
            "g.yaml:3: inner.yaml:4: node 'i/picture': there is no knob 'levl' - did you mean 'le",
        ),
        (
            "about: x",
            "with: {count: many}",
            "g.yaml:3: inner.yaml:4: node 'i/picture': widget 'count': 'many' is not a whole",
        ),
        (
            "about: x",
            "frm: {}",
            "g.yaml:3: inner.yaml:4: node 'i/picture': unknown key 'frm' - did you mean 'from'?",
        ),
    ],
)
def test_errors_name_both_files(cli, pack, outer, inner_change, line):
    text = INNER.replace("from: {level: knobs.level}", inner_change or "from: {level: knobs.level}")
    cli.write("inner.yaml", text)
    cli.write("g.yaml", f"artgraph: 1\nnodes:\n  i: {{node: inner.yaml, {outer}}}\n")
    done = cli("validate", "g.yaml", "--pack", pack)
    assert done.returncode == 2
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == 1


def test_a_failure_inside_names_both_files(cli, pack):
    cli.write("inner.yaml", "artgraph: 1\nnodes:\n  bad: {node: failing}\n")
    cli.write("g.yaml", "artgraph: 1\nnodes:\n  i: {node: inner.yaml}\n")
    nodes, _ = run(cli, pack, "g.yaml", code=1)
    message = "g.yaml:3: inner.yaml:3: node 'i/bad': it is broken - repair it"
    assert nodes["i/bad"]["message"] == message


def test_a_graph_that_contains_itself(cli):
    cli.write("a.yaml", "artgraph: 1\nnodes: {b: {node: b.yaml}}")
    cli.write("b.yaml", "artgraph: 1\nnodes: {a: {node: ./a.yaml}}")
    done = cli("validate", "a.yaml")
    assert done.returncode == 2
    assert "node 'b/a': the graph contains itself (a.yaml -> b.yaml -> a.yaml)" in done.stderr


def test_graphs_nested_too_deep(cli):
    for number in range(40):
        text = f"artgraph: 1\nnodes: {{n: {{node: g{number + 1}.yaml}}}}"
        cli.write(f"g{number}.yaml", text)
    cli.write("g40.yaml", "artgraph: 1\nnodes: {n: {node: number}}")
    done = cli("validate", "g0.yaml")
    assert done.returncode == 2
    assert done.stderr.rstrip().endswith("over 32 graphs inside each other - use fewer levels")
    assert cli("validate", "g8.yaml").returncode == 0


def test_a_bomb_is_refused(cli):
    for number in range(30):
        cli.write(
            f"g{number}.yaml",
            "artgraph: 1\nnodes: {"
            + ", ".join(f"n{i}: {{node: g{number + 1}.yaml}}" for i in range(9))
            + "}",
        )
    cli.write("g30.yaml", "artgraph: 1\nnodes: {n: {node: number}}")
    done = cli("validate", "g0.yaml")
    assert done.returncode == 2
    assert "remove some" in done.stderr


def test_inner_graphs_stay_in_the_folders(cli, pack, inner, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret.yaml"
    elsewhere.write_text(INNER)
    (cli.folder / "link.yaml").symlink_to(elsewhere)
    for path in (elsewhere, "link.yaml", "../nowhere.yaml"):
        cli.write("g.yaml", f"artgraph: 1\nnodes: {{i: {{node: {path}}}}}")
        done = cli("validate", "g.yaml", "--pack", pack)
        assert done.returncode in (2, 3)
        assert len(done.stderr.splitlines()) == 1
    cli.write(
        "g.yaml", "artgraph: 1\nnodes: {i: {node: inner.yaml}, m: {node: mean, from: {image: i}}}"
    )
    done = cli("validate", "g.yaml", "--pack", pack)
    assert (
        "'i' is a graph inside this graph - name one of its nodes: i/picture, i/value, i/letter"
        in done.stderr
    )
