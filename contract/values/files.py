"""Files that a node returns for the output folder, and the rules for their names."""

from __future__ import annotations

from dataclasses import dataclass

from .socket import Blob, Buffers, Json, require


@dataclass(frozen=True)
class Files:
    """Files to write into the output folder: names (without a folder) to contents.

    The runner writes them, so a node that saves is a pure function like any other. If a name begins
    with `@`, the runner replaces the `@` by the name of the node in its graph.
    """

    files: dict[str, bytes]

    @staticmethod
    def encode(value: Files) -> tuple[Json, Buffers]:
        require(
            isinstance(value, Files), f"files must be a Files object, not {type(value).__name__}"
        )
        for name in value.files:
            require(is_file_name(name), f"{name!r} is not a plain file name")
        return list(value.files), {f"{i:06}": data for i, data in enumerate(value.files.values())}

    @staticmethod
    def decode(meta: Json, blob: Blob | None) -> Files:
        return Files({name: blob.raw(f"{i:06}") for i, name in enumerate(meta)} if blob else {})


def file_name(name: str, ending: str) -> str:
    """Returns `name` with its ending; if `name` is empty, the runner puts the node's name in."""
    return (name or "@") + ending


_FORBIDDEN = frozenset('<>:"/\\|?*')
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{d}{i}" for d in ("com", "lpt") for i in range(10)}


def stem_problem(stem: str) -> str | None:
    """Returns what is wrong with the name of a file without its ending; None if it is a good one.

    An empty name is good, as it means the name of the node.
    """
    if is_file_name(file_name(stem, ".x")):
        return None
    wrong = next((c for c in stem if c in _FORBIDDEN or ord(c) < 32), None)
    return f"{stem!r} contains {wrong!r}" if wrong else f"{stem!r} can't be the name of a file"


def is_file_name(name: str) -> bool:
    """Returns whether a name is safe on every system: no folder, no device, not hidden."""
    return (
        0 < len(name.encode()) <= 200
        and not name.startswith((".", " "))
        and not name.endswith((".", " "))
        and not any(c in _FORBIDDEN or ord(c) < 32 for c in name)
        and name.split(".")[0].lower() not in _RESERVED
    )
