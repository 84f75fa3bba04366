"""Classes from a table beside the pictures, and pictures in Parquet files."""

import sys

import pytest
import torch
from packing import by_name, load, png, write_folder, write_parquet, write_zip

from artgraph.contract.errors import InputError
from artgraph.runner.store.store import Store

PICTURES = {f"{name}.png": png("red") for name in ("a", "b", "c")}


def labelled(folder, text, name="labels.csv", encoding="utf-8", **widgets):
    """The classes of a folder of three pictures with a table, and what is reported."""
    write_folder(folder, PICTURES)
    (folder / name).write_bytes(text.encode(encoding))
    dataset, lines = load(folder, **widgets)
    return by_name(dataset), lines[-1]


CAT_AND_DOG = {"a.png": "cat", "b.png": "dog", "c.png": "cat"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metadata.csv", "file_name,label\na.png,cat\nb.png,dog\nc.png,cat\n"),
        ("l.csv", "\ufeffFile_Name ; hue; Label\r\na.png;1;cat\r\n\r\nb.png;2;dog\r\nc.png;3;cat"),
        ("l.tsv", "label\tfilename\ncat\ta.png\ndog\tb.png\ncat\tc.png\n"),
        ("l.csv", '"image","class"\n"a","cat"\n".\\b.png"," dog "\n"./x/c.jpg","cat"\n'),
        ("metadata.jsonl", '{"file_name": "a.png", "label": "cat"}\n\n{"label": "dog", "file_name":'
         ' "b.png"}\n{"file_name": "c.png", "label": "cat", "more": [1]}'),
    ],
)  # fmt: skip
def test_a_table_has_the_classes(tmp_path, name, text):
    found, line = labelled(tmp_path, text, name)
    assert found == CAT_AND_DOG
    column = "class" if "class" in text else "Label" if "Label" in text else "label"
    assert line == f"3 pictures in 2 classes from {name} ({column})"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252"])
def test_encodings(tmp_path, encoding):
    text = "file_name,label\na.png,müde\nb.png,wach\nc.png,müde\n"
    found, line = labelled(tmp_path, text, encoding=encoding)
    assert set(found.values()) == {"müde", "wach"}
    assert ("read as Windows-1252" in line) is (encoding == "cp1252")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [("10 9 9", ("9", "10")), ("1.0 0.0 2.00", ("0", "1", "2")), ("0.5 1 1", ("0.5", "1"))],
)
def test_labels_that_are_numbers_are_in_natural_order(tmp_path, labels, classes):
    rows = zip("abc", labels.split(), strict=True)
    write_folder(tmp_path, PICTURES)
    (tmp_path / "l.csv").write_text(
        "file_name,label\n" + "".join(f"{n}.png,{v}\n" for n, v in rows)
    )
    assert load(tmp_path)[0].classes == classes


def test_what_can_be_used_of_a_table_is_used_and_the_rest_reported(tmp_path):
    text = (
        "file_name,label\na.png,cat\na.png,cat\nb.png,dog\nb.png,cat\nc.png,\nx.png,cat\n"
        "../a.png,dog\n/a.png,dog\nC:\\a.png,dog\nd.png\ne.png,dog,1\n"
    )
    write_folder(tmp_path, {"d.png": png("red"), "e.png": png("red")})
    found, line = labelled(tmp_path, text, table="labels.csv")
    assert found == {"a.png": "cat"}
    assert line == (
        "1 picture in 1 class from labels.csv (label); left out: 3 without a label (c.png, d.png,"
        " e.png), 1 with different labels (b.png); 2 rows of labels.csv with more or fewer cells"
        " than its first row; 3 rows of labels.csv with names that lead out of the folder"
        " (../a.png, /a.png, C:\\\\a.png); 1 row of labels.csv without a label; 1 row of labels.csv"
        " without a picture (x.png)"
    )


def test_a_table_names_pictures_in_folders(tmp_path):
    write_folder(tmp_path, {"train/a.png": png("red"), "test/a.png": png("red"), "b.png": png(0)})
    (tmp_path / "l.csv").write_text("file_name,label\ntrain/a.png,x\ntest\\a,y\nimages/b.png,x\n")
    loaded, lines = load(tmp_path)
    assert by_name(loaded) == {"b.png": "x", "test/a.png": "y", "train/a.png": "x"}
    assert lines == ["3 pictures in 2 classes from l.csv (label)"]
    (tmp_path / "l.csv").write_text("file_name,label\na.png,x\nb.png,y\n")
    loaded, lines = load(tmp_path, table="l.csv")  # a.png may be any of two pictures
    assert loaded.names == ("b.png",)
    assert "1 row of l.csv without a picture (a.png)" in lines[0]


