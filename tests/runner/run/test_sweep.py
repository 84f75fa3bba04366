"""Sweeps: every combination once, what they share once, tables and sheets meanwhile."""

import csv
import json
import re
import signal
import time

import pytest
from PIL import Image

from artgraph.contract.errors import GraphError
from artgraph.pictures.xy_sheet import Layout, Place
from artgraph.runner.run.axes import parse_space
from artgraph.runner.run.events import Failed
from artgraph.runner.run.sweep import Combination

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
    assert events[-1]["files"] == [
        f"out/g/sweep/{name}" for name in ("table.csv", "table.json", "picture.png")
    ]
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
        (["--set", "knobs.level=0,x"], "--set knobs.level=x: node 'grey': widget 'level': 'x' is"),
        (["--set", "grey.level=5..40"], "16 combinations were not checked - correct these prob"),
        (["--set", "knobs.level=0,1", "--only", "greys"], "--only greys: "),
        (["--set", "knobs.levle=0,2", "--sample", "2"], "knobs.levle=0: there is no knob 'levle'"),
    ):
        done = cli("sweep", graph, "--pack", pack, *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
    assert not (cli.folder / "out").exists()


@pytest.mark.parametrize(
    ("settings", "more", "message"),
    [
        ("level", {}, "--set level: not a setting"),
        ("g.c=1,2 g.c=3,4", {}, "--set g.c: set twice - write all"),
        ('g.l="0,1', {}, '--set g.l="0,1: unexpected end of data - put a value'),
        ("g.c=1..100001", {}, "'1..100001' has more than 100,000 values - use"),
        ("g.c=1..400 s.v=1..300", {}, "120,000 combinations are more than 100,000"),
        ("g.c=1,2,1", {}, "--set g.c: the value 1 is there twice - remove one"),
        ("g.c=5..1:1", {}, "--set g.c=5..1:1: '5..1:1' is not a range - write START..E"),
        ("g.c=0..1x2", {}, "'0..1x2' is not a range"),
        ("g.c=1,2", {"sample": 3}, "--sample 3: there are only 2 combinations"),
        ("g.c=1,2", {"zipped": ["g.c,s.v"]}, "--zip g.c,s.v: there is no --set s.v - choose"),
        ("a=1 b=1,2", {"zipped": ["a,b"]}, "different numbers of values (a has 1, b has 2)"),
        ("a=1,2 b=1,2", {"zipped": ["a,a"]}, "--zip a,a: a is named twice"),
        ("a=1,1 b=2,2", {"zipped": ["a,b"]}, "the value 1, 2 is there twice"),
    ],
)
def test_settings_that_are_no_combinations(settings, more, message):
    with pytest.raises(GraphError, match=re.escape(message)):
        parse_space(settings.split(), **more)


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


def rows(cli, name):
    return list(csv.DictReader((cli.folder / f"out/{name}/table.csv").read_text().splitlines()))


def values(text, **more):
    return [list(settings.values()) for settings in parse_space(text.split(), **more).settings()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1..4", "1 2 3 4"),
        ("3..1", "3 2 1"),
        ("0..0.4:0.1", "0 0.1 0.2 0.3 0.4"),
        ("1..-1:-0.5", "1 0.5 0 -0.5 -1"),
        ("0..1/5", "0 0.25 0.5 0.75 1"),
        ("0.0001..0.1x10", "0.0001 0.001 0.01 0.1"),
        ("8..1x0.5,20", "8 4 2 1 20"),
        ('"1..4",5', "1..4 5"),
        ("1..2..3", "1..2..3"),
    ],
)
def test_ranges(text, expected):
    assert [value for (value,) in values(f"a.b={text}")] == expected.split()


def test_zipped_settings_change_together():
    zipped = values("a.b=1..3 c.d=x,x,y e.f=0,1", zipped=["a.b,c.d"])
    assert zipped[:3] == [["1", "x", "0"], ["2", "x", "0"], ["3", "y", "0"]]
    assert len(zipped) == 6


def test_a_larger_sample_begins_with_the_smaller_one():
    settings = "a.b=1..30000 c.d=1..30000"
    few, many = (values(settings, sample=count, seed=4) for count in (50, 200))
    assert few == many[:50]
    assert few != values(settings, sample=50, seed=5)
    assert len(set(map(tuple, many))) == 200
    assert sorted(values("a.b=1..9", sample=9)) == values("a.b=1..9")  # without repetition


def layout(across, down, size=(256, 256), count=None):
    columns, lines = (tuple(map(str, range(n))) for n in (across, down))
    labels = (("label",),) * (count or across * down)
    return Layout(columns, lines, labels, ("a", "b"), frozenset([size]))


@pytest.mark.parametrize(
    ("sheet", "is_grid", "pages"),
    [
        (layout(3, 2), True, 1),
        (layout(30, 30), True, 1),
        (layout(50, 100), True, 2),  # wide enough for rows on several pages
        (layout(5, 1000), False, 5),
        (layout(5000, 1), False, 4),
        (layout(0, 0, count=200), False, 1),
    ],
)
def test_a_sheet_that_is_too_large_has_pages(sheet, is_grid, pages):
    assert (sheet.is_grid, sheet.pages) == (is_grid, pages)
    count = len(sheet.labels)
    assert sheet.page_of(count - 1) == pages - 1
    if not is_grid and len(sheet.across) == 5:
        assert sheet.columns % 5 == 0  # the values of the first setting stay below each other
    last = sheet.draw(pages - 1, [Place(None)] * count)
    assert max(last.size) < 4096 + 500
    assert min(sheet.cell) >= 64


