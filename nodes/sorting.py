"""Sorting an archive: what a classifier found, laid out class by class."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.files import Files, file_name
from ..contract.values.kinds import Pictures, Table
from ..contract.values.pictures import to_uint8
from ..contract.widgets import FileName


@node(title="Sheets by class", category="save")
def class_sheets(
    image: Pictures,
    labels: Table,
    *,
    name: Annotated[
        FileName,
        Field(
            max_length=60,
            description="What the files' names begin with; empty: the node's own name",
        ),
    ] = "",
    columns: Annotated[int, Field(ge=1, le=100, description="Pictures side by side")] = 8,
    most: Annotated[int, Field(ge=1, le=2000, description="Pictures of a class to show")] = 200,
) -> Files:
    """Save a contact sheet for each class: its pictures, the surest first.

    `labels` has a row for each picture with columns class and probability, as `classify` gives
    it. The files are PNGs, `name_class.png`.

    Raises: NodeError where the table has other columns or another length.
    """
    from ..pictures.encoding import encode_still
    from ..pictures.sheet import contact_sheet, lay_out

    if not {"class", "probability"} <= labels.columns.keys() or len(labels) != len(image):
        raise NodeError(
            "the labels need columns class and probability and a row for each picture",
            "wire what `classify` gives for these pictures",
        )
    found, sure = labels.columns["class"], labels.columns["probability"]
    pixels = to_uint8(image).numpy()
    height, width = pixels.shape[1:3]
    files: dict[str, bytes] = {}
    for kind in sorted(set(found)):
        members = [i for i, label in enumerate(found) if label == kind]
        members = sorted(members, key=lambda i: -sure[i])[:most]
        layout = lay_out(
            len(members), height, width, columns=columns, gap=4, captions=True, title=True
        )
        captions = [f"{100 * sure[i]:.0f} %" for i in members]
        sheet = contact_sheet(
            pixels[members], layout, background="white", captions=captions, title=kind
        )
        files[_unused(file_name(name, f"_{_plain(kind)}"), files)] = encode_still(sheet, "png", 92)
    return Files(files)


def _plain(kind: str) -> str:
    """A class's name as a part of a file's name."""
    return re.sub(r"[^\w-]+", "_", kind)[:60] or "_"


def _unused(stem: str, files: dict[str, bytes]) -> str:
    """A file's name that is not taken yet, also where case does not count."""
    taken = {known.casefold() for known in files}
    number, ending = 1, ".png"
    while f"{stem}{ending}".casefold() in taken:
        number += 1
        ending = f"_{number}.png"
    return stem + ending
