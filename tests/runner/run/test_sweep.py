"""Sweeps: every combination once, what they share once, a table and sheets at the end."""

import csv
import json

from PIL import Image

GRAPH = """
artgraph: 1
knobs: {level: 0.5}
nodes:
  seed: {node: noted, with: {value: 1}}
  grey: {node: grey, from: {level: knobs.level}, with: {count: 1}}
  mean: {node: mean, from: {image: grey}}
  same: {node: grey}
  picture: {node: save_image, from: {image: grey}}
  other: {node: save_image, from: {image: same}}
"""


def test_every_combination_and_a_sheet(cli, pack):
    graph = cli.write("g.yaml", GRAPH)
    words = ["--set", "knobs.level=0,0.5,1", "--set", "grey.count=1,2"]
    notes = cli.folder / "notes"
    done = cli("sweep", graph, "--pack", pack, *words, "--json", NOTES=str(notes))
    assert done.returncode == 0, done.stderr
    # The node that all share ran once, and `same` is what one of the combinations is.
    assert sorted(notes.read_text().split()) == ["grey"] * 6 + ["noted"]
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["number"] for e in events if e["event"] == "combination"] == [1, 2, 3, 4, 5, 6]
    assert events[-1]["files"] == ["out/g/sweep/table.csv", "out/g/sweep/picture.png"]
    rows = list(csv.DictReader((cli.folder / "out/g/sweep/table.csv").read_text().splitlines()))
    assert [(row["knobs.level"], row["grey.count"]) for row in rows][:4] == [
        ("0", "1"),
        ("0.5", "1"),
        ("1", "1"),
        ("0", "2"),
    ]
    assert [row["mean.number"] for row in rows] == ["0.0", "0.502", "1.0"] * 2
    with Image.open(cli.folder / "out/g/sweep/picture.png") as sheet:
        colours = {colour for _, colour in sheet.convert("L").getcolors()}
        assert {0, 128, 255} <= colours
        assert sheet.width > 3 * 100
    assert len(list((cli.folder / "out/g/sweep/4").glob("picture*.png"))) == 2


def test_what_is_wrong_is_told_before_anything_runs(cli, pack):
    graph = cli.write("g.yaml", GRAPH)
    for words, message in (
        (["knobs.level=0,2,x"], "--set knobs.level=x: node 'grey': widget 'level': 'x' is not"),
        (["knobs.levle=0,2"], "--set knobs.levle=0: there is no knob 'levle' - did you mean"),
        (["level"], "--set level: not a setting"),
        (["grey.count=1,2", "grey.count=3,4"], "--set grey.count: set twice - write all"),
        (['grey.level="0,1'], '--set grey.level="0,1: unexpected end of data - put a value'),
        ([f"grey.count={','.join(['1'] * 1001)}"], "1001 combinations are more than 1000 - use"),
    ):
        done = cli("sweep", graph, "--pack", pack, *(w for s in words for w in ("--set", s)))
        assert done.returncode == 2, message
        assert message in done.stderr
    for words, message in (
        (["--only", "greys"], "--only greys: "),
        (["--memory", "much"], "--memory much: not a size"),
    ):
        done = cli("sweep", graph, "--pack", pack, "--set", "knobs.level=0,1", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(message)
    assert not (cli.folder / "out").exists()


def test_a_comma_stands_in_quotes_and_failures_are_told(cli, pack):
    text = "artgraph: 1\nnodes: {t: {node: save_text, with: {text: x, name: t}}}"
    graph = cli.write("g.yaml", text)
    done = cli("sweep", graph, "--pack", pack, "--set", 't.text="a, b",c')
    assert done.returncode == 0
    assert "1 ran; see out/g/sweep/2\n" in done.stdout
    assert (cli.folder / "out/g/sweep/1/t.txt").read_text() == "a, b"
    assert (cli.folder / "out/g/sweep/2/t.txt").read_text() == "c"
    bad = cli.write("b.yaml", "artgraph: 1\nnodes: {f: {node: failing}, n: {node: noted}}")
    done = cli("sweep", bad, "--pack", pack, "--set", "n.value=1,2")
    assert done.returncode == 1
    assert "it is broken" in done.stderr
    rows = list(csv.DictReader((cli.folder / "out/b/sweep/table.csv").read_text().splitlines()))
    assert [row["status"] for row in rows] == ["failed", "failed"]
