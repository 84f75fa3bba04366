"""A socket: a kind of value, with functions that split it for the store and build it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Json = Any


@dataclass(frozen=True)
class Rows:
    """A uint8 buffer that is written in parts, so that it need not fit into memory."""

    shape: tuple[int, ...]
    parts: Iterable[Tensor]


Buffers = Mapping[str, "Tensor | bytes | Rows"]


class Blob(Protocol):
    """A stored file of named buffers."""

    def tensor(self, name: str) -> Tensor:
        """Returns a tensor that is mapped from the file; a change to it does not reach the file."""

    def shape(self, name: str) -> list[int]:
        """Returns the shape of a tensor."""

    def rows(self, name: str, rows: Sequence[int]) -> Tensor:
        """Returns some rows of a uint8 tensor; only these are read from the file."""

    def names(self) -> list[str]:
        """Returns all names; those with the same prefix before a dot are together."""

    def raw(self, name: str) -> bytes:
        """Returns the bytes of one buffer."""


@dataclass(frozen=True)
class Socket:
    """One kind of value.

    about:   shape, type and range in one line.
    encode:  splits a value into JSON and buffers.
    decode:  builds the value from the JSON and the blob that contains the buffers, or None if there
             were none.
    """

    name: str
    about: str
    encode: Callable[[Any], tuple[Json, Buffers]]
    decode: Callable[[Json, Blob | None], Any]


class SocketError(ValueError):
    """A node returned a value that does not fit its annotation."""


def require(condition: bool, what: str) -> None:
    """Raises SocketError with the text `what` if the condition is false."""
    if not condition:
        raise SocketError(what)
