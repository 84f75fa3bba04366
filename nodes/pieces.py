"""Cutting large pictures, such as scans, into pieces for a dataset."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import InputError, NodeError
from ..contract.quantities import counted
from ..contract.spec import node
from ..contract.values.kinds import Dataset
from ..contract.widgets import Fallback, InputPictures, Seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from ..pictures.survey import Survey

    Pixels = NDArray[np.uint8]

_MOST_BYTES = 2**32


@node(title="Cut pieces", category="prepare")
def cut_pieces(
    fallback: Annotated[Dataset | None, Fallback] = None,
    *,
    folder: Annotated[
        InputPictures | None,
        Field(
            description="Folder of large pictures; each sub-folder is a class; empty: use the"
            " fallback"
        ),
    ] = None,
    edge: Annotated[
        int, Field(ge=16, le=8192, description="Edge of a piece in pixels of the large picture")
    ] = 512,
    size: Annotated[
        int, Field(ge=8, le=1024, description="Width and height to which pieces are resized")
    ] = 64,
    count: Annotated[
        int, Field(ge=0, le=10_000, description="Most pieces of one picture, drawn; 0: all")
    ] = 0,
    overlap: Annotated[
        float, Field(ge=0, le=0.9, description="Least share of a piece that the next one repeats")
    ] = 0.25,
    empty: Annotated[
        float,
        Field(ge=0, le=1, description="Largest share of one colour in a piece; 1: no limit"),
    ] = 0.95,
    seed: Seed = 0,
    ctx: Context,
) -> Dataset:
    """Cut large pictures of a folder into square pieces that overlap.

    The pieces are on a grid that covers the whole picture. Pieces that are almost empty are left
    out. With `count`, some of the others are drawn. A picture that is smaller than `edge` is cut
    into squares of its shorter side. One picture is in memory at a time; it may have at most 80
    million pixels. No file is changed.

    The classes are those of `load_dataset`. The pieces of one picture are a group, so
    `split_dataset` and a classifier's held-out part never separate them. The name of a piece is the
    name of its picture with the place of its corner.

    Raises: InputError if there is no picture, or none can be read; NodeError if no piece is left,
    or if the pieces need more than 4 GiB.
    """
    import torch

    from ..pictures.class_doubts import class_of
    from ..pictures.reading import UnreadableError, read_picture
    from ..pictures.survey import Survey
    from ..pictures.walk import natural_order, refusal

    if folder is None:
        if fallback is None:
            raise InputError("no folder is given", "set `folder`, or wire `fallback`")
        return fallback
    try:
        found = Survey(folder)
    except OSError as error:
        raise InputError(f"{folder.name!r} can't be read: {error}", "check the folder") from error
    pieces: list[Pixels] = []
    names: list[str] = []
    groups: list[int] = []
    sources: list[str] = []
    dropped = small = 0
    for number, entry in enumerate(found.pictures):
        try:
            picture = read_picture(Path(entry.path))
        except UnreadableError as error:
            found.add_unreadable(entry.name, str(error))
            continue
        except OSError as error:
            why = refusal(error)
            if why is None:
                what = f"{entry.name!r} can't be read: {error.strerror}"
                raise InputError(what, "check the disk") from error
            found.skip(why, entry.name)
            continue
        small += min(picture.size) < edge
        order = ctx.rng(seed, _number_of(entry.name))
        cut, gone = _cut(picture, edge, size, overlap, empty, count, order)
        dropped += gone
        for x, y, pixels in cut:
            pieces.append(pixels)
            names.append(f"{entry.name} x{x} y{y}")
            groups.append(number)
        if (len(pieces) + 1) * size * size * 3 > _MOST_BYTES:
            raise NodeError(
                f"the pieces of the first {number + 1} pictures need more than 4 GiB",
                "lower `size` or `count`, or raise `edge`",
            )
        sources.append(entry.name)
        ctx.progress(number + 1, len(found.pictures))
    _refuse_nothing(found, folder, sources, pieces, dropped)
    labels = [class_of(name) for name in names]
    classes = tuple(sorted(set(labels), key=natural_order))
    _report(found, sources, len(pieces), dropped, small, edge, ctx)
    stacked = torch.empty(len(pieces), size, size, 3, dtype=torch.uint8)
    for row, pixels in enumerate(pieces):
        stacked[row] = torch.from_numpy(pixels)
    numbers = torch.tensor([classes.index(label) for label in labels])
    return Dataset(stacked, numbers, classes, tuple(names), torch.tensor(groups))


def _cut(
    picture: Image.Image,
    edge: int,
    size: int,
    overlap: float,
    empty: float,
    count: int,
    order: Any,
) -> tuple[list[tuple[int, int, Pixels]], int]:
    """Returns pieces with the places of their corners, and how many were left out as empty."""
    import numpy as np
    import torch
    from PIL import Image

    from ..pictures import measures

    side = min(edge, *picture.size)
    columns, rows = (_starts(length, side, overlap) for length in picture.size)
    places = [(x, y) for y in rows for x in columns]
    if count:
        places = [places[i] for i in torch.randperm(len(places), generator=order).tolist()]
    found: list[tuple[int, int, Pixels]] = []
    gone = 0
    for x, y in places:
        box = (x, y, x + side, y + side)
        pixels = np.array(picture.resize((size, size), Image.Resampling.LANCZOS, box, 3.0))
        if measures.empty(pixels) > empty:
            gone += 1
        else:
            found.append((x, y, pixels))
        if count and len(found) == count:
            break
    return sorted(found, key=lambda piece: (piece[1], piece[0])), gone


def _starts(length: int, side: int, overlap: float) -> list[int]:
    """Returns the beginnings of pieces along one side of a picture, evenly from end to end."""
    room = length - side
    number = math.ceil(room / max(1, side * (1 - overlap)))
    return [round(room * i / number) for i in range(number + 1)] if number else [0]


def _number_of(name: str) -> int:
    """Returns a number for a picture that does not depend on the other pictures."""
    import zlib

    return zlib.crc32(name.encode())


def _refuse_nothing(
    found: Survey, folder: Path, sources: list[str], pieces: list[Pixels], dropped: int
) -> None:
    """Raise an error if there is not a single piece."""
    if pieces:
        return
    if sources:
        raise NodeError(
            f"no piece is left: all {dropped} pieces are almost empty", "raise `empty` or `edge`"
        )
    skipped = found.skipped()
    raise InputError(
        f"no picture in {folder.name!r} can be used{f'; left out: {skipped}' if skipped else ''}",
        "put pictures into it, or choose another folder",
    )


def _report(
    found: Survey,
    sources: list[str],
    pieces: int,
    dropped: int,
    small: int,
    edge: int,
    ctx: Context,
) -> None:
    line = f"{counted(pieces, 'piece')} of {counted(len(sources), 'picture')}"
    if dropped:
        line += f", without {dropped} that are almost empty"
    notes = [line]
    if small:
        notes.append(f"{counted(small, 'picture')} smaller than {edge} px cut at the shorter side")
    skipped = found.skipped()
    if skipped:
        notes.append(f"left out: {skipped}")
    notes += found.doubts(sources)
    (ctx.warn if len(notes) > 1 else ctx.log)("; ".join(notes))
