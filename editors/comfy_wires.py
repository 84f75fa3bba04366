"""What wires carry between nodes in ComfyUI.

Between two of our nodes a wire carries a `Ref`: where the store has the value, under which
digest. So nothing is digested twice, each node reads its inputs fresh, as in a run from the
command line, and ComfyUI's memory holds no models. Pictures, numbers and texts are plain values
there, for other packs' nodes; the pictures that we gave are known again by their identity.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from ..nodes.contract import NodeSpec
from ..nodes.errors import NodeError
from ..nodes.sockets import Socket, SocketError, socket_of
from ..runner.blobs import BlobError
from ..runner.results import Stored
from . import comfy_host as host

PLAIN = ("image", "number", "text")  # carried as they are, for other packs' nodes


@dataclass(frozen=True)
class Ref:
    """A stored value on a wire."""

    socket: Socket
    stored: Stored


class LostError(NodeError):
    """A stored value that a wire carries is gone."""


lost = 0  # how many such there were: a new number makes ComfyUI ask our nodes again
_known: dict[int, tuple[weakref.ref[Any], int, Stored]] = {}  # our pictures, by id


def ref_to(spec: NodeSpec, name: str, value: Any) -> Ref:
    """Where the value of an input is stored; one that another pack made is stored first."""
    sockets = spec.inputs[name].sockets
    if isinstance(value, Ref):
        for own in sockets:
            if own.name == value.socket.name:
                return Ref(own, value.stored)  # read in the input's own way
        wanted = " or ".join(socket.name for socket in sockets)
        raise NodeError(f"{name} takes a {wanted}, not a {value.socket.name}", "wire another")
    socket = sockets[0] if len(sockets) == 1 else socket_of(type(value))
    if socket is None:
        raise NodeError(f"{name} can't take a {type(value).__name__}", "wire one of our nodes")
    known = _known.get(id(value))
    if known is not None and known[0]() is value and known[1] == value._version:  # type: ignore[union-attr]
        return Ref(socket, known[2])
    try:
        return Ref(socket, host.store().keep(socket, _own(value)))
    except SocketError as error:
        raise NodeError(f"{name}: {error}", "wire something else") from error


def _own(value: Any) -> Any:
    """Pictures of any number of channels as ours have: three, float32, without negative steps."""
    import torch

    if not isinstance(value, torch.Tensor) or value.ndim != 4:
        return value
    value = value.detach().float()
    if value.shape[3] == 1:
        value = value.expand(-1, -1, -1, 3)
    return value[..., :3].clone()


def value_of(ref: Ref) -> Any:
    """The value, fresh from the store."""
    global lost
    try:
        return host.store().value(ref.socket, ref.stored)
    except BlobError as error:
        lost += 1
        raise LostError("a stored result is gone from the cache", "queue again to remake it") from (
            error
        )


def remember(value: Any, stored: Stored) -> None:
    """Know this tensor again, as long as nobody wrote into it."""
    number = id(value)

    def forget(_: Any, number: int = number) -> None:
        _known.pop(number, None)

    _known[number] = (weakref.ref(value, forget), value._version, stored)
