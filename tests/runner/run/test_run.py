"""Runs through the command line: reuse, early cutoff, failures, files, events."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from runs import run

from artgraph.cli import progress
from artgraph.runner.run.events import Progressed, Started

CHAIN = """
artgraph: 1
nodes:
  a: {node: noted, with: {value: 4, name: a}}
  b: {node: parity, from: {value: a}}
  c: {node: noted, from: {value: b}, with: {name: c}}
"""


def test_second_run_reuses_everything(cli, pack):
    graph = cli.write("g.yaml", CHAIN)
    first, end = run(cli, graph, "--pack", pack)
    assert (end["event"], end["status"], end["ran"]) == ("run_finished", "done", 3)
    second, end = run(cli, graph, "--pack", pack)
    assert (end["ran"], end["cached"], end["extended"], end["failed"]) == (0, 3, 0, 0)
    assert {n: e["outputs"] for n, e in first.items()} == {
        n: e["outputs"] for n, e in second.items()
    }


def test_equal_output_stops_what_is_below(cli, pack):
    graph = cli.write("g.yaml", CHAIN)
    run(cli, graph, "--pack", pack)
    notes = cli.folder / "notes"
    nodes, end = run(cli, graph, "--pack", pack, "--set", "a.value=6", NOTES=str(notes))
    assert notes.read_text().split() == ["a", "parity"]
    assert nodes["c"]["event"] == "cached"
    assert (end["ran"], end["cached"]) == (2, 1)


def test_names_and_order_are_no_part_of_the_key(cli, pack):
    run(cli, cli.write("g.yaml", CHAIN), "--pack", pack)
    renamed = cli.write(
        "other.yaml",
        "artgraph: 1\nnodes:\n"
        "  z: {node: noted, from: {value: y}, with: {name: c}}\n"
        "  y: {node: parity, from: {value: x}}\n"
        "  x: {node: noted, with: {value: 4, name: a}}\n",
    )
    _, end = run(cli, renamed, "--pack", pack)
    assert end["cached"] == 3


def test_force_runs_again_and_only_narrows(cli, pack):
    graph = cli.write("g.yaml", CHAIN)
    nodes, _ = run(cli, graph, "--pack", pack, "--only", "b")
    assert set(nodes) == {"a", "b"}
    nodes, _ = run(cli, graph, "--pack", pack, "--force", "a", "--only", "b")
    assert (nodes["a"]["event"], nodes["b"]["event"]) == ("finished", "cached")
    done = cli("run", graph, "--pack", pack, "--force", "aa")
    assert done.returncode == 2
    assert "did you mean 'a'?" in done.stderr


def test_no_cache_keeps_nothing(cli, pack):
    graph = cli.write("g.yaml", CHAIN)
    for _ in range(2):
        _, end = run(cli, graph, "--pack", pack, "--no-cache")
        assert end["ran"] == 3
    assert not (cli.folder / "cache").exists()


def test_a_failure_stops_only_what_needs_it(cli, pack):
    graph = cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n"
        "  bad: {node: failing}\n"
        "  needs: {node: noted, from: {value: bad}}\n"
        "  free: {node: noted, with: {value: 1}}\n",
    )
    nodes, end = run(cli, graph, "--pack", pack, code=1)
    bad, needs = nodes["bad"], nodes["needs"]
    assert bad["message"] == f"{graph}:3: node 'bad': it is broken - repair it"
    assert (bad["what"], bad["advice"], bad["because"]) == ("it is broken", "repair it", None)
    assert needs["message"] == f"{graph}:4: node 'needs': needs 'bad', which failed"
    assert (needs["what"], needs["advice"]) == ("needs 'bad', which failed", "")
    assert needs["because"] == "bad"
    assert nodes["free"]["event"] == "finished"
    assert (end["status"], end["failed"], end["ran"]) == ("failed", 2, 1)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("memory", "out of memory - lower size"),
        ("kind", "the node returned a wrong value: a number must be finite, not 'no number'"),
        ("bug", "RuntimeError: a bug in two lines - the details are in out/g/failure.txt"),
    ],
)
def test_any_failure_is_one_line(cli, pack, how, words):
    graph = cli.write(
        "g.yaml", f"artgraph: 1\nnodes: {{bad: {{node: failing, with: {{how: {how}}}}}}}"
    )
    done = cli("run", graph, "--pack", pack)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    if how == "bug":
        assert "Traceback" in (cli.folder / "out/g/failure.txt").read_text()


def test_tracebacks_of_all_bugs_until_a_run_has_none(cli, pack):
    text = "artgraph: 1\nnodes:\n  a: {node: failing, with: {how: HOW}}\n"
    text += "  b: {node: failing, with: {how: bug}}\n  c: {node: noted}\n"
    failure = cli.folder / "out/g/failure.txt"
    run(cli, cli.write("g.yaml", text.replace("HOW", "bug")), "--pack", pack, code=1)
    assert failure.read_text().count("Traceback") == 2
    run(cli, "g.yaml", "--pack", pack, "--only", "c")
    assert failure.exists(), "a part that runs says nothing about the rest"
    cli.write(
        "g.yaml",
        text.replace("failing", "nap")
        .replace("how: HOW", "name: a")
        .replace("how: bug", "name: b"),
    )
    run(cli, "g.yaml", "--pack", pack)
    assert not failure.exists()


def test_a_node_cannot_harm_what_others_get(cli, pack):
    graph = cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n"
        "  grey: {node: grey}\n"
        "  black: {node: blacken, from: {image: grey}}\n"
        "  mean: {node: mean, from: {image: grey}}\n"
        "  half: {node: parity, from: {value: mean}}\n",
    )
    nodes, _ = run(cli, graph, "--pack", pack, code=1)
    assert nodes["mean"]["event"] == "finished"
    assert "0.502 is not a whole number" in nodes["half"]["message"]


def test_type_variables_carry_the_kind_through(cli, pack):
    graph = cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n"
        "  p: {node: points}\n"
        "  one: {node: double, from: {latent: p.gan}}\n"
        "  two: {node: double, from: {latent: one}}\n"
        "  mix: {node: mix_latents, from: {first: two, second: p.gan}}\n",
    )
    run(cli, graph, "--pack", pack)
    wrong = graph.read_text().replace("second: p.gan", "second: p.vae")
    done = cli("validate", cli.write("w.yaml", wrong), "--pack", pack)
    assert done.returncode == 2
    assert "'second' takes a gan_latent, but p.vae is a vae_latent" in done.stderr


def test_an_output_may_stay_empty(cli, pack):
    graph = cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n  p: {node: perhaps}\n"
        "  l: {node: parity, from: {value: p.left}}\n"
        "  r: {node: parity, from: {value: p.right}}\n",
    )
    nodes, _ = run(cli, graph, "--pack", pack, code=1)
    assert nodes["l"]["event"] == "finished"
    assert (
        "'p' returned no 'right' this time - wire an output that it returned: left"
        in nodes["r"]["message"]
    )


FILES = """
artgraph: 1
knobs: {words: hello}
nodes:
  letter: {node: save_text, from: {text: knobs.words}}
