"""A sheet of what a folder contains, made of few of its pictures, so that it is there at once."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ..fitting import Fit
    from .reviewed import Reviewed
    from .source import Source

_ON_SHEET, _COLUMNS, _EDGE = 18, 6, 96  # pictures on a sheet, and their longer edge in pixels


class FolderSheet(NamedTuple):
    """A contact sheet as WebP, and the number of pictures on it."""

    data: bytes
    shown: int


def folder_sheet(
    source: Source, reviewed: Reviewed, shape: tuple[int, int], fit: Fit, background: str | None
) -> FolderSheet | None:
    """Returns a contact sheet with pictures of each class; None if none can be read.

    shape: height and width of the pictures of the dataset, whose proportions the sheet shows.
    """
    import numpy as np
    from PIL import Image

    from ..fitting import read_fitted
    from ..reading import UnreadableError
    from ..sheet import contact_sheet, lay_out

    entries = reviewed.survey.pictures
    places = _chosen([reviewed.label(entry.name) for entry in entries])
    scale = _EDGE / max(shape)
    height, width = (max(1, round(side * scale)) for side in shape)
    tiles: dict[int, Any] = {}
    for place, file in source.read([entries[number] for number in places]):
        crop = reviewed.choice(entries[places[place]].name).crop
        try:
            if not isinstance(file, UnreadableError):
                read = read_fitted(file, height, width, fit, background=background, crop=crop)
                tiles[place] = read.pixels
        except (UnreadableError, OSError, MemoryError):
            continue
    if not tiles:
        return None
    pixels = np.stack([tiles[place] for place in sorted(tiles)])
    layout = lay_out(len(tiles), height, width, columns=_COLUMNS, scale=1, gap=2)
    sheet = Image.fromarray(contact_sheet(pixels, layout))
    opaque = Image.new("L", sheet.size)  # what is behind the sheet shows between its pictures
    for number in range(len(tiles)):
        x, y = layout.corner(number)
        opaque.paste(255, (x, y, x + layout.cell[0], y + layout.cell[1]))
    sheet.putalpha(opaque)
    buffer = io.BytesIO()
    sheet.save(buffer, "WEBP", quality=82, method=2)
    return FolderSheet(buffer.getvalue(), len(tiles))


def _chosen(labels: Sequence[str]) -> list[int]:
    """Returns the places of some pictures, spread over each class; those of a class together."""
    from ..walk import natural_order

    classes: dict[str, list[int]] = {}
    for place, label in enumerate(labels):
        classes.setdefault(label, []).append(place)
    names = sorted(classes, key=natural_order)[:_ON_SHEET]
    shares = dict.fromkeys(names, 0)
    free = min(_ON_SHEET, sum(len(classes[name]) for name in names))
    while free:
        for name in names:
            if free and shares[name] < len(classes[name]):
                shares[name] += 1
                free -= 1
    chosen = []
    for name in names:
        places, share = classes[name], shares[name]
        chosen += [places[number * len(places) // share] for number in range(share)]
    return chosen
