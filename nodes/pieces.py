"""Cutting large pictures, such as scans, into pieces for a dataset."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import InputError, NodeError, unreadable
from ..contract.quantities import counted
from ..contract.spec import node
from ..contract.values.dataset import Dataset
from ..contract.widgets import Advanced, Fallback, InputPictures, InputReview, Neutral, Seed
from .data import out_of_memory
from .review import decisions, reviewed_pictures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from ..pictures.packed import Packed
    from ..pictures.reading import UnreadableError
    from ..pictures.review import Box
    from ..pictures.sources.reviewed import Reviewed
    from ..pictures.sources.source import Source
    from ..pictures.survey import Survey

    Pixels = NDArray[np.uint8]

_MOST_BYTES = 2**32


class _Piece(NamedTuple):
    """A piece of a picture, and the place of its left upper corner."""

    x: int
    y: int
    pixels: Pixels


@node(
    title="Cut pieces",
    category="prepare",
    words="crop, tile, patches, texture, slices, 裁剪, 切块, 纹理",
)
def cut_pieces(
    fallback: Annotated[Dataset | None, Fallback] = None,
    *,
    folder: Annotated[
        InputPictures | None,
        Field(
            description="Folder or archive of large pictures; each sub-folder is a class; empty:"
            " use the fallback"
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
        float,
        Field(ge=0, le=0.9, description="Least share of a piece that the next one repeats"),
        Advanced,
    ] = 0.25,
    empty: Annotated[
        float,
        Field(ge=0, le=1, description="Largest share of one colour in a piece; 1: no limit"),
        Advanced,
    ] = 0.95,
    seed: Annotated[Seed, Advanced] = 0,
    review: Annotated[
        InputReview | None,
        Field(description="Review of the large pictures, as for `load_dataset`; empty: none"),
        Neutral(None),
        Advanced,
    ] = None,
    ctx: Context,
) -> Dataset:
    """Cut large pictures of a folder into square pieces that overlap.

    The pieces are on a grid that covers the whole picture. Pieces that are almost empty are left
    out. With `count`, some of the others are drawn. A picture that is smaller than `edge` is cut
    into squares of its shorter side. Transparent parts become white. One picture is in memory at a
    time; it may have at most 80 million pixels. No file is changed.

    The classes are those of `load_dataset`, also from archives and tables of labels. The pieces of
    one picture are a group, so `split_dataset` and a classifier's held-out part never separate
    them. The name of a piece is the name of its picture with the place of its corner.

    Raises: InputError if there is no picture, or none can be read; NodeError if no piece is left,
    or if the pieces need more than 4 GiB.
    """
    import torch

    from ..pictures.packed import SourceError
    from ..pictures.sources.source import open_source
    from ..pictures.walk import natural_order, printable

    if folder is None and review is not None:
        raise InputError("`review` needs the folder of its pictures", "set `folder`")
    if folder is None:
        if fallback is None:
            raise InputError("no folder is given", "set `folder`, or wire `fallback`")
        return fallback
    try:
        source = open_source(folder)
        reviewed = reviewed_pictures(folder, source, review)
        found = reviewed.survey
        entries = found.pictures
        cuts: dict[int, list[_Piece]] = {}  # by the place of the picture
        dropped = small = total = 0
        for done, (place, file) in enumerate(source.read(entries), 1):
            name = entries[place].name
            picture = _read(file, name, found, reviewed.choice(name).crop)
            if picture is None:
                continue
            small += min(picture.size) < edge
            order = ctx.rng(seed, _number_of(name))
            cuts[place], gone = _cut(picture, edge, size, overlap, empty, count, order)
            dropped, total = dropped + gone, total + len(cuts[place])
            if (total + 1) * size * size * 3 > _MOST_BYTES:
                raise NodeError(
                    f"the pieces of the first {done} pictures need more than 4 GiB",
                    "lower `size` or `count`, or raise `edge`",
                )
            ctx.progress(done, len(entries))
    except SourceError as error:
        raise InputError(f"{folder.name!r}: {error.what}", error.advice) from error
    except OSError as error:
        raise unreadable(Path(printable(str(error.filename or folder))), error) from error
    except MemoryError as error:
        raise out_of_memory(folder.name) from error
    _refuse_nothing(found, source, folder, bool(cuts), total, dropped)
    labels, pixels, names, groups, origins = [], [], [], [], []
    for place in sorted(cuts):
        name = entries[place].name
        labels += [reviewed.label(name)] * len(cuts[place])
        origins += [name] * len(cuts[place])
        pixels += [piece.pixels for piece in cuts[place]]
        names += [f"{name} x{piece.x} y{piece.y}" for piece in cuts[place]]
        groups += [place] * len(cuts[place])
    classes = tuple(sorted(set(labels), key=natural_order))
    _report(
        reviewed,
        source,
        [entries[place].name for place in sorted(cuts)],
        total,
        dropped,
        small,
        edge,
        ctx,
    )
    stacked = torch.empty(len(names), size, size, 3, dtype=torch.uint8)
    for row, piece in enumerate(pixels):
        stacked[row] = torch.from_numpy(piece)
    numbers = torch.tensor([classes.index(label) for label in labels])
    stars, keep = decisions(reviewed, origins)
    return Dataset(stacked, numbers, classes, tuple(names), torch.tensor(groups), stars, keep)


def _read(
    file: Path | Packed | UnreadableError, name: str, found: Survey, crop: Box | None
) -> Image.Image | None:
    """Returns a picture; None if it can't be read, which is added to what is skipped.

    Raises: InputError if the disk has a fault; NodeError if memory runs out.
    """
    from ..pictures.fitting import cropped
    from ..pictures.reading import ANOTHER, UnreadableError, read_picture
    from ..pictures.walk import refusal

    try:
        if isinstance(file, UnreadableError):
            raise file
        picture = read_picture(file, note=lambda text: found.add_note(name, text))
        return cropped(picture, crop)
    except UnreadableError as error:
        found.add_unreadable(name, str(error), "" if error.advice == ANOTHER else error.advice)
    except OSError as error:
        why = refusal(error)
        if why is None:
            raise unreadable(Path(name), error) from error
        found.skip(why, name)
    except MemoryError as error:
        raise out_of_memory(name) from error
    return None


def _cut(
    picture: Image.Image,
    edge: int,
    size: int,
    overlap: float,
    empty: float,
    count: int,
    order: Any,
) -> tuple[list[_Piece], int]:
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
    found: list[_Piece] = []
    gone = 0
    for x, y in places:
        box = (x, y, x + side, y + side)
        pixels = np.array(picture.resize((size, size), Image.Resampling.LANCZOS, box, 3.0))
        if measures.empty(pixels) > empty:
            gone += 1
        else:
            found.append(_Piece(x, y, pixels))
        if count and len(found) == count:
            break
    return sorted(found, key=lambda piece: (piece.y, piece.x)), gone


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
    found: Survey, source: Source, folder: Path, is_read: bool, pieces: int, dropped: int
) -> None:
    """Raise an error if there is not a single piece."""
    if pieces:
        return
    if is_read:
        raise NodeError(
            f"no piece is left: all {dropped} pieces are almost empty", "raise `empty` or `edge`"
        )
    skipped = found.skipped()
    what = f"no picture in {folder.name!r} can be used{f'; left out: {skipped}' if skipped else ''}"
    others = [f"{why} - {advice}" for why, advice in found.unused()]
    advice = found.when_empty("put pictures into it, or choose another folder")
    raise InputError("; ".join([what, *source.notes, *others]), advice)


def _report(
    reviewed: Reviewed,
    source: Source,
    names: list[str],
    pieces: int,
    dropped: int,
    small: int,
    edge: int,
    ctx: Context,
) -> None:
    line = f"{counted(pieces, 'piece')} of {counted(len(names), 'picture')}"
    if source.labels is not None:
        line += f" with classes from {source.origin}"
    if summary := reviewed.summary(names):
        line += f", {summary}"
    if dropped:
        line += f", without {dropped} that are almost empty"
    found, notes = reviewed.survey, [line]
    if small:
        notes.append(f"{counted(small, 'picture')} smaller than {edge} px cut at the shorter side")
    skipped = found.skipped()
    if skipped:
        notes.append(f"left out: {skipped}")
    notes += [*source.notes, *reviewed.notes, *found.doubts(reviewed.by_class(names))]
    (ctx.warn if len(notes) > 1 else ctx.log)("; ".join(notes))
