"""Who may import whom: one table of folders (tests/support/imports.py), and no circles."""

import ast

import networkx as nx
import pytest
from imports import MAY_IMPORT, ROOT, arrows, drawing, files, folder_of, rows_of


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", files(), ids=name)
def test_a_file_imports_what_its_folder_may(path):
    here = folder_of(path)
    allowed = {here}.union(*map(rows_of, MAY_IMPORT[here]))
    for target in arrows()[path]:
        assert folder_of(target) in allowed, f"{name(path)} imports {name(target)}"


def test_a_folder_may_only_import_those_above_it_in_the_table():
    rows = list(MAY_IMPORT)
    for row, allowed in MAY_IMPORT.items():
        for entry in allowed:
            assert rows_of(entry), f"{entry} names no row"
            assert all(rows.index(other) < rows.index(row) for other in rows_of(entry)), row


def test_no_file_imports_itself_through_others():
    """Not even by imports inside functions, or for annotations only."""
    graph = nx.DiGraph([(a, b) for a, targets in arrows().items() for b in targets])
    circles = [sorted(map(name, c)) for c in nx.strongly_connected_components(graph) if len(c) > 1]
    assert not circles


def test_every_folder_is_in_the_table():
    folders = {path.parent.relative_to(ROOT).as_posix() for path in files()}
    assert {folder for folder in folders if folder.split("/")[0] != "contract"} <= set(MAY_IMPORT)


@pytest.mark.parametrize("path", [*files(), ROOT / "api.py", ROOT / "__init__.py"], ids=name)
def test_imports_of_ours_are_relative(path):
    """An absolute one would load a second copy of the package inside ComfyUI."""
    for item in ast.walk(ast.parse(path.read_text())):
        modules = [a.name for a in item.names] if isinstance(item, ast.Import) else []
        if isinstance(item, ast.ImportFrom) and not item.level:
            modules = [item.module]
        assert not [m for m in modules if m.split(".")[0] == "artgraph"]


def test_the_files_of_packages_are_empty():
    """Nothing is imported with a folder that is not asked for by name."""
    for path in ROOT.glob("[a-z]*/**/__init__.py"):
        if path.relative_to(ROOT).parts[0] not in ("tests", "build"):
            (item,) = ast.parse(path.read_text()).body
            assert isinstance(item, ast.Expr), name(path)


def test_the_drawing_in_the_docs_is_current():
    assert drawing() in (ROOT / "docs" / "architecture.md").read_text(), (
        "put the output of `python tests/support/imports.py` into docs/architecture.md"
    )
