"""Tables, archives and other parts of a dataset beside a folder of pictures."""

import os

import pytest

from artgraph.pictures.beside import beside
from artgraph.pictures.survey import Survey


def fill(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.touch()


def names(folder):
    return [(item.kind, item.name) for item in beside(folder)]


def test_what_belongs_to_a_folder(tmp_path):
    fill(tmp_path, "images/a.png", "labels.csv", "Captions.txt", "image_metadata.jsonl")
    fill(tmp_path, "annotations.json", "classes.txt", "images.csv", "images.zip", "Images.tar.gz")
    assert names(tmp_path / "images") == [
        ("archive", "Images.tar.gz"),
        ("archive", "images.zip"),
        ("table", "annotations.json"),
        ("table", "Captions.txt"),
        ("table", "classes.txt"),
        ("table", "image_metadata.jsonl"),
        ("table", "images.csv"),
        ("table", "labels.csv"),
    ]


def test_what_does_not_belong_to_a_folder(tmp_path):
    fill(tmp_path, "images/a.png", "prices.csv", "notes.txt", "relabelled.csv", "other.zip", "val/")
    fill(tmp_path, "labels/", "images.txt", ".labels.csv", "images.zip.d/", "labels.py", "train/")
    assert names(tmp_path / "images") == []


def test_the_other_parts_of_a_split(tmp_path):
    fill(tmp_path, "Train/a.png", "val/a.png", "TEST/a.png", "other/a.png", "dev")
    assert names(tmp_path / "Train") == [("part", "TEST"), ("part", "val")]
    assert names(tmp_path / "other") == []


def test_the_home_folder_and_very_many_entries_are_not_looked_at(tmp_path, monkeypatch):
    fill(tmp_path, "images/a.png", "labels.csv")
    assert len(names(tmp_path / "images")) == 1
    with monkeypatch.context() as home:
        home.setenv("HOME", str(tmp_path))
        home.setenv("USERPROFILE", str(tmp_path))
        assert names(tmp_path / "images") == []
    fill(tmp_path, *(f"{number}.dat" for number in range(1000)))
    assert names(tmp_path / "images") == []


def test_the_summary_says_what_to_do(tmp_path):
    fill(tmp_path, "train/a.png", "val/b.png", "labels.csv", "train.zip")
    found = Survey(tmp_path / "train")
    assert found.skipped() == ""
    assert found.doubts(["a.png"]) == [
        "tables beside the folder are not read (labels.csv) - put them into the folder as CSV if"
        " they contain labels",
        "archives beside the folder are not read (train.zip) - unpack them if pictures are missing",
        "folders beside this one look like other parts of the dataset (val) - load each with a node"
        " of its own",
    ]


def test_what_belongs_to_an_archive(tmp_path):
    fill(tmp_path, "train.tar.gz", "train.zip", "train.csv", "labels.csv", "other.csv", "val.zip")
    fill(tmp_path, "train/", "val/")
    assert names(tmp_path / "train.tar.gz") == [("table", "labels.csv"), ("table", "train.csv")]
    line = "tables beside the archive are not read (labels.csv, train.csv) - put them into the"
    assert line in Survey(tmp_path / "train.tar.gz", []).doubts([])[0]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_the_place_of_a_link_does_not_count(tmp_path):
    fill(tmp_path, "there/images/a.png", "here/labels.csv", "there/classes.txt")
    (tmp_path / "here/images").symlink_to(tmp_path / "there/images")
    assert names(tmp_path / "here/images") == [("table", "classes.txt")]
