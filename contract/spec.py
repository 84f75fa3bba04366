"""A node is one typed function; this file reads everything else off its signature.

    @node(title="Blend", category="image", version=1)
    def blend(
        first: Image,                                 # before the star: a socket to be wired
        second: Image | None = None,                  # with None: it may stay unwired
        *,
        amount: Annotated[float, Field(ge=0, le=1, description="0 is first")] = 0.5,  # a widget
        ctx: Context,                                 # injected where it is asked for
    ) -> Image:                                       # a NamedTuple names several outputs
        \"\"\"Blend two batches of pictures. The first sentence is the tooltip.\"\"\"

From the signature follow validation, the YAML schema, the command line's help and the editors'
forms. A node never changes its inputs, is deterministic (randomness only from a seed widget, by
`ctx.rng`), and writes no files: a node that saves returns `Files`. The function itself
stays an ordinary callable.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from .context import Context
from .problem import Problem
from .values.kinds import socket_of
from .values.socket import Socket
from .widgets import Fallback, Widget, read_hint, widget_of
from .wording import problem_of

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Port:
    """A socket of a node: one kind of value, or one of several that a type variable ties."""

    name: str
    sockets: tuple[Socket, ...]
    optional: bool = False
    variable: str | None = None
    is_fallback: bool = False


@dataclass(frozen=True)
class NodeSpec:
    """A node's function and what its signature says."""

    id: str
    title: str
    category: str
    version: int
    function: Callable[..., Any]
    device: bool

    @cached_property
    def doc(self) -> str:
        """The docstring, cleaned."""
        return inspect.cleandoc(self.function.__doc__ or "")

    @property
    def summary(self) -> str:
        """The first sentence of the docstring."""
        first = self.doc.split("\n\n")[0].replace("\n", " ")
        return first.split(". ")[0].rstrip(".") + "." if first else ""

    @cached_property
    def _signature(self) -> tuple[dict[str, Port], dict[str, Widget], str | None]:
        """Inputs, widgets, and the name of the parameter that wants the context."""
        hints = _hints(self.function)
        inputs, widgets, context = {}, {}, None
        for name, parameter in inspect.signature(self.function).parameters.items():
            if name not in hints:
                raise TypeError(f"node {self.id}: parameter {name!r} has no annotation")
            if hints[name] is Context:
                context = name
            elif parameter.kind is parameter.KEYWORD_ONLY:
                widgets[name] = widget_of(name, hints[name], parameter.default)
            else:
                inputs[name] = _port(self.id, name, hints[name])
        return inputs, widgets, context

    @property
    def inputs(self) -> dict[str, Port]:
        """Sockets to be wired, by name."""
        return self._signature[0]

    @property
    def widgets(self) -> dict[str, Widget]:
        """Plain values, by name."""
        return self._signature[1]

    @property
    def context(self) -> str | None:
        """The parameter that receives the context."""
        return self._signature[2]

    @cached_property
    def outputs(self) -> dict[str, Port]:
        """What the node returns, by name.

        A single output is named for its socket, or for its type variable.
        """
        hint = _hints(self.function).get("return")
        if isinstance(hint, type) and hasattr(hint, "_fields"):
            return {name: _port(self.id, name, field) for name, field in _hints(hint).items()}
        port = _port(self.id, "return", hint)
        name = port.sockets[0].name if port.variable is None else _snake(port.variable)
        return {name: Port(name, port.sockets, variable=port.variable)}

    @cached_property
    def saves(self) -> bool:
        """Whether it gives files for the output folder."""
        return any(s.name == "files" for port in self.outputs.values() for s in port.sockets)

    @cached_property
    def length(self) -> str | None:
        """The widget that says how long to train, if the node trains."""
        return next((w.name for w in self.widgets.values() if w.is_length), None)

    @cached_property
    def neutral(self) -> dict[str, Any]:
        """The values by widget that leave a key as it was before the widget existed."""
        return {w.name: w.neutral.value for w in self.widgets.values() if w.neutral}

    @cached_property
    def file_name(self) -> str | None:
        """The widget that names the saved file, if there is one."""
        return next((w.name for w in self.widgets.values() if w.is_file_name), None)

    @cached_property
    def fallbacks(self) -> tuple[str, ...]:
        """The inputs that replace a file or folder, and are not used if one is given."""
        return tuple(port.name for port in self.inputs.values() if port.is_fallback)

    @cached_property
    def model(self) -> type[BaseModel]:
        """The strict model of the widgets' values; paths are strings in it."""
        fields: dict[str, Any] = {}
        for widget in self.widgets.values():
            annotation = str if widget.is_path else widget.annotation
            if widget.nullable:
                annotation = annotation | None
            fields[widget.name] = (annotation, ... if widget.required else widget.default)
        config = ConfigDict(strict=True, extra="forbid", validate_default=True)
        return create_model(self.id, __config__=config, **fields)

    @cached_property
    def _validate(self) -> Callable[[Any], BaseModel]:
        """Half the time of `model.model_validate`, which looks this up each time."""
        return self.model.__pydantic_validator__.validate_python

    @cached_property
    def paths(self) -> frozenset[str]:
        """The widgets that name a file or a folder."""
        return frozenset(w.name for w in self.widgets.values() if w.is_path)

    def check(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
        """Widget values completed with defaults and made canonical, and what is wrong with them.

        There is at most one problem of each widget, whose name is the problem's `subject`.
        A whole float stands for an int; nothing else is converted.
        """
        plain = {name: self._canonical(name, value) for name, value in values.items()}
        try:
            return dict(self._validate(plain).__dict__), []
        except ValidationError as error:
            wrong: dict[str, Problem] = {}
            for found in error.errors(include_url=False):
                name = str(found["loc"][0])
                wrong[name] = problem_of(found, name, self.widgets.get(name))
            return plain, list(wrong.values())

    def _canonical(self, name: str, value: Any) -> Any:
        if type(value) is int or name not in self.widgets:
            return value
        widget = self.widgets[name]
        if widget.takes_whole and isinstance(value, float) and value.is_integer():
            return int(value)
        if widget.nullable and value == "":
            return None
        return value

    def __call__(
        self, inputs: Mapping[str, Any], widgets: Mapping[str, Any], ctx: Context
    ) -> dict[str, Any]:
        """Run the function; its outputs by name."""
        injected = {self.context: ctx} if self.context else {}
        result = self.function(**inputs, **widgets, **injected)
        if len(self.outputs) == 1 and not hasattr(result, "_fields"):
            return dict.fromkeys(self.outputs, result)
        return dict(zip(self.outputs, result, strict=True))


REGISTRY: dict[str, NodeSpec] = {}


def node(
    *, title: str, category: str, version: int = 1, device: bool = False
) -> Callable[[Function], Function]:
    """Register a function as a node under its own name.

    version: raised by hand whenever what the node computes changes; part of the cache key.
    device:  it computes on `ctx.device`, so that its bits depend on device, precision and
             threads; one such node runs at a time.
    """

    def register(function: Function) -> Function:
        name = function.__name__
        known = REGISTRY.get(name)
        if known is not None and known.function.__module__ != function.__module__:
            raise ValueError(
                f"node {name!r} of {function.__module__} is there already,"
                f" from {known.function.__module__}"
            )
        REGISTRY[name] = NodeSpec(name, title, category, version, function, device)
        return function

    return register


def _hints(annotated: Any) -> dict[str, Any]:
    """Annotations without strings; torch's Tensor, never imported here, stands as Any."""
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
            raise TypeError(f"node {node_id}: {name!r} is annotated {annotation!r}, not a socket")
        sockets = (socket,)
    is_fallback = hint.has(Fallback)
    if is_fallback and not hint.nullable:
        raise TypeError(
            f"node {node_id}: the fallback {name!r} has to be optional - annotate it with `| None`"
        )
    return Port(name, sockets, hint.nullable, variable, is_fallback)


def _snake(name: str) -> str:
    """The name of a type as that of a value: `AnyModel` becomes `any_model`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).strip("_").lower()
