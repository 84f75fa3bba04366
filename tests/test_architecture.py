"""Every folder, file and name in docs/architecture.md exists where the page says it is."""

import re

import pytest
from definitions import Tree
from imports import MAY_IMPORT, ROOT, files

PAGE = (ROOT / "docs" / "architecture.md").read_text()
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
WORDS = re.findall(r"`([^`]+)`", PROSE)
TREE = Tree(ROOT)
PATHS = sorted({word for word in WORDS if "/" in word and " " not in word})
PLACED = re.findall(r"`([\w.]+)`s?\s+(?:in\s+|\()`([\w/]+\.py)`", PROSE)
NAMES = sorted({word for word in WORDS if re.fullmatch(r"[A-Za-z_]\w*(\.[a-z_]\w*)?", word)})
# Words of graph files, actions of a plan, methods of training, fields of a socket.
NOT_CODE = {"api.py", "artgraph", "cached", "decode", "encode", "extend", "projected"}


@pytest.mark.parametrize("path", PATHS)
def test_every_path_exists(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("name", "path"), PLACED)
def test_every_name_is_in_its_file(name, path):
    assert name in TREE.names(ROOT / path)


def test_every_name_is_defined():
    known = set().union(*map(TREE.names, files()))
    assert set(NAMES) - known - NOT_CODE == set()


def test_every_folder_has_a_line():
    rows = set(re.findall(r"^\| `([\w/]+)/` \|", PAGE, re.MULTILINE))
    assert set(MAY_IMPORT) <= rows


def test_the_page_names_enough_to_be_checked():
    assert len(PLACED) > 30
    assert len(NAMES) > 50