def test_the_table_and_its_column_can_be_chosen(tmp_path):
    write_folder(tmp_path, PICTURES)
    (tmp_path / "one.csv").write_text("file_name,label,hue\na,1,r\nb,2,g\nc,2,b\n")
    assert load(tmp_path)[0].classes == ("1", "2")
    assert load(tmp_path, label="hue")[0].classes == ("b", "g", "r")
    assert load(tmp_path, table="none")[1] == ["3 pictures in 1 class"]
    (tmp_path / "two.csv").write_text("file_name,label\na,3\nb,3\nc,3\n")
    loaded, lines = load(tmp_path)
    assert loaded.classes == ("pictures",)
    assert "several tables have labels (one.csv, two.csv), none is used - set `table`" in lines[0]
    assert load(tmp_path, table="two.csv")[0].classes == ("3",)


@pytest.mark.parametrize(
    ("text", "widgets", "said"),
    [
        ("", {}, "labels.csv is not used: it is empty"),
        ("name,label\na,b\n", {}, "no column `file_name` (it has name, label)"),
        ("file_name,hue\na.png,1\n", {}, "no column `label` (it has file_name, hue) - set `label`"),
        ("file_name,label\na.png,1\n", {}, "it has rows for 1 of 3 pictures - set `table` to use"),
        ("file_name,label\na.png,1\n\0", {}, "labels.csv is not used: it"),
        ("{", {"name": "l.jsonl"}, "l.jsonl is not used: none of its lines is a row in JSON"),
        ("[1]\n{}", {"name": "l.jsonl"}, "l.jsonl is not used: none of its lines is a row"),
    ],
)
def test_why_a_table_is_not_used(tmp_path, text, widgets, said):
    found, line = labelled(tmp_path, text, **widgets)
    assert set(found.values()) == {"pictures"}
    assert said in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("text", "widgets", "said"),
    [
        ("", {"table": "labels.csv"}, "it is empty - write a row for each picture"),
        ("", {"table": "other.csv"}, "there is no table 'other.csv' .*; there is labels.csv -"),
        ("file_name,label\nx,1\n", {"table": "labels.csv"}, "no row of 'labels.csv' belongs to a"),
        ("file_name,label\na,1\n", {"label": "hue"}, "it has no column `hue` .* - set `label` to"),
    ],
)  # fmt: skip
def test_a_table_that_was_asked_for_and_cannot_be_used_is_an_error(tmp_path, text, widgets, said):
    with pytest.raises(InputError, match=rf"\A'{tmp_path.name}': {said}"):
        labelled(tmp_path, text, **widgets)


def test_most_pictures_with_a_class_of_their_own_are_a_doubt(tmp_path):
    write_folder(tmp_path, {f"{i}.png": png("red") for i in range(9)})
    (tmp_path / "l.csv").write_text(
        "file_name,label\n" + "".join(f"{i}.png,x{i}\n" for i in range(9))
    )
    assert "most pictures have a class of their own - check the column" in load(tmp_path)[1][0]


def test_a_table_in_an_archive(tmp_path):
    table = b"file_name,label\nimg/a.png,cat\nimg/b.png,dog\n"
    files = {"set/img/a.png": png("red"), "set/metadata.csv": table, "set/img/b.png": png("red")}
    write_zip(tmp_path / "a.zip", files)
    loaded, lines = load(tmp_path / "a.zip")
    assert by_name(loaded) == {"img/a.png": "cat", "img/b.png": "dog"}
    assert lines == ["2 pictures in 2 classes from metadata.csv (label)"]


# Parquet


def test_parquet_with_names_of_classes(tmp_path):
    rows = [(png("red"), "x/a.png", 1), (png("lime"), None, 0), (png("blue"), "x/a.png", 0)]
    rows += [(png("blue"), "b.png", -1), (b"damaged", "c.png", 0), (None, "d.png", 1)]
    write_parquet(tmp_path / "a.parquet", rows, ["cat", "dog"])
    loaded, lines = load(tmp_path / "a.parquet", aspect="auto")
    assert by_name(loaded) == {"x/a.png": "dog", "row1": "cat", "x/a-row2.png": "cat"}
    assert loaded.images[:, 8, 8].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert lines[-1] == (
        "3 pictures in 2 classes from the column label; left out: 2 unreadable (c.png: it is not a"
        " picture, or its format is not supported, d.png), 1 without a label (b.png)"
    )


