"""A node's result as the store returns it, and its JSON in the index."""

from __future__ import annotations

import json
from typing import NamedTuple

from ...contract.values.socket import Json

_WARNINGS = ""  # the key of the warnings among the outputs; no output can have this name
_read, _write = json.JSONDecoder().decode, json.JSONEncoder().encode


class Stored(NamedTuple):
    """One stored value.

    digest: the digest of the value.
    size:   the size of its blob in bytes; None if the value is JSON in the index.
    inline: this JSON.
    """

    digest: str
    size: int | None
    inline: Json = None


class Result(NamedTuple):
    """The outputs of a node, the seconds that it took, and its warnings."""

    outputs: dict[str, Stored]
    seconds: float
    warnings: tuple[str, ...] = ()

    @property
    def digests(self) -> dict[str, str]:
        return {name: stored.digest for name, stored in self.outputs.items()}


def packed(result: Result) -> str:
    """Returns the outputs and warnings of a result as JSON; `unpacked` is the reverse."""
    outputs = result.outputs
    if result.warnings:
        outputs = outputs | {_WARNINGS: Stored("", None, list(result.warnings))}
    return _write(outputs)


def unpacked(text: str, seconds: float) -> Result:
    """Returns the result whose outputs and warnings `packed` wrote.

    Raises: ValueError, TypeError or AttributeError for a text that `packed` did not write.
    """
    outputs = {name: Stored(*stored) for name, stored in _read(text).items()}
    warnings = outputs.pop(_WARNINGS, None)
    return Result(outputs, seconds, tuple(map(str, warnings.inline)) if warnings else ())
