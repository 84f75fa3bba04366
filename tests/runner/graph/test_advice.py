"""The advice for what people type and paste into graph files: each line says what to write."""

import unicodedata
from pathlib import Path

import pytest

from artgraph.contract.errors import ArtgraphError, GraphError, InputError
from artgraph.contract.registry import load_nodes
from artgraph.editors.formats.load import load_graph
from artgraph.runner.graph.folders import Folders
from artgraph.runner.graph.settings import parse_setting

GRAPH = """\
artgraph: 1
nodes:
  art: {node: procedural_art, with: {count: 4, size: 32}}
  some: {node: dataset_images, from: {dataset: art}}
  small: {node: train_gan, from: {dataset: art}, with: {rate: 0.5, mirror: true}}
  note: {node: text, with: {text: hello}}
"""


@pytest.fixture
def said(tmp_path):
    """Returns a function that returns what artgraph says about a graph file, without its name."""

    def call(content, name="g.yaml", *settings):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        try:
            load_graph(str(path), load_nodes(), settings)
        except ArtgraphError as error:
            return str(error).replace(str(path), name)
        return ""

    return call


def test_the_graph_of_these_tests_is_valid(said):
    assert said(GRAPH) == ""


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("1_000", "write 1000, without underscores"),
        ("inf", "write a finite number; the maximum is 200000"),
        (".NaN", "write a finite number; the maximum is 200000"),
        ("1e400", "write a finite number; the maximum is 200000"),
        ("-1e400", "write a finite number; the maximum is 200000"),
        ("12px", "write 12, without 'px'"),
        ("5 %", "write 5, without '%'"),
        ("4 000", "write 4000, without anything between the digits"),
        ("4'000", "write 4000, without anything between the digits"),
        ("4\u00a0000", "write 4000, without anything between the digits"),
        ("4\u00a0", "write 4, without quotes or spaces around it"),
        ("\u201c4\u201d", "write 4, without quotes or spaces around it"),
        ('"4"', "write it without quotes"),
        ("\u0664", "write 4, with the digits and signs of a plain keyboard"),
        ("\uff14", "write 4, with the digits and signs of a plain keyboard"),
        ("\u22124", "write -4, with the digits and signs of a plain keyboard"),
        ("4.5", "write 4 or 5"),
        ("true", "write 1"),
        ("[4]", "write a single value, a whole number such as 3"),
        ("many", "write a whole number such as 3"),
        ("null", "write a whole number such as 3"),
    ],
)
def test_whole_numbers(said, typed, advice):
    assert said(GRAPH.replace("count: 4", f"count: {typed}")).endswith(f" - {advice}")


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ('"0,5"', "write 0.5, with a point"),
        ('"1,000"', "write 1000 or 1.000, without a comma"),
        ("0.5x", "write 0.5, without 'x'"),
        ("nan", "write a finite number; the maximum is 10"),
        ("1/2", "write a number such as 0.5"),
    ],
)
def test_numbers(said, typed, advice):
    assert said(GRAPH.replace("rate: 0.5", f"rate: {typed}")).endswith(f" - {advice}")


