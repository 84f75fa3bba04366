"""Paths that people type."""

import os
from pathlib import Path

import pytest

from artgraph.contract.errors import GraphError
from artgraph.contract.paths import typed_file, typed_folder, typed_path


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def refused(call, text):
    with pytest.raises(GraphError) as error:
        call(text, "--out ")
    assert "\n" not in str(error.value)
    assert error.value.advice
    return str(error.value)


def test_what_the_tilde_means(tmp_path):
    assert typed_path("~") == tmp_path
    assert typed_path("~/a/b/") == tmp_path / "a/b"
    assert typed_path("~root/x") == Path("~root").expanduser() / "x"
    assert typed_path("a/~/b") == Path("a/~/b")
    assert typed_path(".") == Path()
    assert typed_folder("/", "--out ") == Path("/")
    assert typed_path("./~") == Path("~"), "so there is a way to name such a file"
    assert "--out ~nobody-here/x: there is no user 'nobody-here' - write ./~nobody-here/x" in (
        refused(typed_path, "~nobody-here/x")
    )


def test_without_a_home(monkeypatch):
    monkeypatch.setenv("HOME", "")
    assert "the home folder is unknown" in refused(typed_path, "~/x")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 987_654)
    assert "the home folder is unknown" in refused(typed_path, "~/x")


def test_what_can_not_be_a_path():
    for text, what in (
        ("", "--out: the path is empty"),
        ("-", "--out -: standard input and output"),
        ("a\0b", "zero byte"),
        ("x" * 300, "the name is too long"),
        ("/".join(["x" * 200] * 30), "the name is too long"),
    ):
        assert what in refused(typed_path, text)


def test_a_folder_that_a_file_prevents(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to("missing")
    (tmp_path / "loop").symlink_to("loop")
    assert "file is a file - choose a folder with --out" in refused(typed_folder, "file")
    assert "file is a file - choose a folder with --out" in refused(typed_folder, "file/deep/er")
    assert "nowhere is a link to nothing" in refused(typed_folder, "nowhere")
    refused(typed_folder, "loop")
    assert typed_folder("new/deep/", "--out ") == Path("new/deep")


def test_a_file_that_can_only_be_a_folder():
    assert "this is a folder - name a file" in refused(typed_file, "a/")
    assert typed_file("a/b") == Path("a/b")
