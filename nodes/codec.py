"""What a socket is: a kind of value, and how it is taken apart for the store and put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Json = Any


@dataclass(frozen=True)
class Rows:
    """A uint8 buffer that is written as it comes: its whole shape, and the parts of it."""

    shape: tuple[int, ...]
    parts: Iterable[Tensor]


Buffers = Mapping[str, "Tensor | bytes | Rows"]


class Blob(Protocol):
    """A stored file of named buffers."""

    def tensor(self, name: str) -> Tensor:
        """A tensor mapped from the file; writing to it changes this copy only."""

    def shape(self, name: str) -> list[int]:
        """The shape of a tensor."""

    def rows(self, name: str, rows: Sequence[int]) -> Tensor:
        """Some rows of a uint8 tensor, read from the file; little memory is taken for long."""

    def names(self) -> list[str]:
        """All names, those with a dot grouped by their prefix."""

    def raw(self, name: str) -> bytes:
        """The bytes of one buffer."""


@dataclass(frozen=True)
class Socket:
    """One kind of value. `about` says shape, type and range in one line.

    `encode` splits a value into JSON and buffers. `decode` gets these back: the JSON, and the blob
    that holds the buffers, or None if there were none.
    """

    name: str
    about: str
    encode: Callable[[Any], tuple[Json, Buffers]]
    decode: Callable[[Json, Blob | None], Any]


class SocketError(ValueError):
    """A node returned something that is not what its annotation says."""


def require(condition: bool, what: str) -> None:
    """Refuse a value, saying what it must be."""
    if not condition:
        raise SocketError(what)