def test_a_comma_in_a_number_separates_two_values(said):
    first, _ = said(GRAPH.replace("rate: 0.5", "rate: 0,5")).splitlines()
    assert first.endswith("no widget '5' - write numbers without a comma, such as 1000 or 1.5")


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("yes", "write true"),
        ("0", "write false"),
        ('"False"', "write false without quotes"),
        ("perhaps", "write true or false"),
    ],
)
def test_true_and_false(said, typed, advice):
    assert said(GRAPH.replace("mirror: true", f"mirror: {typed}")).endswith(f" - {advice}")


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("1", 'write it in quotes: "1"'),
        ("1.5", 'write it in quotes: "1.5"'),
        ("true", 'write it in quotes: "true"'),
        ("null", 'write a text; the word null must be in quotes: "null"'),
        ("[a]", "write a single value, a text"),
    ],
)
def test_texts(said, typed, advice):
    assert said(GRAPH.replace("text: hello", f"text: {typed}")).endswith(f" - {advice}")
    for text in ("no", "yes", "1_0", "12:30", "1e400", "inf", '"1"', "\u201cx\u201d"):
        assert said(GRAPH.replace("text: hello", f"text: {text}")) == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("\u00e4rt", "it contains '\u00e4' - use letters a to z, digits, _ and -"),
        (unicodedata.normalize("NFD", "\u00e4rt"), "it contains '\u00e4'"),
        ("my art", "it contains ' '"),
        ("1art", "it begins with '1'"),
        ("-a", "it begins with '-'"),
        ("", "it is empty"),
        ("x" * 101, "it has more than 100 characters"),
        ("knobs", "`knobs` has a meaning of its own"),
    ],
)
def test_names(said, name, words):
    assert words in said(GRAPH.replace("  note:", f'  "{name}":'))
    knob = said(GRAPH.replace("nodes:", f'knobs: {{"{name}": 1}}\nnodes:'))
    assert words in knob or name == "knobs"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"", "g.yaml:1: the file is empty - begin with `artgraph: 1` and `nodes:`"),
        (b"- a\n", "g.yaml:1: a graph file must be a mapping, not [a] - begin with `artgraph: 1`"),
        ("nodes:\n  - {node: number}\n", "g.yaml:1: the format version is missing"),
        (
            "artgraph: 7\nnodes: {a: {node: number}}",
            "g.yaml:1: format version 7 is not supported - up",
        ),
        (
            GRAPH.encode("utf-16"),
            "g.yaml: this is UTF-16 text, or not text at all - save the graph as",
        ),
        (GRAPH.encode("utf-16-le"), "g.yaml: this is UTF-16 text, or not text at all"),
        (
            b"a: 1\nb: \xe4\n",
            "g.yaml: not UTF-8 text: byte 0xe4 in line 2 - save the graph as UTF-8",
        ),
        (
            b"\xff\xd8\xff\xe0" + bytes(9),
            "g.yaml: this is a JPEG picture, not a graph - name a .yaml",
        ),
        (b"GIF89a", "g.yaml: this is a GIF picture, not a graph"),
        (b"%PDF-1.4\n", "g.yaml: this is a PDF file, not a graph"),
        (b"\n<!doctype html>", "g.yaml: this is an HTML page, not a graph"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "g.yaml: this is a pointer of Git LFS instead of the file itself, not a graph",
        ),
        (
            GRAPH.replace("count", "co\0unt"),
            "g.yaml:3: column 40 is the character U+0000 (NULL) - rem",
        ),
        (GRAPH + "\0", "g.yaml:7: column 1 is the character U+0000 (NULL) - remove"),
        (GRAPH.replace("note", "\x1bnote"), "g.yaml:6: column 3 is the character U+001B (ESCAPE)"),
        (
            GRAPH.replace("  note", "\u00a0\u00a0note"),
            "g.yaml:6: the key '\\xa0\\xa0note' contains the character U+00A0 (NO-BREAK SPACE) - "
            "replace it by an ordinary space",
        ),
        (
            GRAPH.replace("count: 4", "count:\u00a04"),
            "g.yaml:3: the key 'count:\\xa04' contains the",
        ),
        (
            GRAPH.replace("count", "\u200bcount"),
            "g.yaml:3: the key '\\u200bcount' contains the character",
        ),
        (
            GRAPH.replace("count", "\u201ccount\u201d"),
            "g.yaml:3: the key '\u201ccount\u201d' contains the character U+201C (LEFT DOUBLE "
            "QUOTATION MARK) - replace it by a straight quote",
        ),
        (
            GRAPH.replace("count: 4", "count:4"),
            "g.yaml:3: 'count:4' has no value - write `count: 4`, w",
        ),
        (
            GRAPH + "  art: {}\n",
            "g.yaml:7: the key 'art' appears twice, also in line 3 - remove one",
        ),
        (
            GRAPH.replace("  some", " some"),
            "g.yaml:4: this line does not fit the lines above it - ind",
        ),
        (
            GRAPH.replace("  some", "    some"),
            "g.yaml:4: this line does not fit the lines above it",
        ),
        (GRAPH.replace("32}}", "32}"), "g.yaml:4: a comma or a closing bracket is missing before"),
        (GRAPH.replace("hello", "'hello"), "g.yaml:6: the ' is not closed - close it with '"),
        (GRAPH.replace("hello}}", "[hello"), "g.yaml:6: the [ is not closed - close it with ]"),
        (GRAPH.replace("hello", '"C:\\Users"'), "g.yaml:6: a backslash in double quotes begins"),
        (GRAPH.replace("hello", "@x"), "g.yaml:6: a value can't begin with @ - put it in quotes"),
        (GRAPH.replace("some: {", "some:{"), "g.yaml:4: there is a `:` where none can be - indent"),
        (
            GRAPH + "  hello\n  x: {node: number}\n",
            "g.yaml:8: there is no `:` in the line above - wri",
        ),
        (
            GRAPH.replace("{node: text", "{type: text"),
            "g.yaml:6: node 'note': unknown key 'type' - wr",
        ),
        (
            GRAPH.replace("with: {text", "params: {text"),
            "g.yaml:6: node 'note': unknown key 'params' -",
        ),
        (
            GRAPH.replace("with: {text: hello}", "text: hello"),
            "g.yaml:6: node 'note': unknown key 'te",
        ),
        (
            GRAPH.replace("node: text", "nod: text"),
            "g.yaml:6: node 'note': unknown key 'nod' - did yo",
        ),
    ],
)
def test_files(said, text, line):
    assert said(text).startswith(line)


