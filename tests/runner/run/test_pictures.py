"""A folder of pictures through a graph: names, failures, interruptions, and what is refused."""

import json
import signal
import time

import numpy as np
import pytest
from PIL import Image
from runs import events

GRAPH = """
artgraph: 1
nodes:
  photo: {node: look, with: {portrait: photos}}
  shared: {node: noted, with: {value: 1}}
  saved: {node: save_letter, from: {text: photo}, with: {title: "{source}"}}
  once: {node: save_number, from: {value: shared}}
"""


def paint(path, level=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 9, 3), level, np.uint8)).save(path)


@pytest.fixture
def photos(cli):
    for number, name in enumerate(("b.png", "a.jpg", "sub/deep/c.png", "sub/a.png")):
        paint(cli.folder / "photos" / name, number)
    return cli.folder / "photos"


@pytest.fixture
def go(cli, pack):
    def call(graph="g.yaml", *words, code=0, **environment):
        done = cli("run", graph, "--pack", pack, "--json", *words, **environment)
        assert done.returncode == code, done.stderr
        return events(done)

    call.out = cli.folder / "out" / "g"
    call.manifest = lambda: json.loads((call.out / "manifest.json").read_text())
    call.saved = lambda: sorted(
        path.relative_to(call.out).as_posix() for path in call.out.rglob("*.txt")
    )
    return call


def ran(lines):
    """The nodes that ran, each with its picture."""
    return sorted((e["node"], e["picture"] or "") for e in lines if e["event"] == "finished")


def last(lines, kind):
    return next(e for e in reversed(lines) if e["event"] == kind)


def test_each_picture_comes_out_under_its_name(cli, go, photos):
    cli.write("g.yaml", GRAPH)
    lines = go()
    assert go.saved() == ["a.txt", "b.txt", "once.txt", "sub/a.txt", "sub/deep/c.txt"]
    assert (go.out / "sub/deep/c.txt").read_text() == "c.png"
    names = ["a.jpg", "b.png", "sub/a.png", "sub/deep/c.png"]
    started = [e for e in lines if e["event"] == "picture"]
    assert [(e["number"], e["total"], e["picture"]) for e in started] == [
        (number, 4, name) for number, name in enumerate(names, 1)
    ]
    each = [(node, name) for node in ("photo", "saved") for name in names]
    assert ran(lines) == sorted([*each, ("once", ""), ("shared", "")])
    assert last(lines, "run_finished")["ran"] == 10
    files = go.manifest()["files"]
    assert {name: entry.get("source") for name, entry in files.items()} == {
        "once.txt": None,
        **{name.rpartition(".")[0] + ".txt": name for name in names},
    }
    again = go()
    assert ran(again) == []
    assert last(again, "pictures_finished")["reused"] == 4
    assert {e["state"] for e in go.manifest()["files"].values()} == {"unchanged"}


def test_only_what_changed_in_the_folder_runs(cli, go, photos):
    cli.write("g.yaml", GRAPH)
    go()
    paint(photos / "b.png", 99)
    paint(photos / "sub/new.png", 98)
    (photos / "a.jpg").unlink()
    assert ran(go()) == [("photo", "b.png"), ("photo", "sub/new.png"), ("saved", "sub/new.png")]
    assert go.saved() == [
        *("b.txt", "earlier/0001/a.txt", "once.txt", "sub/a.txt", "sub/deep/c.txt", "sub/new.txt")
    ]


def test_names_are_made_safe_and_nothing_is_overwritten(cli, go, photos):
    for name in ("a.png", "A.gif", "con.png", "x: y?.png", "sub/a.jpg", "sweep/e.png"):
        paint(photos / name)
    cli.write("g.yaml", GRAPH)
    note = last(go(), "warning")["message"]
    assert go.saved() == [
        *("A.gif.txt", "_con.txt", "a.jpg.txt", "a.png.txt", "b.txt", "once.txt"),
        *("sub/a.jpg.txt", "sub/a.png.txt", "sub/deep/c.txt", "sweep_/e.txt", "x_ y_.txt"),
    ]
    assert "8 pictures get another name" in note
    assert "'a.jpg' as 'a.jpg.*'" in note
    (photos / "notes.doc").write_text("")
    assert "left out: 1 DOC (notes.doc)" in last(go(), "warning")["message"]


def test_a_damaged_picture_fails_alone(cli, go, photos):
    for path in photos.rglob("*.*"):
        paint(path.with_suffix(".png"))  # one content, and so one key, for all names
    (photos / "a.jpg").unlink()
    (photos / "bad.png").write_bytes(b"no picture")
    graph = """
artgraph: 1
nodes:
  photo: {node: load_image, with: {path: photos}}
  saved: {node: save_image, from: {image: photo}, with: {name: "p/{source}_2"}}
"""
    cli.write("g.yaml", graph)
    done = cli("run", "g.yaml")
    assert done.returncode == 3
    assert "bad.png: g.yaml:4: node 'photo': can't read 'bad.png'" in done.stderr
    assert done.stderr.endswith("1 of 5 pictures failed: bad.png\n")
    assert "picture 1 of 5: a.png -> out/g/p/a_2.png\n" in done.stdout
    assert "4 of 5 pictures done, 3 of them reused\n" in done.stdout
    assert sorted(p.name for p in go.out.rglob("*.png")) == ["a_2.png"] * 2 + ["b_2.png", "c_2.png"]
    (photos / "bad.png").unlink()
    assert last(go(), "run_finished")["ran"] == 0
    assert cli("run", "g.yaml", "--set", "photo.path=photos/b.png").returncode == 0
    assert [p.name for p in (go.out / "p").glob("*.png")] == ["b_2.png"]


