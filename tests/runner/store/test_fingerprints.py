"""The fingerprints of the files and folders that nodes read."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from artgraph.contract.errors import InputError
from artgraph.runner.store import fingerprints
from artgraph.runner.store.store import Store


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "cache")
    yield store
    store.close()


@pytest.fixture
def folder(tmp_path):
    """A folder of files that are old enough for their digests to be stored."""
    folder = tmp_path / "pictures"
    for name in ("ink/a.png", "ink/b.png", "notes.txt"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    time.sleep(2.1)
    return folder


def remembered(store):
    return dict(store.index.rows("SELECT name, file FROM stamps"))


def test_the_names_and_contents_of_pictures_count(store, folder):
    seen = [store.fingerprint(folder, True)]
    (folder / "ink/a.png").write_text("other")
    seen.append(store.fingerprint(folder, True))
    (folder / "ink/a.png").rename(folder / "ink/c.png")
    seen.append(store.fingerprint(folder, True))
    (folder / "empty").mkdir()
    seen.append(store.fingerprint(folder, True))
    (folder / "more.heic").write_text("x")
    seen.append(store.fingerprint(folder, True))
    assert len(set(seen)) == 5


def test_the_content_of_other_files_counts_only_if_they_may_be_read(store, folder):
    def both():
        return store.fingerprint(folder, True), store.fingerprint(folder)

    pictures, files = both()
    (folder / "notes.txt").write_text("more")
    assert both()[0] == pictures
    assert both()[1] != files


def test_a_file_without_a_suffix_counts_if_it_is_a_picture(store, folder):
    (folder / "IMG_1").write_bytes(b"no picture")
    seen = [store.fingerprint(folder, True)]
    (folder / "IMG_1").write_bytes(b"no pictures either")
    seen.append(store.fingerprint(folder, True))
    assert seen[0] == seen[1]
    (folder / "IMG_1").write_bytes(b"\xff\xd8\xff\xe0")
    assert store.fingerprint(folder, True) != seen[0]
    files = store.fingerprint(folder)
    (folder / "IMG_1").write_bytes(b"\xff\xd8\xff\xe1")
    assert store.fingerprint(folder) != files


def test_what_is_beside_a_folder_of_pictures_counts(store, folder, tmp_path):
    def both():
        return store.fingerprint(folder, True), store.fingerprint(folder)

    before = both()
    stamps = store.snapshot(folder, True).stamps
    (tmp_path / "prices.csv").touch()
    assert both() == before
    (tmp_path / "labels.csv").touch()
    assert both()[0] != before[0]
    assert both()[1] == before[1]
    assert store.snapshot(folder, True).stamps != stamps
    (tmp_path / "labels.csv").unlink()
    assert both() == before


def test_tables_beside_an_archive_count(store, folder, tmp_path):
    for name in ("a.zip", "a.png"):
        (tmp_path / name).write_bytes(b"x")
    before = [store.snapshot(tmp_path / name, True) for name in ("a.zip", "a.png")]
    (tmp_path / "labels.csv").touch()
    after = [store.snapshot(tmp_path / name, True) for name in ("a.zip", "a.png")]
    assert after[0].fingerprint != before[0].fingerprint
    assert after[0].stamps != before[0].stamps
    assert after[1] == before[1]


@pytest.mark.parametrize(("package", "line"), [("pillow_heif", "HEIF"), ("pillow_jxl", "JXL")])
def test_a_format_that_is_installed_later_is_read_again(folder, package, line):
    # What is installed can't be changed for one test: each fingerprint is of a fresh process.
    code = (
        "import sys\n"
        "for name in sys.argv[2:]: sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from artgraph.runner.store.store import Store\n"
        "from artgraph.pictures.suffixes import unusual_formats\n"
        "store = Store(Path(sys.argv[1]).parent / 'cache')\n"
        "print(store.fingerprint(Path(sys.argv[1]), True), *unusual_formats())\n"
        "store.close()"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", code, str(folder), *more],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for more in ([], [package])
    ]
    if (line in found[0]) != (line in found[1]):  # the package is installed
        assert found[0][0] != found[1][0]


def test_the_place_of_a_folder_and_files_of_systems_do_not_count(store, folder, tmp_path):
    before = store.fingerprint(folder, True)
    (folder / ".DS_Store").write_text("x")
    folder.rename(tmp_path / "elsewhere")
    assert store.fingerprint(tmp_path / "elsewhere", True) == before


def test_a_digest_is_read_from_the_index_while_the_stamp_is_the_same(store, folder):
    before = store.fingerprint(folder, True)
    with store.index.writing() as connection:  # digests of other contents
        connection.execute(
            "UPDATE stamps SET file = CAST(substr(file, 1, 32) || zeroblob(16) AS BLOB)"
        )
    assert store.fingerprint(folder, True) != before
    os.utime(folder / "ink/a.png", ns=(1, 1))
    os.utime(folder / "ink/b.png", ns=(1, 1))
    assert store.fingerprint(folder, True) == before


def test_what_is_no_longer_there_is_forgotten(store, folder):
    store.fingerprint(folder, True)
    assert set(remembered(store)) == {b"a.png", b"b.png"}
    (folder / "ink/a.png").unlink()
    store.fingerprint(folder)
    assert set(remembered(store)) == {b"b.png", b"notes.txt"}
    store.fingerprint(folder, True)
    assert set(remembered(store)) == {b"b.png", b"notes.txt"}


def test_a_file_that_has_just_changed_is_not_remembered(store, folder):
    (folder / "ink/a.png").write_text("new")
    store.fingerprint(folder, True)
    assert set(remembered(store)) == {b"b.png"}


def test_a_picture_with_a_date_in_the_future_is_remembered(store, folder):
    os.utime(folder / "ink/a.png", (2**32, 2**32))
    time.sleep(2.1)
    store.fingerprint(folder, True)
    assert b"a.png" in remembered(store)


def test_a_single_file_is_remembered_beside_a_folder(store, folder):
    digest = store.fingerprint(folder / "notes.txt")
    store.fingerprint(folder / "ink/a.png")
    assert set(remembered(store)) == {b"notes.txt", b"a.png"}
    (folder / "notes.txt").write_text("other")
    assert store.fingerprint(folder / "notes.txt") != digest


@pytest.mark.skipif(os.name == "nt", reason="ctime is the time of creation there")
@pytest.mark.parametrize("what", ["ink/a.png", "ink"])
def test_stamps_change_if_something_is_away_for_a_moment(store, folder, what):
    before = store.snapshot(folder, True)
    (folder / what).rename(folder.parent / "away")
    (folder.parent / "away").rename(folder / what)
    after = store.snapshot(folder, True)
    assert after.fingerprint == before.fingerprint
    assert after.stamps != before.stamps


def test_many_digests_are_written_in_few_transactions(store, folder, monkeypatch):
    monkeypatch.setattr(fingerprints, "_ROWS", 4)
    for number in range(10):
        (folder / f"{number}.png").write_text("x")
    time.sleep(2.1)
    store.fingerprint(folder, True)
    assert len(remembered(store)) == 12


def test_names_that_are_not_utf_8_are_remembered(store, folder):
    if os.name != "nt":
        (folder / os.fsdecode(b"caf\xe9.png")).write_text("x")
        time.sleep(2.1)
        assert store.fingerprint(folder, True) == store.fingerprint(folder, True)
        assert b"caf\xe9.png" in remembered(store)


def test_how_a_folder_changed(store, folder):
    before = store.fingerprint(folder, True)
    (folder / "ink/a.png").write_text("other")
    (folder / "ink/b.png").unlink()
    for name in ("c.png", "d.png"):
        (folder / name).write_text(name)
    now = store.fingerprint(folder, True)
    assert store.changes(before, now) == (2, 1, 1)
    assert store.changes(now, before) == (1, 2, 1)
    assert store.changes("unknown", now) is None


def test_the_oldest_contents_are_deleted_if_they_take_too_much(store, folder, monkeypatch):
    monkeypatch.setattr(fingerprints, "_MAX_CONTENTS", 300)
    seen = []
    for number in range(4):
        (folder / "ink/a.png").write_text(str(number))
        seen.append(store.fingerprint(folder, True))
    assert store.changes(seen[2], seen[3]) == (0, 0, 1)
    assert store.changes(seen[0], seen[3]) is None


def test_a_cache_of_an_earlier_version_goes_on_working(tmp_path, folder):
    Store(tmp_path / "cache").close()
    with closing(sqlite3.connect(tmp_path / "cache/index.sqlite")) as connection:
        connection.executescript("DROP TABLE stamps; DROP TABLE contents;")
        connection.execute("INSERT INTO files VALUES ('a', 1, 1, 1, 'digest')")
        connection.commit()
    store = Store(tmp_path / "cache")
    assert store.fingerprint(folder, True) == store.fingerprint(folder, True)
    assert set(remembered(store)) == {b"a.png", b"b.png"}
    store.close()


def test_a_folder_that_is_gone_is_an_error_in_one_line(store, tmp_path):
    with pytest.raises(InputError, match=r"gone: can't be read: No such file.* - correct its name"):
        store.fingerprint(tmp_path / "gone")