def test_places_without_a_picture_are_marked(tmp_path):
    Image.new("RGB", (64, 64), "blue").save(tmp_path / "a.png")
    sheet = layout(4, 1, (64, 64))
    places = [Place(tmp_path / "a.png"), Place(None, "failed", True), Place(None), Place(tmp_path)]
    drawn = sheet.draw(0, places)
    left = drawn.width - 4 * sheet.step[0]
    tops = [drawn.getpixel((left + n * sheet.step[0] + 9, drawn.height - 20)) for n in range(4)]
    assert tops[0] == (0, 0, 255)
    assert tops[1] == tops[3] == (0xFB, 0xE9, 0xE7)  # failed, and a file that can't be read
    assert tops[2] == (0xF3, 0xF3, 0xF1)


MANY = """
artgraph: 1
knobs: {level: 0.5}
nodes:
  seed: {node: noted, with: {value: 1}}
  broken: {node: failing, with: {how: bug}}
  grey: {node: grey, from: {level: knobs.level}}
  nap: {node: nap, from: {value: seed}, with: {seconds: 0.02}}
  picture: {node: save_image, from: {image: grey}}
  half: {node: math, with: {op: divide, a: 1, b: 1}}
"""


def test_failures_are_collected_and_the_rest_is_done(cli, pack):
    cli.write("m.yaml", MANY)
    notes = cli.folder / "notes"
    words = ["--set", "half.b=-30..29", "--set", "knobs.level=0.5"]
    done = cli("sweep", "m.yaml", "--pack", pack, *words, NOTES=str(notes))
    assert done.returncode == 1
    table = rows(cli, "m/sweep")
    assert [row["half.b"] for row in table] == [str(b) for b in range(-30, 30)]
    assert all("node 'broken': RuntimeError: a bug" in row["error"] for row in table)
    assert [row["half.number"] for row in table if row["half.b"] in ("-2", "0", "4")] == [
        *("-0.5", "", "0.25")
    ]
    assert json.loads((cli.folder / "out/m/sweep/table.json").read_text())[34]["half.b"] == "4"
    lines = done.stderr.splitlines()
    assert lines[0].startswith("half.b=-30, knobs.level=0.5: m.yaml:6: node 'broken': RuntimeE")
    assert lines[20:] == [
        "further failures are only in the table of the sweep",
        "60 of 60 combinations failed; see the column `error` of out/m/sweep/table.csv",
    ]
    # The node that failed is the same in all combinations, so it did not run again.
    assert notes.read_text().split().count("failing") == 1
    assert "a bug\nin two lines" in (cli.folder / "out/m/sweep/60/failure.txt").read_text()
    out = done.stdout.splitlines()
    assert out[0] == "60 combinations; what is done so far is in out/m/sweep/previews"
    assert len(out) <= 3 + 6  # a line in ten seconds at most


def test_a_killed_sweep_goes_on_and_a_longer_list_runs_only_what_is_new(cli, pack):
    broken = "  broken: {node: failing, with: {how: bug}}\n"
    slow = "  each: {node: math, from: {a: knobs.level}, with: {op: add, b: 0}}\n"
    slow = (
        MANY.replace(broken, slow).replace("value: seed}", "value: each}").replace("0.02", "0.06")
    )
    graph, notes = cli.write("m.yaml", slow), cli.folder / "notes"
    sweep = cli.folder / "out/m/sweep"

    def words(last):
        levels = ["--set", f"knobs.level=0..{last}:0.005", "--set", "nap.salt=0,1"]
        return ["sweep", graph, "--pack", pack, *levels, "--json"]

    def end(done):
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    process = cli.start(*words(0.2), NOTES=str(notes))
    page = sweep / "previews/picture.png"
    while not page.exists():
        time.sleep(0.02)
        assert process.poll() is None, process.communicate()
    process.kill()
    process.communicate()
    with Image.open(page) as sheet:  # whole, and with places that wait
        colours = {colour for _, colour in sheet.convert("RGB").getcolors(1 << 24)}
    assert {(0, 0, 0), (0xF3, 0xF3, 0xF1)} <= colours
    ran = notes.read_text().split().count("grey")
    assert 0 < ran < 41

    process = cli.start(*words(0.2), NOTES=str(notes))
    for line in process.stdout:
        if json.loads(line)["event"] == "combination_finished":
            break
    process.send_signal(signal.SIGINT)
    stopped = json.loads(process.communicate()[0].splitlines()[-1])
    assert (process.returncode, stopped["status"]) == (130, "interrupted")
    assert stopped["files"][0] == "out/m/sweep/previews/table.csv"

    whole = end(cli(*words(0.2), NOTES=str(notes)))
    assert (whole["total"], whole["done"], whole["failed"]) == (82, 82, 0)
    assert ran - 1 <= whole["reused"] < 82
    ran = notes.read_text().split().count("grey")
    assert ran in (41, 42)  # the node in which it was killed ran again
    assert whole["files"][-1] == "out/m/sweep/picture.png"
    assert not (sweep / "previews").exists()

    before = (sweep / "05/picture.png").stat().st_mtime_ns
    longer = end(cli(*words(0.205), NOTES=str(notes)))
    assert (longer["total"], longer["reused"]) == (84, 82)
    assert (sweep / "05/picture.png").stat().st_mtime_ns == before
    assert notes.read_text().split().count("grey") == ran + 1
    folders = {row["folder"]: row["knobs.level"] for row in rows(cli, "m/sweep")}
    assert folders["out/m/sweep/84"] == "0.205"  # new ones get the next numbers


def test_the_error_of_a_combination_names_all_nodes_that_failed():
    combination = Combination(1, {})
    for node, because in (("a", None), ("b", None), ("c", "a")):
        facts = {"type": "x", "what": "", "advice": "", "because": because}
        message = f"{node}: wrong"
        combination.record(Failed(node=node, message=message, **facts))
    assert combination.error == "a: wrong; b: wrong"
