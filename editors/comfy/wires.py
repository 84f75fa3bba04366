"""The values on wires between nodes in ComfyUI.

A wire between two of our nodes carries a `Ref`, which names a value in the store. Therefore no
digest is computed twice, each node reads its inputs from the store, as in a run from the command
line, and ComfyUI keeps no models in memory. Pictures, masks, numbers and texts are passed as plain
values, so that other packs' nodes can use them. Pictures and masks that came from our store are
recognized by their identity.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from ...contract.errors import NodeError
from ...contract.spec import NodeSpec
from ...contract.values.kinds import socket_of
from ...contract.values.socket import Socket, SocketError
from ...runner.store.blobs import BlobError
from ...runner.store.results import Stored
from . import host
from .described import description

PLAIN = ("image", "mask", "number", "text")  # sockets whose values are passed as plain values


@dataclass(frozen=True)
class Ref:
    """A stored value on a wire. Its text is what ComfyUI's *Preview as Text* shows."""

    socket: Socket
    stored: Stored

    def __str__(self) -> str:
        return description(value_of(self))


@dataclass(frozen=True)
class NoValue:
    """On a wire from an output that is None this time, although it is not `MayBeEmpty`.

    others: the outputs of the node that have a value.
    """

    output: str
    others: tuple[str, ...] = ()


class LostError(NodeError):
    """A stored value on a wire is no longer in the cache."""


lost_values = 0  # number of LostErrors, part of each fingerprint: if it grows, all our nodes rerun
_stored_tensors: dict[int, tuple[weakref.ref[Any], int, Stored]] = {}  # by the tensor's id


def ref_to(spec: NodeSpec, name: str, value: Any) -> Ref:
    """Returns a reference to the stored value of an input. Another pack's value is stored first."""
    sockets = spec.inputs[name].sockets
    if isinstance(value, NoValue):
        others = " or ".join(value.others)
        raise NodeError(
            f"{name} is wired to the output {value.output}, which has no value this time",
            f"wire the output {others} of that node" if others else "wire another node",
        )
    if isinstance(value, Ref):
        for socket in sockets:
            if socket.name == value.socket.name:
                return Ref(socket, value.stored)  # read the value with the input's own socket
        accepted = " or ".join(socket.name for socket in sockets)
        raise NodeError(f"{name} is wired to {value.socket.name}", f"wire it to {accepted}")
    own = sockets[0] if len(sockets) == 1 else socket_of(type(value))
    if own is None:
        what = f"{name} does not accept values of type {type(value).__name__}"
        raise NodeError(what, "wire the output of an artgraph node")
    known = _stored_tensors.get(id(value))
    if known is not None and known[0]() is value and known[1] == value._version:  # type: ignore[union-attr]
        return Ref(own, known[2])
    try:
        return Ref(own, host.store().put_value(own, _in_our_form(value, own.name)))
    except SocketError as error:
        raise NodeError(f"{name}: {error}", "wire the output of an artgraph node") from error


def _in_our_form(value: Any, socket: str) -> Any:
    """Returns pictures and masks in our form: float32, own memory. Other values unchanged.

    Grey pictures get three channels, with alpha four. A single mask becomes a batch.
    """
    import torch

    if not isinstance(value, torch.Tensor):
        return value
    if socket == "mask" and value.ndim in (2, 3, 4):
        if value.ndim == 4 and value.shape[1] == 1:  # as some packs make them
            value = value[:, 0]
        return (value if value.ndim > 2 else value[None]).detach().float().clone()
    if socket == "image" and value.ndim == 4:
        value = value.detach().float()
        if value.shape[3] in (1, 2):
            grey = value[..., :1].expand(-1, -1, -1, 3)
            value = torch.cat([grey, value[..., 1:]], 3)
        return value.clone()
    return value


def value_of(ref: Ref) -> Any:
    """Returns the value, read from the store."""
    global lost_values
    try:
        return host.store().value(ref.socket, ref.stored)
    except BlobError as error:
        lost_values += 1
        what = "a stored result is no longer in the cache"
        raise LostError(what, "queue again to compute it") from error


def remember(value: Any, stored: Stored) -> None:
    """Remember the stored value of a tensor, until the tensor is changed or deleted."""
    number = id(value)

    def forget(_: Any, number: int = number) -> None:
        _stored_tensors.pop(number, None)

    _stored_tensors[number] = (weakref.ref(value, forget), value._version, stored)
