"""The version of artgraph, which pyproject.toml says."""

from __future__ import annotations

from functools import cache


@cache
def version() -> str:
    """Returns the version of the installed package; in a plain clone, that of pyproject.toml."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("artgraph")
    except PackageNotFoundError:
        import tomllib
        from pathlib import Path

        with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
            return str(tomllib.load(file)["project"]["version"])
