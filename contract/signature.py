"""Reads the signature of a node's function: its inputs, widgets and outputs."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic.fields import FieldInfo

from .context import Context
from .parameter import Widget, read_hint, widget_of
from .values.kinds import socket_of
from .values.socket import Socket
from .widgets import Alpha, Aside, Fallback, MayBeEmpty, Streams

_FALLBACK = "Used if no file or folder is chosen"  # about an input that is a fallback


@dataclass(frozen=True)
class Port:
    """An input or an output of a node.

    sockets:     the kinds of value; several if the annotation is a type variable.
    variable:    name of the type variable, which is the same kind wherever it occurs in a node.
    is_fallback: whether the input replaces a file or folder.
    alpha:       whether the node accepts pictures with an alpha channel.
    may_be_empty: whether an output that is None counts as not wired, instead of being an error.
    is_aside:    whether the output is only wired by its name.
    streams:     whether the node accepts a dataset whose pictures stay in shards.
    about:       what the node does with an input, if the node says so.
    """

    name: str
    sockets: tuple[Socket, ...]
    optional: bool = False
    variable: str | None = None
    is_fallback: bool = False
    alpha: bool = False
    may_be_empty: bool = False
    is_aside: bool = False
    streams: bool = False
    about: str = ""


def read_parameters(
    node_id: str, function: Callable[..., Any]
) -> tuple[dict[str, Port], dict[str, Widget], str | None]:
    """Returns inputs, widgets, and the name of the parameter for the context.

    Raises: TypeError if an annotation is missing or does not fit.
    """
    hints = _hints(function)
    inputs, widgets, context = {}, {}, None
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in hints:
            raise TypeError(f"node {node_id}: parameter {name!r} has no annotation")
        if hints[name] is Context:
            context = name
        elif parameter.kind is parameter.KEYWORD_ONLY:
            widgets[name] = widget_of(name, hints[name], parameter.default)
        else:
            inputs[name] = _port(node_id, name, hints[name])
    for widget in widgets.values():
        if widget.chosen_of is not None and widget.chosen_of not in inputs:
            raise TypeError(
                f"node {node_id}: widget {widget.name!r} chooses from {widget.chosen_of!r},"
                " which is not an input"
            )
    return inputs, widgets, context


def read_outputs(node_id: str, function: Callable[..., Any]) -> dict[str, Port]:
    """Returns outputs by name; a single one is named after its socket or its type variable."""
    hint = _hints(function).get("return")
    named = typing.get_origin(hint) or hint  # `Bred[Latent]` is a NamedTuple too
    if isinstance(named, type) and hasattr(named, "_fields"):
        return {name: _port(node_id, name, field) for name, field in _hints(named).items()}
    port = _port(node_id, "return", hint)
    name = port.sockets[0].name if port.variable is None else _snake(port.variable)
    return {name: replace(port, name=name)}


def _hints(annotated: Any) -> dict[str, Any]:
    """Returns the annotations, evaluated; Tensor is replaced by Any, so torch is not imported."""
    return typing.get_type_hints(annotated, localns={"Tensor": Any}, include_extras=True)


def _port(node_id: str, name: str, annotation: Any) -> Port:
    hint = read_hint(annotation)
    variable = None
    if isinstance(hint.base, TypeVar):
        sockets = tuple(filter(None, map(socket_of, hint.base.__constraints__)))
        variable = hint.base.__name__
    else:
        marked = (extra for extra in hint.extras if isinstance(extra, Socket))
        socket = next(marked, None) or socket_of(hint.base)
        if socket is None:
            raise TypeError(
                f"node {node_id}: {name!r} is annotated {annotation!r}, which is not a socket"
            )
        sockets = (socket,)
    roles = {role: hint.has(role) for role in (Fallback, Alpha, MayBeEmpty, Aside, Streams)}
    for role, noun in ((Fallback, "fallback"), (MayBeEmpty, "output")):
        if roles[role] and not hint.nullable:
            raise TypeError(
                f"node {node_id}: the {noun} {name!r} must be optional - annotate it with `| None`"
            )
    about = next((e.description for e in hint.extras if isinstance(e, FieldInfo)), None)
    about = about or (_FALLBACK if roles[Fallback] else "")
    return Port(
        name,
        sockets,
        hint.nullable,
        variable,
        is_fallback=roles[Fallback],
        alpha=roles[Alpha],
        may_be_empty=roles[MayBeEmpty],
        is_aside=roles[Aside],
        streams=roles[Streams],
        about=about,
    )


def _snake(name: str) -> str:
    """Returns the name of a type in the form of a value's name: `AnyModel` becomes `any_model`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).strip("_").lower()
