"""The documentation agrees with the code: events, exit codes, titles, variables and layers.

In the pages, italics (one pair of asterisks) mark what a user reads on the screen: the title of a
node, or a label of the editor. Emphasis is written in bold.
"""

import dataclasses
import re
from pathlib import Path

import pytest
from imports import MAY_IMPORT
from pages import BLOCK, PAGES, ROOT

from artgraph.contract import errors
from artgraph.contract.registry import load_nodes
from artgraph.pictures.suffixes import READABLE
from artgraph.runner.run import events

PROSE = [page for page in PAGES if page.name != "reference.md"]
GRAPHS = ROOT / "docs" / "graphs.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
TITLES = {spec.title for spec in load_nodes().values()}
LABELS = {  # what the editor shows on the screen, besides the titles of nodes
    "Add",
    "Assets",
    "Begin with",
    "Build an app",
    "Console",
    "Copy as YAML",
    "Flagged",
    "History",
    "Imported",
    "Insert as node",
    "Keep both",
    "Load the other version",
    "More",
    "Nodes 2.0",
    "Open in MaskEditor",
    "Overwrite",
    "Run",
    "Show advanced inputs",
    "Reload",
    "Replace",
    "Review pictures",
    "Settings",
    "Show plan",
    "Templates",
    "Workflows",
    "artgraph",
    "choose a folder of pictures",
    "folder",
    "i",
    "other values",
    "reused",
    "Stop (Run continues)",
}
SUFFIX = re.compile(r"`(\.\w+)`")
ITALICS = re.compile(r"(?<![*\\\w])\*([^*\s][^*]*)\*(?![*\w])")


def subclasses(base):
    """Yields a class and everything that is derived from it."""
    yield base
    for derived in base.__subclasses__():
        yield from subclasses(derived)


def table(page, heading):
    """The rows of the tables with this first heading, as lists of cells."""
    found = re.findall(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page.read_text(), re.M)
    assert found, f"{page.name} has no table that begins with {heading!r}"
    return [
        [cell.strip() for cell in row.strip("|").split(" | ")]
        for rows in found
        for row in rows.splitlines()
    ]


def code_words(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_every_event_is_documented_with_its_fields():
    common = {field.name for field in dataclasses.fields(events.NodeEvent)}
    code = {
        kind.event: {field.name for field in dataclasses.fields(kind)} - common
        for kind in subclasses(events.Event)
        if "event" in vars(kind)
    }
    documented = {code_words(row[0])[0]: set(code_words(row[1])) for row in table(GRAPHS, "event")}
    assert documented == code


def test_every_exit_code_is_documented_with_its_error():
    code = {
        error.__name__: error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.ArtgraphError)
        if error is not errors.ArtgraphError
    }
    rows = table(GRAPHS, "code")
    documented = {code_words(row[2])[0]: int(row[0]) for row in rows if row[0] != "0"}
    assert documented == code


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.name)
def test_what_is_in_italics_is_on_the_screen(page):
    prose = re.sub(r"`[^`\n]*`", "", BLOCK.sub("", page.read_text()).replace("**", ""))
    shown = {" ".join(words.split()) for words in ITALICS.findall(prose)}
    assert shown <= TITLES | LABELS, "neither a node's title nor a label of the editor"


def test_nodes_in_the_editors_help_exist():
    text = (ROOT / "editors" / "server" / "web" / "help.js").read_text(encoding="utf-8")
    named = set(re.findall(r"\bnode “([^”]+)”", text))
    assert named
    assert named <= TITLES


def test_labels_of_our_own_are_in_the_editors_code():
    web = "".join(
        path.read_text() for path in sorted((ROOT / "editors" / "server" / "web").glob("*.js"))
    )
    for label in (
        "Copy as YAML",
        "Load the other version",
        "Overwrite",
        "Show plan",
        "choose a folder of pictures",
        "reused",
    ):
        assert label in LABELS
        assert f"'{label}'" in web, f"the editor does not show {label!r}"


def test_every_environment_variable_is_documented():
    code = "".join(path.read_text() for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py"))
    used = set(re.findall(r"""["']\$?(ARTGRAPH_[A-Z_]*[A-Z])["']""", code))
    prose = "".join(page.read_text() for page in PROSE if page.name != "CHANGELOG.md")
    assert "ARTGRAPH_CACHE_MAX" in used
    assert {name for name in used if name not in prose} == set()


def test_links_to_pages_are_complete():
    """Every page of docs/ can be reached from the README."""
    linked = set(re.findall(r"\]\((docs/\w+\.md)", (ROOT / "README.md").read_text()))
    pages = {str(Path("docs") / page.name) for page in (ROOT / "docs").glob("*.md")}
    assert pages <= linked


def test_the_version_of_torch_in_the_readme_is_that_of_the_constraints():
    version = re.search(r"^torch==\S+$", (ROOT / "constraints.txt").read_text(), re.M)
    assert f"pip install {version[0]} " in (ROOT / "README.md").read_text()


def test_the_page_for_artists_lists_every_suffix_that_is_read():
    page = (ROOT / "docs" / "artists.md").read_text(encoding="utf-8")
    table = page.partition("### Formats and colours")[2].partition("These are not read")[0]
    named = {word for row in re.findall(r"^\|.*$", table, re.M)[2:] for word in SUFFIX.findall(row)}
    assert named == set(READABLE)
