"""The names of saved files: checked in the widget, with a line that shows what is wrong."""

import pytest

from artgraph.contract.errors import NodeError
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.files import Files, is_file_name, same_name, stem_problem


@pytest.mark.parametrize(
    "stem",
    ["", "cats", "project/cats", "a/b/c/d", "my cats", "Früh/Katze", "emoji🐱", "v1.2", "-x", "猫"],
)
def test_good_names(stem):
    assert stem_problem(stem) is None


@pytest.mark.parametrize(
    ("stem", "what"),
    [
        ("a:b", "'a:b' contains ':'"),
        ("what?", "'what?' contains '?'"),
        ("a\tb", r"'a\\tb' contains '\\t'"),
        ("a\u2028b", r"contains '\\u2028'"),
        ("a\ud800", r"contains '\\ud800'"),
        ("a\x7f", r"contains '\\x7f'"),
        ("a\\b", r"contains '\\\\'"),
        (".x", "'.x' begins with '.'"),
        (" x", "' x' begins with ' '"),
        ("a./b", "'a.' ends with '.'"),
        ("/abs", "begins with '/'"),
        ("~/x", "begins with '~'"),
        ("@x", "begins with '@'"),
        ("../x", "'..' is not the name of a folder"),
        ("a/../../x", "'..' is not the name of a folder"),
        ("a/./b", "'.' is not the name of a folder"),
        ("a//b", "an empty part"),
        ("a/", "an empty part"),
        ("con", "'con' is the name of a device on Windows"),
        ("a/Aux.b/c", "'Aux' is the name of a device"),
        ("lpt¹", "'lpt¹' is the name of a device"),
        ("manifest", "a file that artgraph writes itself"),
        ("Earlier/x", "the folder 'Earlier' is for artgraph's own files"),
        ("previews/x", "the folder 'previews'"),
        ("é" * 91, "has 182 bytes, and at most 180"),
        ("a/" + "猫" * 70 + "/b", "has 210 bytes, and at most 200"),
    ],
)
def test_bad_names(stem, what):
    found, advice = stem_problem(stem)
    assert what.encode().decode("unicode_escape" if "\\" in what else "utf-8") in found or what in (
        found
    )
    assert advice
    assert "\n" not in found + advice


def test_every_node_that_saves_accepts_the_longest_name_and_folders():
    for spec in load_nodes().values():
        if spec.file_name is not None:
            values = {spec.file_name: "project/cats"}
            assert not [p for p in spec.check(values)[1] if p.subject == spec.file_name], spec.id
            for stem in ("a:b", ".x", "what?", "a/../b"):
                (problem,) = (
                    p for p in spec.check({spec.file_name: stem})[1] if p.subject == spec.file_name
                )
                assert problem.advice, spec.id


def test_files_with_bad_names_are_an_error_of_the_node():
    for name in ("../x.png", "a:b.png", "manifest.json", "x" * 201, "a\ud800"):
        with pytest.raises(NodeError):
            Files.encode(Files({name: b""}))
    assert Files.encode(Files({"a/b.png": b"1"}))[0] == ["a/b.png"]


def test_one_part_is_not_a_path():
    assert is_file_name("cats.png")
    assert not is_file_name("a/b")
    assert not is_file_name("")


def test_names_that_some_systems_do_not_distinguish():
    assert same_name("É/a") == same_name("e\u0301/A")
    assert same_name("a") != same_name("b")