"""


def test_files_are_published_kept_and_mended(cli, pack):
    graph = cli.write("g.yaml", FILES)
    letter = cli.folder / "out/g/letter.txt"
    nodes, _ = run(cli, graph, "--pack", pack)
    assert nodes["letter"]["files"] == [str(Path("out/g/letter.txt"))]
    assert letter.read_text() == "hello"
    before = letter.stat().st_mtime_ns
    run(cli, graph, "--pack", pack)
    assert letter.stat().st_mtime_ns == before
    letter.unlink()
    _, end = run(cli, graph, "--pack", pack)
    assert letter.read_text() == "hello"
    assert end["ran"] == 0
    letter.write_text("changed by hand")
    run(cli, graph, "--pack", pack, "--set", "knobs.words=123")
    assert letter.read_text() == "123"
    manifest = json.loads((cli.folder / "out/g/manifest.json").read_text())
    assert manifest["nodes"]["letter"]["type"] == "save_text"
    assert 'knobs:\n  words: "123"\n' in manifest["graph"], "a text, so that it runs again"


def test_of_two_nodes_that_write_one_file_the_later_fails(cli, pack):
    graph = cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n"
        "  a: {node: save_text, with: {text: x, name: same}}\n"
        "  b: {node: save_text, with: {text: y, name: Same}}\n",
    )
    nodes, _ = run(cli, graph, "--pack", pack, code=1)
    assert nodes["a"]["event"] == "finished"
    assert nodes["b"]["event"] == "failed"
    assert "it would overwrite 'Same.txt', which node 'a' writes" in nodes["b"]["message"]


def test_a_file_counts_by_its_content(cli, pack):
    text = cli.write("words.txt", "one")
    graph = cli.write("g.yaml", "artgraph: 1\nnodes: {r: {node: read, with: {path: words.txt}}}")
    run(cli, graph, "--pack", pack)
    text.rename(cli.folder / "moved.txt")
    _, end = run(cli, graph, "--pack", pack, "--set", "r.path=moved.txt")
    assert end["cached"] == 1
    (cli.folder / "moved.txt").write_text("two")
    _, end = run(cli, graph, "--pack", pack, "--set", "r.path=moved.txt")
    assert end["ran"] == 1


def test_graphs_read_only_their_own_folders(cli, pack, tmp_path_factory):
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.txt"
    secret.write_text("secret")
    (cli.folder / "link.txt").symlink_to(secret)
    (cli.folder / "input").mkdir()
    (cli.folder / "input/fine.txt").write_text("fine")
    for path, code in ((secret, 3), ("link.txt", 3), ("nowhere.txt", 3), ("fine.txt", 0)):
        graph = cli.write(
            "g.yaml", f"artgraph: 1\nnodes: {{r: {{node: read, with: {{path: {path}}}}}}}"
        )
        done = cli("run", graph, "--pack", pack)
        assert done.returncode == code, path
        assert len(done.stderr.splitlines()) == (1 if code else 0)
    assert cli("run", graph, "--pack", pack, "--set", f"r.path={secret}").returncode == 0


def test_a_wired_path_is_refused_too(cli, pack):
    graph = cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n  t: {node: text, with: {text: /etc/passwd}}\n"
        "  r: {node: read, from: {path: t}}\n",
    )
    nodes, _ = run(cli, graph, "--pack", pack, code=3)
    assert "outside" in nodes["r"]["message"]


def test_a_picture_does_not_tell_where_the_users_folders_are(cli, pack, tmp_path_factory):
    private = tmp_path_factory.mktemp("private") / "words.txt"
    private.write_text("words")
    cli.write(
        "g.yaml",
        "artgraph: 1\nknobs: {path: words.txt}\nnodes:\n"
        "  one: {node: read, from: {path: knobs.path}}\n"
        "  two: {node: read, with: {path: words.txt}}\n",
    )
    run(
        cli,
        "g.yaml",
        "--pack",
        pack,
        "--set",
        f"knobs.path={private}",
        "--set",
        f"two.path={private}",
    )
    manifest = (cli.folder / "out/g/manifest.json").read_text()
    assert "path: words.txt" in manifest
    assert str(private.parent) not in manifest


def test_plain_lines_tell_how_long_it_will_take(monkeypatch):
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    out = io.StringIO()
    listener = progress.Lines("out", out)
    listener(Started(node="gan", type="train_gan"))
    for words, left in (("step 40 of 100", None), ("step 49 of 100", 108.0)):
        now += 20
        fields = {"done": 1, "total": 100, "words": words, "left": left}
        listener(Progressed(node="gan", type="train_gan", **fields))
    assert out.getvalue().splitlines() == [
        "gan: step 40 of 100",
        "gan: step 49 of 100, about 1 min 48 s left",
    ]


STANDS_IN = """
artgraph: 1
nodes:
  count: {node: number, with: {value: 4}}
  art: {node: procedural_art, from: {count: count}, with: {size: 16}}
  own: {node: load_dataset, from: {fallback: art}, with: {size: 16}}
  shown: {node: dataset_images, from: {dataset: own}}
