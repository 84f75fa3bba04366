"""One walk decides what is read in a folder, what is skipped, and in which order."""

import os
import unicodedata
from pathlib import Path

import pytest

from artgraph.pictures.walk import natural_order, printable, walk

NFD = unicodedata.normalize("NFD", "é")


def fill(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def nest(folder, name, depth):
    """Make folders in each other, deeper than the longest path that the system accepts."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        for _ in range(depth):
            Path(name).mkdir()
            os.chdir(name)
    finally:
        os.chdir(before)


def kinds(folder):
    """The kinds of all entries by name, in order."""
    return {entry.name: entry.kind for entry in walk(folder)}


def test_files_come_before_sub_folders_in_natural_order(tmp_path):
    fill(tmp_path, "frame10.png", "b/1.png", "frame2.PNG", "a10/x.jpg", "a9/x.jpg", "a9/c/1.png")
    assert list(kinds(tmp_path)) == [
        *("", "frame2.PNG", "frame10.png", "a9", "a9/x.jpg", "a9/c", "a9/c/1.png"),
        *("a10", "a10/x.jpg", "b", "b/1.png"),
    ]


def test_case_and_zeros_only_decide_between_equal_names():
    names = ["B", "a", "b", "A", "c1", "c01", "c10", "C2", "c"]
    assert sorted(names, key=natural_order) == ["A", "a", "B", "b", "c", "c01", "c1", "C2", "c10"]


SYSTEM = ["@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", ".Trash-1000", "__MACOSX"]
SYSTEM += ["System Volume Information", "#snapshot", ".@__thumb", "@Recycle", "@tmp", ".thumbnails"]


@pytest.mark.parametrize("name", SYSTEM)
def test_folders_of_systems_are_skipped_at_any_depth(tmp_path, name):
    fill(tmp_path, f"{name}/a.png", f"ink/{name}/b.png", "ink/c.png")
    assert kinds(tmp_path) == {
        **{"": "folder", name: "system", "ink": "folder"},
        **{f"ink/{name}": "system", "ink/c.png": "picture"},
    }


def test_hidden_pictures_and_folders_are_skipped_and_files_of_systems_ignored(tmp_path):
    fill(tmp_path, ".a.png", ".git/b.png", ".notes", ".DS_Store", "Thumbs.db", "desktop.ini")
    fill(tmp_path, "._c.png", "c.png@SynoEAStream", "c.png", "notes.txt")
    assert kinds(tmp_path) == {
        **{"": "folder", ".a.png": "hidden", ".git": "hidden"},
        **{"c.png": "picture", "notes.txt": "file"},
    }


def test_what_artgraph_wrote_is_skipped_unless_it_is_the_folder_itself(tmp_path):
    fill(tmp_path, "a.png", "out/g/pic.png", "cache/index.sqlite", "cache/blobs/x", "own/b.png")
    (tmp_path / "out/g/manifest.json").write_text('{\n"artgraph": "0.1.0"}')
    (tmp_path / "own/manifest.json").write_text('{"name": "of another program"}')
    found = kinds(tmp_path)
    assert found["out/g"] == "output"
    assert found["cache"] == "cache"
    assert found["own/b.png"] == "picture"
    assert not any(name.startswith(("out/g/", "cache/")) for name in found)
    assert kinds(tmp_path / "out/g")["pic.png"] == "picture"


def test_what_a_killed_run_wrote_is_skipped(tmp_path):
    fill(tmp_path, "out/g/pic.png", "out/g/.artgraph-journal", "out/h/previews/gan.png")
    fill(tmp_path, "out/h/previews/.artgraph-previews", "previews/own.png")
    assert kinds(tmp_path) == {
        **{"": "folder", "out": "folder", "out/g": "output", "out/h": "folder"},
        **{"out/h/previews": "output", "previews": "folder", "previews/own.png": "picture"},
    }


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_links(tmp_path):
    root = tmp_path / "root"
    fill(root, "a.png", "deep/b.png")
    fill(tmp_path, "secret/s.png")
    links = {"in.png": "deep/b.png", "out.png": "../secret/s.png", "loop.png": "loop.png"}
    links |= {"broken.png": "gone.png", "up": "..", "down": "deep"}
    for name, target in links.items():
        (root / name).symlink_to(target)
    found = kinds(root)
    assert {name: found[name] for name in links} == {
        **{"in.png": "picture", "out.png": "link out", "loop.png": "link to itself"},
        **{"broken.png": "broken link", "up": "link to folder", "down": "link to folder"},
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_skipped(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert kinds(tmp_path)["pipe.png"] == "device"


@pytest.mark.skipif(os.name == "nt", reason="such names can't be made there")
def test_names_that_are_not_utf_8_are_escaped_and_accents_composed(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    fill(tmp_path, f"caf{NFD}.png", "line\nbreak.png")
    assert set(kinds(tmp_path)) == {"", r"caf\xe9.png", "café.png", r"line\nbreak.png"}


def test_printable_names_are_as_they_were():
    for name in ("plain.png", "пейзаж 風景 ☕.png", "👩‍🎨.png", "a\\b.png"):
        assert printable(name) == name


@pytest.mark.skipif(os.name == "nt", reason="paths have another limit there")
def test_a_path_that_is_too_long_for_the_system_is_skipped(tmp_path):
    fill(tmp_path, "a.png")
    nest(tmp_path, "d" * 250, 20)
    found = kinds(tmp_path)
    assert found["a.png"] == "picture"
    assert "long path" in found.values()


def test_a_stamp_changes_if_a_file_is_replaced_and_put_back(tmp_path):
    fill(tmp_path, "a.png", "away.png")

    def stamps():
        return {entry.name: entry.stamp for entry in walk(tmp_path)}

    before = stamps()
    (tmp_path / "a.png").rename(tmp_path / "b")
    (tmp_path / "b").rename(tmp_path / "a.png")
    assert stamps()["away.png"] == before["away.png"]
    if os.name != "nt":
        assert stamps()["a.png"] != before["a.png"]