def test_several_parquet_files_in_a_folder(tmp_path):
    for number in range(3):
        write_parquet(tmp_path / f"p-{number}.parquet", [(png("red"), "a.png", f"c{number}")] * 20)
    (tmp_path / "p-2.parquet").write_bytes((tmp_path / "p-2.parquet").read_bytes()[:-9])
    loaded, lines = load(tmp_path)
    assert loaded.labels.bincount().tolist() == [20, 20]
    assert len(set(loaded.names)) == 40
    assert "p-2.parquet is not used: it is damaged or cut short" in lines[0]


@pytest.mark.parametrize(
    ("columns", "widgets", "said"),
    [
        ({"label": [1]}, {}, "it has no column of pictures (it has label) - choose"),
        ({"x": [b"1"], "y": [b"2"]}, {}, "several of its columns may contain pictures (x, y)"),
        (
            {"image": [b"1"]},
            {"label": "hue"},
            "it has no column `hue` (it has image) - set",
        ),
        ({"image": [b"1"]}, {"table": "a.csv"}, "a Parquet file has no table beside it"),
    ],
)
def test_parquet_without_what_is_needed(tmp_path, columns, widgets, said):
    import pyarrow as pa
    from pyarrow.parquet import write_table

    write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(InputError) as caught:
        load(tmp_path / "a.parquet", **widgets)
    assert said in str(caught.value)


def test_a_parquet_file_that_would_unpack_to_very_much_is_refused(tmp_path):
    import pyarrow as pa
    from pyarrow.parquet import write_table

    table = pa.table({"image": [bytes(1 << 20)] * 100})
    write_table(table, tmp_path / "a.parquet", compression="zstd", use_dictionary=False)
    with pytest.raises(InputError, match=r"'a\.parquet': it unpacks to more than 200 times its"):
        load(tmp_path / "a.parquet")


def test_without_pyarrow_one_line_says_what_to_install(tmp_path, monkeypatch):
    write_parquet(tmp_path / "a.parquet", [(png("red"), "a.png", 1)])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r'pyarrow - run pip install "artgraph\[parquet\]"\Z'):
        load(tmp_path / "a.parquet")


# What the key of the result depends on


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "cache")
    yield store
    store.close()


def test_the_content_of_a_table_is_part_of_the_fingerprint(tmp_path, store):
    folder = tmp_path / "pictures"
    write_folder(folder, PICTURES | {"x/l.csv": b"1", "notes.txt": b"1", "b.zip": b"1"})
    for name in ("l.csv", "x/l.csv", "notes.txt", "b.zip"):
        write_folder(folder, {name: b"1"})
        before = store.snapshot(folder, True)
        write_folder(folder, {name: b"2"})
        after = store.snapshot(folder, True)
        assert (before.fingerprint != after.fingerprint) is (name == "l.csv"), name
        assert (before.stamps != after.stamps) is (name == "l.csv"), name


def test_the_content_of_archives_is_part_of_the_fingerprint(tmp_path, store):
    folder = tmp_path / "pictures"
    write_folder(folder, {"a-0.tar": b"1", "a-1.tar": b"1", "readme.md": b"1"})
    before = store.fingerprint(folder, True)
    write_folder(folder, {"readme.md": b"2"})
    assert store.fingerprint(folder, True) == before
    write_folder(folder, {"a-1.tar": b"2"})
    assert store.fingerprint(folder, True) != before
    alone = store.fingerprint(folder / "a-0.tar", True)
    write_folder(folder, {"a-0.tar": b"2"})
    assert store.fingerprint(folder / "a-0.tar", True) != alone


def test_the_widgets_for_tables_do_not_change_older_results(tmp_path):
    write_folder(tmp_path, PICTURES)
    loaded = [load(tmp_path, **w)[0] for w in ({}, {"table": "", "label": ""}, {"table": "none"})]
    assert all(torch.equal(loaded[0].images, other.images) for other in loaded)
    assert all(loaded[0].names == other.names for other in loaded)
