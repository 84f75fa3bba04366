"""Every example in the documentation runs, and the node reference is current.

Blocks of `python`, `yaml` and `console` are taken; a comment before a block, which readers don't
see, says what it needs:

    <!-- file: NAME -->      write the block to this file
    <!-- node of: NAME -->   put it in the place of the node of that name in this graph
    <!-- with: WORDS -->     add these words to each `artgraph run` and `plan`, to make it small
    <!-- exit: CODE -->      its commands end with this code
    <!-- not run -->         leave it out

A page's blocks run in order, in one folder that holds `my_pictures` with two classes. What a
command prints must be what stands below it; `...` stands for anything, seconds may differ, and
where a run was made small all numbers may.
"""

import doctest
import os
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest
import yaml
from pages import BLOCK, PAGES, ROOT
from PIL import Image

MARK = re.compile(r"<!-- (file|node of|with|exit|not run):? ?(.*?) -->")
CHECKER = doctest.OutputChecker()
PROGRESS = re.compile(r"^\w+: \d+ %\n", re.MULTILINE)  # said where a machine is slow
SECONDS = re.compile(r"\d+\.\d+ s\b")
NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass
class Block:
    """An example, and what the comments before it say."""

    kind: str
    text: str
    line: int
    marks: dict[str, str]


def blocks(page):
    text = page.read_text()
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start(2)) + 1
        yield Block(found[2], found[3], line, dict(MARK.findall(found[1])))


def write(folder, block):
    """Put a block into the file that its mark names, if any; that file."""
    if "node of" in block.marks:
        path = folder / block.marks["node of"]
        name = block.text.split(":")[0].strip()
        old = re.compile(rf"^  {name}:\n(?:    .*\n|\n)+", re.MULTILINE)
        text, count = old.subn(lambda _: block.text + "\n", path.read_text())
        assert count == 1
        path.write_text(text)
        return path
    if "file" in block.marks:
        path = folder / block.marks["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
        return path
    return None


def run(folder, command):
    environment = os.environ | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "ARTGRAPH_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "100",
        "PYTEST_ADDOPTS": "",  # a reader's pytest has no options of ours
    }
    return subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def run_console(folder, block):
    """Run each `$ command`, and compare with what stands below it."""
    small = block.marks.get("with", "")
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        lines = re.match(r"((?:.*\\\n)*.*\n)((?:.*\n)*)", part)
        command, expected = lines[1].replace("\\\n", "").strip(), lines[2].strip()
        if small and re.match(r"artgraph (run|plan)\b", command):
            command += f" {small}"
        done = run(folder, command)
        assert done.returncode == int(block.marks.get("exit", 0)), f"{command}\n{done.stdout}"
        if expected:
            shape = NUMBER if small else SECONDS
            said = PROGRESS.sub("", done.stdout).strip()
            wanted, got = (shape.sub("#", text) + "\n" for text in (expected, said))
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            assert CHECKER.check_output(wanted, got, flags), f"{command}\n{done.stdout}"


@pytest.fixture
def folder(tmp_path):
    """A folder such as a reader has, with `artgraph` on the path."""
    launcher = tmp_path / "bin" / "artgraph"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m artgraph "$@"\n')
    launcher.chmod(0o755)
    for kind, tint in (("ink", (40, 30, 90)), ("wash", (210, 180, 90))):
        for number in range(6):
            path = tmp_path / "my_pictures" / kind / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (100, 80), tuple(min(255, c + 7 * number) for c in tint)).save(path)
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="the examples are those of a Unix shell")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples(folder, page):
    for block in blocks(page):
        if "not run" in block.marks:
            continue
        where = f"{page.name}:{block.line}"
        try:
            path = write(folder, block)
            if block.kind == "console":
                run_console(folder, block)
            elif block.kind == "python":
                path = path or write(folder, Block("", block.text, 0, {"file": "example.py"}))
                pytest_words = ["-m", "pytest", "-q"] if "\ndef test_" in block.text else []
                done = run(folder, [sys.executable, *pytest_words, str(path)])
                assert done.returncode == 0, done.stdout
            elif block.text.startswith("artgraph: 1"):
                path = path or write(folder, Block("", block.text, 0, {"file": "example.yaml"}))
                done = run(folder, f"artgraph validate {path} {block.marks.get('with', '')}")
                assert done.returncode == int(block.marks.get("exit", 0)), done.stdout
            else:
                yaml.safe_load(block.text)
        except AssertionError as error:
            raise AssertionError(f"{where}: {error}") from error


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?:", target):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), target


def anchors(page):
    """The names of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_readme_names_every_shipped_graph():
    text = (ROOT / "README.md").read_text()
    for path in (ROOT / "graphs").glob("*.yaml"):
        assert f"| `{path.stem}` |" in text


def test_the_node_reference_is_current():
    from artgraph.cli.reference import reference_page
    from artgraph.contract.registry import load_nodes

    ours = {
        name: spec
        for name, spec in load_nodes().items()
        if spec.function.__module__.startswith("artgraph.")
    }
    page = (ROOT / "docs/reference.md").read_text()
    assert page == reference_page(ours), "the nodes have changed: run `make docs`, and commit it"