def test_a_failure_of_what_all_pictures_need_is_reported_once(cli, go, photos):
    graph = GRAPH.replace("{node: noted, with: {value: 1}}", "{node: failing}")
    graph += "  both: {node: nap, from: {value: shared, name: photo}}\n"
    cli.write("g.yaml", graph.replace("from: {text: photo}", "from: {text: photo, seconds: both}"))
    failed = [e["node"] for e in go(code=1) if e["event"] == "failed"]
    assert sorted(failed) == ["both", "once", "saved", "shared"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_goes_on_where_it_stopped(cli, go, pack, photos, number):
    cli.write("g.yaml", GRAPH)
    go()
    slow = ["--set", "saved.seconds=0.4"]
    process = cli.start("run", "g.yaml", "--pack", pack, "--json", *slow)
    until = time.monotonic() + 60
    done = []
    while len(done) < 2 and time.monotonic() < until:
        event = json.loads(process.stdout.readline())
        done += [event["picture"]] * (event["event"] == "finished" and event["node"] == "saved")
    process.send_signal(number)
    process.communicate()
    lines = go("g.yaml", *slow)
    assert {picture for node, picture in ran(lines)}.isdisjoint(done)
    assert last(lines, "pictures_finished")["done"] == 4
    assert [name for name in go.saved() if "earlier" not in name] == [
        *("a.txt", "b.txt", "once.txt", "sub/a.txt", "sub/deep/c.txt")
    ]
    moved = [name for name in go.saved() if name.startswith("earlier")]
    assert len(moved) <= 4, moved  # of the first run, each at most once
    assert not last(go("g.yaml", *slow), "run_finished")["moved"]


def test_the_plan_counts_pictures(cli, go, pack, photos):
    cli.write("g.yaml", GRAPH)
    go()
    paint(photos / "sub/new.png", 98)
    done = cli("plan", "g.yaml", "--pack", pack)
    rows = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert rows["photo"].startswith("run     5 pictures in 'photos'; 4 of them are done")
    assert rows["saved"] == "run     4 of 5 results are stored"
    assert rows["shared"] == "cached  its result is stored"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["saved.title=x"], "node 'saved': 'photo' goes through a folder of pictures, but"),
        (["saved.title=x"], '- set `title` to a name with {source}, such as "saved/{source}"'),
        (["saved.title={sauce}"], "widget 'title': '{sauce}' stands for nothing - write {source}"),
        (["saved.title={source}{source}"], "contains several pictures - write one {source}"),
        (["other.portrait=photos"], "'photo' and 'other' both name a folder of pictures"),
        (["saved.title={source:other}"], "'other' has the same picture for all pictures of the"),
        (["once.name={source}"], "{source} is the name of a picture file, but this node does not"),
        (["photo.portrait=photos/b.png"], "{source} may be the picture of 'photo' or 'other' - ch"),
        (["photo.portrait=empty"], "no pictures in 'empty' - put pictures into it"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(cli, pack, photos, settings, message):
    (cli.folder / "empty").mkdir()
    graph = GRAPH.replace("save_number", "save_text").replace("value: shared", "text: shared")
    graph = graph.replace("{node: noted, with: {value: 1}}", "{node: words}")
    graph += (
        "  other: {node: look, with: {portrait: photos/b.png}}\n"
        "  pair: {node: join_words, from: {first: photo, second: other}}\n"
    )
    cli.write("g.yaml", graph.replace("from: {text: photo}", "from: {text: pair}"))
    words = [word for setting in settings for word in ("--set", setting)]
    done = cli("run", "g.yaml", "--pack", pack, *words)
    assert done.returncode in (2, 3)
    assert message in done.stderr
    assert not list((cli.folder / "out").rglob("*.txt"))


def test_without_a_folder_the_source_is_the_one_file(cli, go, pack, photos):
    cli.write("g.yaml", GRAPH)
    go("g.yaml", "--set", "photo.portrait=photos/sub/deep/c.png")
    assert go.saved() == ["c.txt", "once.txt"]
    (photos / "sub/deep/c.png").rename(photos / "d.png")  # the same content and key
    go("g.yaml", "--set", "photo.portrait=photos/d.png", "--set", "saved.title={source:photo}")
    assert go.saved() == ["d.txt", "earlier/0001/c.txt", "once.txt"]
    go("g.yaml", "--set", "photo.portrait=")
    assert "photo.txt" in go.saved()
    done = cli("sweep", "g.yaml", "--pack", pack, "--set", "shared.value=1,2")
    assert done.returncode == 2
    assert "node 'photo' names a folder of pictures - name one picture" in done.stderr
