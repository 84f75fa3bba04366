"""What the annotation of a parameter says: its type, its roles, and the widget that it declares."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from .widgets import (
    Advanced,
    BackgroundRole,
    Choices,
    ChosenOf,
    DevicesRole,
    FileNameRole,
    KeptStep,
    Length,
    Neutral,
    PathRole,
    ReviewRole,
    SeedRole,
)

Kind = Literal["int", "float", "bool", "text", "choice", "file", "folder"]


class Hint(NamedTuple):
    """The parts of an annotation: its type, the extras of Annotated (innermost first), and None."""

    base: Any
    extras: tuple[Any, ...]
    nullable: bool

    def has(self, role: type) -> bool:
        """Whether the annotation contains this role."""
        return any(extra is role for extra in self.extras)


def read_hint(annotation: Any) -> Hint:
    """Returns an annotation in parts."""
    extras: tuple[Any, ...] = ()
    nullable = False
    while True:
        if get_origin(annotation) is Annotated:
            extras = annotation.__metadata__ + extras
            annotation = annotation.__origin__
        elif get_origin(annotation) in (Union, UnionType) and NoneType in get_args(annotation):
            annotation = next(a for a in get_args(annotation) if a is not NoneType)
            nullable = True
        else:
            return Hint(annotation, extras, nullable)


@dataclass(frozen=True)
class Widget:
    """A setting of a node; `annotation` contains its bounds and its description for pydantic."""

    name: str
    annotation: Any
    kind: Kind
    required: bool
    default: Any
    nullable: bool

    @cached_property
    def choices(self) -> tuple[Any, ...]:
        """The values to choose from, if the widget is a choice."""
        return get_args(self._hint.base) if self.kind == "choice" else ()

    @cached_property
    def lines(self) -> dict[str, str]:
        """A line about each value of a choice, if the node describes them."""
        return next((e.lines for e in self._hint.extras if isinstance(e, Choices)), {})

    @cached_property
    def limits(self) -> dict[str, Any]:
        """Bounds by pydantic's names: ge, le, gt, lt, multiple_of, min_length, ..."""
        found: dict[str, Any] = {}
        names = ("ge", "le", "gt", "lt", "multiple_of", "min_length", "max_length", "pattern")
        for extra in self._fields:
            for rule in extra.metadata:
                for name in names:
                    if getattr(rule, name, None) is not None:
                        found[name] = getattr(rule, name)
        return found

    @cached_property
    def converts_whole_floats(self) -> bool:
        """Whether 2.0 becomes 2, because JSON and browsers do not distinguish them."""
        base = self._hint.base
        return base is int or base == int | float

    @property
    def description(self) -> str:
        """A line for tooltips and help; `lines` describes the values of a choice."""
        return next((f.description for f in reversed(self._fields) if f.description), "")

    @property
    def choice_lines(self) -> list[str]:
        """`value: line` for each value of a choice that is described."""
        return [f"{value}: {line}" for value, line in self.lines.items()]

    @cached_property
    def is_length(self) -> bool:
        """Whether it sets the length of a training."""
        return self._hint.has(Length)

    @cached_property
    def is_devices(self) -> bool:
        """Whether it sets on how many devices of one machine the training runs."""
        return self._hint.has(DevicesRole)

    @cached_property
    def is_kept_step(self) -> bool:
        """Whether it is the step whose model is returned, which does not change the training."""
        return self._hint.has(KeptStep)

    @cached_property
    def neutral(self) -> Neutral | None:
        """The value with which the node computes the same as without this widget, if any."""
        return next((extra for extra in self._hint.extras if isinstance(extra, Neutral)), None)

    @cached_property
    def is_seed(self) -> bool:
        """Whether it is the seed of the random numbers."""
        return self._hint.has(SeedRole)

    @cached_property
    def is_advanced(self) -> bool:
        """Whether it is not needed at first, so that editors fold it."""
        return self._hint.has(Advanced)

    @cached_property
    def is_review(self) -> bool:
        """Whether it is the file with what was decided about the pictures of the folder."""
        return self._hint.has(ReviewRole)

    @cached_property
    def is_file_name(self) -> bool:
        """Whether it is the name of the saved file."""
        return self._hint.has(FileNameRole)

    @cached_property
    def is_background(self) -> bool:
        """Whether it is the colour behind transparent parts."""
        return self._hint.has(BackgroundRole)

    @cached_property
    def chosen_of(self) -> str | None:
        """Name of the input of whose pictures it contains the chosen numbers, if it does."""
        return next((e.input for e in self._hint.extras if isinstance(e, ChosenOf)), None)

    @cached_property
    def is_path(self) -> bool:
        """Whether it is the path of an input file or folder."""
        return self.kind in ("file", "folder")

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Suffixes of the files that are read; for a folder, of those that may be named instead."""
        return next((e.files for e in self._hint.extras if isinstance(e, PathRole)), ())

    @cached_property
    def is_picture(self) -> bool:
        """Whether it is the path of a picture file, or of a folder of pictures."""
        return any(isinstance(e, PathRole) and e.is_picture for e in self._hint.extras)

    @property
    def is_folder(self) -> bool:
        """Whether it is the path of a folder, which an editor offers to choose and to look at."""
        return self.kind == "folder" and not self.is_shards

    @cached_property
    def is_shards(self) -> bool:
        """Whether it names shards of a dataset, or their address."""
        return any(isinstance(e, PathRole) and e.is_shards for e in self._hint.extras)

    @cached_property
    def _hint(self) -> Hint:
        return read_hint(self.annotation)

    @property
    def _fields(self) -> list[Any]:
        return [extra for extra in self._hint.extras if hasattr(extra, "description")]


def widget_of(name: str, annotation: Any, default: Any) -> Widget:
    """Returns the widget that a keyword-only parameter declares.

    Raises: TypeError if the annotation does not fit a widget.
    """
    hint = read_hint(annotation)
    required = default is inspect.Parameter.empty
    nullable = not required and default is None
    widget = Widget(name, annotation, _kind(name, hint), required, default, nullable)
    if widget.lines and widget.lines.keys() != set(widget.choices):
        raise TypeError(
            f"widget {name!r}: Choices describes {', '.join(widget.lines)}, but the choices are"
            f" {', '.join(map(str, widget.choices))} - describe each of them once"
        )
    return widget


def _kind(name: str, hint: Hint) -> Kind:
    base = hint.base
    role = next((extra for extra in hint.extras if isinstance(extra, PathRole)), None)
    if role is not None:
        return role.kind
    if get_origin(base) is Literal:
        return "choice"
    kinds: dict[Any, Kind] = {int: "int", float: "float", bool: "bool", str: "text"}
    if base in kinds:
        return kinds[base]
    if base == int | float:
        return "float"
    raise TypeError(f"widget {name!r} has type {base!r} - use int, float, bool, str or Literal")
