"""Sorting an archive: the pictures of each class on a sheet."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.files import Files, file_name, shortened_name
from ..contract.values.kinds import Pictures, Table
from ..contract.values.pictures import to_uint8
from ..contract.widgets import Alpha, FileName


@node(
    title="Sheets by class",
    category="save",
    words="sort, contact sheet, archive, overview, 分类总览",
)
def class_sheets(
    image: Annotated[Pictures, Alpha],
    labels: Table,
    *,
    name: Annotated[
        FileName,
        Field(
            max_length=60,
            description="Beginning of the file names; empty: the name of the node",
        ),
    ] = "",
    columns: Annotated[int, Field(ge=1, le=100, description="Pictures in a row")] = 8,
    most: Annotated[int, Field(ge=1, le=2000, description="Pictures of a class at most")] = 200,
) -> Files:
    """Save a contact sheet of the pictures of each class, sorted by probability.

    `labels` needs the columns class and probability and a row for each picture, like the table of
    `classify`. The files are PNGs named `name_class.png`.

    Raises: NodeError if `labels` has other columns or another length.
    """
    from ..pictures.encoding import encode_still
    from ..pictures.sheet import contact_sheet, lay_out

    if not {"class", "probability"} <= labels.columns.keys() or len(labels) != len(image):
        raise NodeError(
            "`labels` needs the columns class and probability and a row for each picture",
            "wire the table of `classify` for these pictures",
        )
    classes, probabilities = labels.columns["class"], labels.columns["probability"]
    pixels = to_uint8(image).numpy()
    height, width = pixels.shape[1:3]
    files: dict[str, bytes] = {}
    for name_of_class in sorted(set(classes)):
        members = [i for i, label in enumerate(classes) if label == name_of_class]
        members = sorted(members, key=lambda i: -probabilities[i])[:most]
        layout = lay_out(
            len(members), height, width, columns=columns, gap=4, captions=True, title=True
        )
        captions = [f"{100 * probabilities[i]:.0f} %" for i in members]
        sheet = contact_sheet(
            pixels[members], layout, background="white", captions=captions, title=name_of_class
        )
        stem = file_name(
            name, f"_{_without_symbols(name_of_class, 180 - len(name.split('/')[-1].encode()))}"
        )
        files[_unused(stem, files)] = encode_still(sheet, "png", 92)
    return Files(files)


def _without_symbols(text: str, size: int) -> str:
    """Returns the name of a class, valid in a file name and of at most `size` bytes."""
    return shortened_name(re.sub(r"[^\w-]+", "_", text)[:60], size) or "_"


def _unused(stem: str, files: dict[str, bytes]) -> str:
    """Returns a file name that is not used yet, not even with other upper and lower case."""
    used = {name.casefold() for name in files}
    number, ending = 1, ".png"
    while f"{stem}{ending}".casefold() in used:
        number += 1
        ending = f"_{number}.png"
    return stem + ending
