"""Files that a node gives for the output folder, and what they may be called."""

from __future__ import annotations

from dataclasses import dataclass

from .codec import Blob, Buffers, Json, require


@dataclass(frozen=True)
class Files:
    """Files to write into the output folder: name (no folder) to content.

    The runner writes them, so that a node that saves is a pure function like any other. A name
    that begins with `@` gets the name of the node in its graph there.
    """

    files: dict[str, bytes]

    @staticmethod
    def encode(value: Files) -> tuple[Json, Buffers]:
        require(isinstance(value, Files), f"not files: {type(value).__name__}")
        for name in value.files:
            require(is_file_name(name), f"{name!r} is no plain file name")
        return list(value.files), {f"{i:06}": data for i, data in enumerate(value.files.values())}

    @staticmethod
    def decode(meta: Json, blob: Blob | None) -> Files:
        return Files({name: blob.raw(f"{i:06}") for i, name in enumerate(meta)} if blob else {})


def file_name(name: str, ending: str) -> str:
    """The name of a file to save; without one, the node's own will be put in."""
    return (name or "@") + ending


_RESERVED = {"con", "prn", "aux", "nul"} | {f"{d}{i}" for d in ("com", "lpt") for i in range(10)}


def is_file_name(name: str) -> bool:
    """True for a plain name that is safe on every system: no folder, no device, not hidden."""
    return (
        0 < len(name.encode()) <= 200
        and not name.startswith((".", " "))
        and not name.endswith((".", " "))
        and not any(c in '<>:"/\\|?*' or ord(c) < 32 for c in name)
        and name.split(".")[0].lower() not in _RESERVED
    )
