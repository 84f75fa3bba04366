"""Widgets, the settings of a node, and the roles that a parameter may have in its annotation.

No rule of the runner or of an editor depends on the name of a parameter. A rule depends on a role.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import Field

from .shards import Shards

Kind = Literal["int", "float", "bool", "text", "choice", "file", "folder"]


@dataclass(frozen=True)
class PathRole:
    """Marks a widget as the path of an input file or folder; the node receives a `Path`.

    is_picture: the file is a picture, and editors offer the pictures of the input folder; or only
                the pictures in the folder are read, and of other files only the names matter,
                except those that say what the pictures are.
    is_shards:  it names shards of a dataset, or their address; the node receives `Shards`.
    files:      suffixes of files that may be named instead of a folder, or of the files that are
                read; editors offer to upload such files.
    """

    kind: Literal["file", "folder"]
    is_picture: bool = False
    files: tuple[str, ...] = ()
    is_shards: bool = False


class Length:
    """Marks the length of a training; if it is raised, the runner continues the training."""


class DevicesRole:
    """Marks on how many devices of one machine a training runs at the same time."""


class KeptStep:
    """Marks the step whose model a node returns; the training is the same for each value."""


class SeedRole:
    """Marks the seed of the random numbers; editors offer to draw another seed."""


class FileNameRole:
    """Marks the name of the saved file; if it is empty, the name of the node is used."""


class ReviewRole:
    """Marks the file with what was decided about the pictures of the node's folder."""


@dataclass(frozen=True)
class ChosenOf:
    """Marks a text of numbers of pictures that were chosen of an input, such as `1, 4, 7-9`.

    Editors show the pictures of the input on the node, and a click on one adds or removes its
    number. `chosen_cells` reads the text.
    """

    input: str


class Fallback:
    """Marks an input that is used if the file or folder of the node is not given."""


class MayBeEmpty:
    """Marks an output that some runs leave empty on purpose, such as a model that is not needed.

    An input to which it is wired then counts as not wired, so it must be an optional input. Any
    other output that is None is an error if it is wired.
    """


class Aside:
    """Marks an output that is only wired by its name, such as the mask of a loaded picture.

    A wire that names a node, but no output, means the one output without this mark.
    """


class Alpha:
    """Marks an input of pictures that may have an alpha channel.

    For any other input, they are put in front of white, or of the `Background` of the node, before
    the node receives them.
    """


class Streams:
    """Marks an input of a dataset whose pictures may stay in shards, and are read when needed.

    For any other input, all pictures are read before the node receives them.
    """


class BackgroundRole:
    """Marks the colour that is put behind transparent parts."""


class Advanced:
    """Marks a widget that is not needed at first; editors fold it, or list it last."""


class Choices:
    """Describes each value of a `Literal` in one line."""

    def __init__(self, lines: Mapping[str, str]) -> None:
        self.lines = dict(lines)


@dataclass(frozen=True)
class Neutral:
    """Marks the value of a new widget with which the node computes the same as without the widget.

    While a widget has this value, it is not part of the keys of results and trainings. So
    everything that was stored before the widget existed stays valid. Never change the value, or
    stored results are used for settings with which they were not computed.
    """

    value: Any


InputFile = Annotated[Path, PathRole("file")]
InputPicture = Annotated[Path, PathRole("file", is_picture=True)]
InputFolder = Annotated[Path, PathRole("folder")]
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
PACKED = (*_ARCHIVES, ".parquet")  # suffixes of files that contain pictures
InputPictures = Annotated[Path, PathRole("folder", is_picture=True, files=PACKED)]
InputShards = Annotated[Shards, PathRole("folder", is_shards=True)]
_FILMS = "3gp avi flv gif m2ts m4v mkv mov mp4 mpeg mpg mts ogv webm wmv"
InputFilm = Annotated[
    Path, PathRole("file", files=tuple(f".{suffix}" for suffix in _FILMS.split()))
]
MODELS = (".safetensors",)  # suffixes of files that contain a model
InputModel = Annotated[Path, PathRole("file", files=MODELS)]
InputReview = Annotated[Path, PathRole("file"), ReviewRole]
Seed = Annotated[
    int,
    Field(ge=0, le=2**53 - 1, description="The same seed gives the same result"),
    SeedRole,
]
FileName = Annotated[
    str,
    Field(
        max_length=100,
        description="File name without its ending, such as cats or project/cats; the word source in"
        " braces becomes the name of the loaded picture; empty: the name of the node",
    ),
    FileNameRole,
]
Background = Annotated[
    str,
    Field(
        pattern=r"^#[0-9a-fA-F]{6}$",
        description='Colour behind transparent parts, such as "#ffffff" for white',
    ),
    BackgroundRole,
]
Steps = Annotated[
    int,
    Field(
        ge=1,
        le=10_000_000,
        description="Training steps in all; raise it to continue the training",
    ),
    Length,
]


Devices = Annotated[
    int,
    Field(
        ge=1,
        le=64,
        description="GPUs of this machine that train together; each number of them gives other"
        " bits",
    ),
    DevicesRole,
    Neutral(1),
    Advanced,
]


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
