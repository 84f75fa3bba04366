"""The imports between the folders of the package: `python tests/support/imports.py` draws them.

Every relative import counts: at the top level, inside functions, and for annotations only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = next(p for p in Path(__file__).parents if (p / "pyproject.toml").is_file())

# Each folder, and the folders that it may import besides itself, which must be in rows above it.
# `models` means the files in that folder, `models/` also the files in its subfolders.
MAY_IMPORT = {
    "models/training": (),
    "models": ("models/training",),
    "models/pretrained": ("models", "models/training"),
    "models/classifier": ("models", "models/pretrained", "models/training"),
    "models/gan": ("models", "models/training"),
    "models/vae": ("models", "models/pretrained", "models/training"),
    "models/repaint": ("models", "models/training"),
    "pictures": (),
    "pictures/sources": ("pictures",),
    "pictures/retouch": ("pictures",),
    "contract": ("models/", "pictures", "pictures/sources"),
    "nodes": ("contract", "models/", "pictures/"),
    "nodes/retouch": ("contract", "models", "nodes", "pictures/"),
    "runner/graph": ("contract",),
    "runner/store": ("contract", "models/training", "pictures/"),
    "runner/run": ("contract", "models/training", "pictures", "runner/graph", "runner/store"),
    "runner/cluster": ("contract", "models/training", "runner/graph", "runner/run", "runner/store"),
    "editors": ("contract",),
    "editors/formats": ("contract", "pictures", "runner/"),
    "editors/comfy": ("contract", "editors/formats", "models/training", "pictures/", "runner/"),
    "editors/server": ("contract", "editors/formats", "pictures/", "runner/"),
    "cli": ("contract", "editors/", "pictures", "runner/"),
}


def folder_of(file: Path) -> str:
    """Returns the row of MAY_IMPORT that a file belongs to: the longest one that matches."""
    place = f"{file.relative_to(ROOT).parent.as_posix()}/"
    rows = [row for row in MAY_IMPORT if place.startswith(f"{row}/")]
    assert rows, f"{file} is in none of the folders that may be imported"
    return max(rows, key=len)


def rows_of(name: str) -> set[str]:
    """Returns the rows that an entry of MAY_IMPORT names."""
    return {
        row for row in MAY_IMPORT if row == name or (f"{row}/".startswith(name) and name[-1] == "/")
    }


@cache
def files() -> tuple[Path, ...]:
    """Returns the Python files in the package's folders, except `__init__.py` (no imports)."""
    tops = dict.fromkeys(row.split("/")[0] for row in MAY_IMPORT)
    found = (path for top in tops for path in sorted((ROOT / top).rglob("*.py")))
    return tuple(path for path in found if path.name != "__init__.py")


def imported(path: Path) -> Iterator[Path]:
    """Yields the files of the package that a file imports."""
    for item in ast.walk(ast.parse(path.read_text())):
        if isinstance(item, ast.ImportFrom) and item.level:
            target = path.parents[item.level - 1].joinpath(*(item.module or "").split("."))
            for alias in item.names:
                module = target / f"{alias.name}.py"
                whole = target / "__init__.py" if target.is_dir() else target.with_suffix(".py")
                yield module if module.is_file() else whole


@cache
def arrows() -> dict[Path, tuple[Path, ...]]:
    """Returns the files that each file imports."""
    return {path: tuple(dict.fromkeys(imported(path))) for path in files()}


def drawing() -> str:
    """Returns the imports between folders as a Mermaid diagram, from the top down."""
    rows = list(reversed(MAY_IMPORT))
    pairs = {(folder_of(a), folder_of(b)) for a, targets in arrows().items() for b in targets}
    ordered = sorted(pairs, key=lambda pair: (rows.index(pair[0]), rows.index(pair[1])))
    boxes = [f"    {_key(row)}[{row}/]" for row in rows]
    lines = [f"    {_key(a)} --> {_key(b)}" for a, b in ordered if a != b]
    return "\n".join(["flowchart TD", *boxes, *lines])


def _key(folder: str) -> str:
    return folder.replace("/", "_")


if __name__ == "__main__":
    print(drawing())