def test_line_ends_and_a_byte_order_mark_do_not_matter(said):
    for text in (GRAPH.replace("\n", "\r\n"), GRAPH.replace("\n", "\r"), "\ufeff" + GRAPH):
        assert said(text) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("art.count", "write node.widget=value or knobs.name=value; the `=` is missing"),
        ("size=3", "write node.widget=value or knobs.name=value; the name before .size is missing"),
        ("a.b.c=1", "not a setting - write node.widget=value or knobs.name=value"),
        ("=1", "not a setting"),
    ],
)
def test_settings_without_a_form(text, words):
    with pytest.raises(GraphError) as error:
        parse_setting(text)
    assert words in str(error.value)


def test_settings_with_a_typing_error(said):
    text = GRAPH.replace("nodes:", "knobs: {size: 32}\nnodes:")
    assert said(text, "g.yaml", "knob.size=3").endswith("did you mean 'knobs'?")
    assert said(text, "g.yaml", "Art.count=3").endswith("did you mean 'art'?")
    assert said(text, "g.yaml", "art.count =3").endswith("did you mean 'count'?")
    assert said(text, "g.yaml", "art.count=1_000").endswith("write 1000, without underscores")


def test_a_file_that_does_not_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("portrait.yaml").write_text(GRAPH)
    for name, words in (
        ("portait.yaml", "did you mean 'portrait.yaml'?"),
        ("sub/x.yaml", f"there is no folder sub either; you are in {tmp_path}"),
    ):
        with pytest.raises(InputError, match=words.replace("?", r"\?")):
            load_graph(name, load_nodes())


def test_folders_are_found_by_names_with_other_accents(tmp_path, monkeypatch):
    nfd = unicodedata.normalize("NFD", "B\u00fcro")
    (tmp_path / nfd / "in").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    folders = Folders(tmp_path, tmp_path, tmp_path)
    for trusted in (True, False):
        for text in ("B\u00fcro/in", nfd + "/in", str(tmp_path / "B\u00fcro")):
            assert folders.resolve(text, "folder", trusted).is_dir()
    with pytest.raises(InputError, match="there is no folder"):
        folders.resolve("B\u00fcr\u00f6", "folder", True)