"""


def test_what_stands_in_for_files_is_spared_where_they_are_given(cli):
    graph = cli.write("g.yaml", STANDS_IN)
    (cli.folder / "mine").mkdir()
    Image.new("RGB", (20, 20), "red").save(cli.folder / "mine" / "a.png")
    mine = ("--set", "own.folder=mine")
    assert run(cli, graph, *mine)[0].keys() == {"own", "shown"}
    planned = json.loads(cli("plan", graph, *mine, "--json").stdout)
    assert {(row["node"], row["action"]) for row in planned} == {
        ("own", "cached"),
        ("shown", "cached"),
    }
    assert run(cli, graph, *mine, "--only", "art")[0].keys() == {"count", "art"}
    assert run(cli, graph)[0].keys() == {"count", "art", "own", "shown"}
    needed = STANDS_IN + "  too: {node: dataset_images, from: {dataset: art}}\n"
    assert run(cli, cli.write("g.yaml", needed), *mine)[0].keys() == {
        "count",
        "art",
        "own",
        "shown",
        "too",
    }


def test_nodes_written_in_any_order_run_in_the_same_order_each_time(cli):
    lines = [f"  n{i}: {{node: math, from: {{a: x{i}, b: y{i}}}}}\n" for i in range(4)]
    lines += [f"  {name}{i}: {{node: number}}\n" for i in range(4) for name in "xy"]
    graph = cli.write("g.yaml", f"artgraph: 1\nnodes:\n{''.join(lines)}")
    plans = [cli("plan", graph, "--json", PYTHONHASHSEED=str(i)).stdout for i in (1, 2, 3)]
    names = [[row["node"] for row in json.loads(plan)] for plan in plans]
    written = [f"{name}{i}" for i in range(4) for name in "xy"] + [f"n{i}" for i in range(4)]
    assert names == [written] * 3


def test_what_is_saved_after_fewer_trainings_comes_first(cli, pack):
    text = """\
artgraph: 1
nodes:
  first: {node: slow_training, with: {steps: 2}}
  art: {node: procedural_art, with: {count: 2, size: 16}}
  second: {node: slow_training, with: {steps: 3}}
  both: {node: save_table, from: {table: first}}
  shown: {node: dataset_images, from: {dataset: art}}
  unsaved: {node: dataset_images, from: {dataset: art}, with: {count: 1}}
  sheet: {node: save_image, from: {image: shown.image}}
"""
    plan = cli("plan", cli.write("g.yaml", text), "--json", "--pack", pack).stdout
    names = [row["node"] for row in json.loads(plan)]
    assert names == ["art", "shown", "sheet", "first", "both", "second", "unsaved"]
