"""Roles that a parameter of a node may have in its annotation, and annotations that have them.

No rule of the runner or of an editor depends on the name of a parameter. A rule depends on a role.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from .shards import Shards


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
