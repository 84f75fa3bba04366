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
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from .context import Context
from .sockets import Socket, socket_of
from .wording import problem_text

Function = TypeVar("Function", bound=Callable[..., Any])
Kind = Literal["int", "float", "bool", "text", "choice", "file", "folder"]


@dataclass(frozen=True)
class PathRole:
    """Marks a widget as the path of an input file or folder; the node receives a `Path`."""

    kind: Literal["file", "folder"]


class Length:
    """Marks the widget that says how long to train; the runner extends instead of repeating."""


InputFile = Annotated[Path, PathRole("file")]
InputFolder = Annotated[Path, PathRole("folder")]
Seed = Annotated[
    int, Field(ge=0, le=2**53 - 1, description="Same seed, same result; another seed, another")
]
Steps = Annotated[
    int,
    Field(
        ge=1,
        le=10_000_000,
        description="Optimisation steps in all; raising it goes on from the last checkpoint",
    ),
    Length,
]


@dataclass(frozen=True)
class Port:
    """A socket of a node: one kind of value, or one of several that a type variable ties."""

    name: str
    sockets: tuple[Socket, ...]
    optional: bool = False
    variable: str | None = None


@dataclass(frozen=True)
class Widget:
    """A plain value of a node; `annotation` carries bounds and description for pydantic."""

    name: str
    annotation: Any
    kind: Kind
    required: bool
    default: Any
    nullable: bool
    is_length: bool

    @cached_property
    def choices(self) -> tuple[Any, ...]:
        """The values of a choice."""
        return get_args(_base(self.annotation)[0]) if self.kind == "choice" else ()

    @cached_property
    def limits(self) -> dict[str, Any]:
        """Bounds and lengths by their JSON-like names: ge, le, gt, lt, min_length, ..."""
        found: dict[str, Any] = {}
        names = ("ge", "le", "gt", "lt", "multiple_of", "min_length", "max_length", "pattern")
        for extra in self._fields:
            for rule in extra.metadata:
                for name in names:
                    if getattr(rule, name, None) is not None:
                        found[name] = getattr(rule, name)
        return found

    @cached_property
    def takes_whole(self) -> bool:
        """Whether 2 and 2.0 are one value, the int: JSON and browsers don't tell them apart."""
        base = _base(self.annotation)[0]
        return base is int or base == int | float

    @property
    def description(self) -> str:
        """One line for tooltips and help."""
        return next((f.description for f in self._fields if f.description), "")

    @property
    def _fields(self) -> list[Any]:
        extras = _base(self.annotation)[1]
        return [extra for extra in extras if hasattr(extra, "description")]


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
                widgets[name] = _widget(name, hints[name], parameter.default)
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
        """What the node returns, by name; a single output is named for its socket."""
        hint = _hints(self.function).get("return")
        if isinstance(hint, type) and hasattr(hint, "_fields"):
            return {name: _port(self.id, name, field) for name, field in _hints(hint).items()}
        port = _port(self.id, "return", hint)
        name = port.sockets[0].name if port.variable is None else "latent"
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
    def model(self) -> type[BaseModel]:
        """The strict model of the widgets' values; paths are strings in it."""
        fields: dict[str, Any] = {}
        for widget in self.widgets.values():
            annotation = str if widget.kind in ("file", "folder") else widget.annotation
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
        return frozenset(w.name for w in self.widgets.values() if w.kind in ("file", "folder"))

    def check(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Widget values completed with defaults and made canonical, and what is wrong by name.

        A whole float stands for an int; nothing else is converted.
        """
        plain = {name: self._canonical(name, value) for name, value in values.items()}
        try:
            return dict(self._validate(plain).__dict__), {}
        except ValidationError as error:
            wrong = {
                str(e["loc"][0]): problem_text(e, self.widgets.get(str(e["loc"][0])))
                for e in error.errors(include_url=False)
            }
            return plain, wrong

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


def _base(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """An annotation without None and Annotated, and the extras it carried."""
    extras: tuple[Any, ...] = ()
    while True:
        if get_origin(annotation) is Annotated:
            extras += annotation.__metadata__
            annotation = annotation.__origin__
        elif get_origin(annotation) in (Union, UnionType) and NoneType in get_args(annotation):
            annotation = next(a for a in get_args(annotation) if a is not NoneType)
        else:
            return annotation, extras


def _port(node_id: str, name: str, hint: Any) -> Port:
    optional = get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)
    if optional:
        hint = next(a for a in get_args(hint) if a is not NoneType)
    if isinstance(hint, TypeVar):
        sockets = tuple(filter(None, map(socket_of, hint.__constraints__)))
        return Port(name, sockets, optional, hint.__name__)
    socket = socket_of(hint)
    if socket is None:
        raise TypeError(f"node {node_id}: {name!r} is annotated {hint!r}, which is no socket")
    return Port(name, (socket,), optional)


def _widget(name: str, hint: Any, default: Any) -> Widget:
    base, extras = _base(hint)
    role = next((extra for extra in extras if isinstance(extra, PathRole)), None)
    required = default is inspect.Parameter.empty
    nullable = not required and default is None
    is_length = any(extra is Length for extra in extras)
    return Widget(name, hint, _kind(name, base, role), required, default, nullable, is_length)


def _kind(name: str, base: Any, role: PathRole | None) -> Kind:
    if role is not None:
        return role.kind
    if get_origin(base) is Literal:
        return "choice"
    kinds: dict[Any, Kind] = {int: "int", float: "float", bool: "bool", str: "text"}
    if base in kinds:
        return kinds[base]
    if base == int | float:
        return "float"
    raise TypeError(f"widget {name!r} has type {base!r}; use int, float, bool, str or Literal")
