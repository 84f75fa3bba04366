"""What the store says of a node's result, and its form in the index."""

from __future__ import annotations

import json
from typing import NamedTuple

from ...contract.values.kinds import Json

_WARNINGS = ""  # the name they have among the outputs, which no output can have
_read, _write = json.JSONDecoder().decode, json.JSONEncoder().encode


class Stored(NamedTuple):
    """One stored value: its digest, and its size as a blob or its JSON."""

    digest: str
    size: int | None
    inline: Json = None


class Result(NamedTuple):
    """What a node gave, how long it took in seconds, and what it warned of."""

    outputs: dict[str, Stored]
    seconds: float
    warnings: tuple[str, ...] = ()

    @property
    def digests(self) -> dict[str, str]:
        return {name: stored.digest for name, stored in self.outputs.items()}


def packed(result: Result) -> str:
    """A result's outputs and warnings as JSON; `unpacked` reverses it."""
    outputs = result.outputs
    if result.warnings:
        outputs = outputs | {_WARNINGS: Stored("", None, list(result.warnings))}
    return _write(outputs)


def unpacked(text: str, seconds: float) -> Result:
    """The result whose outputs and warnings `packed` wrote.

    Raises: ValueError, TypeError or AttributeError for what it did not write.
    """
    outputs = {name: Stored(*stored) for name, stored in _read(text).items()}
    warnings = outputs.pop(_WARNINGS, None)
    return Result(outputs, seconds, tuple(map(str, warnings.inline)) if warnings else ())
