"""What a dataset contains, and what should be fixed before a training."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.quantities import counted
from ..contract.spec import node
from ..contract.values.alpha import in_front_of_grey
from ..contract.values.dataset import Dataset, DatasetInParts
from ..contract.values.kinds import Image, Table, Text
from ..contract.values.pictures import parts, take
from ..contract.widgets import Alpha, InputPictures
from ..contract.wording import listed
from .data import original_sizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 50  # pictures; fewer are too few for a training from the beginning
FEW_OF_CLASS = 10
UNEQUAL = 3.0  # ratio of the largest class to the smallest from which they should be balanced
SIMILARITY = 0.82  # as in drop_duplicates
BLUR, BORDER, EMPTY = 0.75, 0.7, 0.97  # as in filter_pictures
GREY = 6.0  # mean difference of the channels, of 255, below which a picture is grey
CROPPED = 0.15  # share of the area, cut off on average, from which another aspect is advised
_IN_ROW = 8  # pictures in a row of the sheet
_COMPARED = 20_000  # most pictures among which near duplicates are searched


class Reported(NamedTuple):
    """What `dataset_report` returns."""

    image: Image
    table: Table
    advice: Text


@dataclass
class _Facts:
    """Facts about each picture of a dataset; lists have N entries."""

    blurred: list[bool]
    bordered: list[bool]
    empty: list[bool]
    grey: list[bool]
    brightness: list[float]
    repeats: dict[int, int]  # the picture that stays, by the row of its duplicate
    sizes: list[tuple[int, int] | None]


@node(
    title="Dataset report",
    category="prepare",
    version=2,
    words="check, inspect, statistics, problems, summary, 检查, 统计",
)
def dataset_report(
    dataset: Annotated[DatasetInParts, Alpha],
    *,
    folder: Annotated[
        InputPictures | None,
        Field(description="Folder or archive of the pictures, to report their sizes; may be empty"),
    ] = None,
    pictures: Annotated[
        int, Field(ge=1, le=200, description="Pictures of each class on the sheet, at most")
    ] = 16,
    ctx: Context,
) -> Reported:
    """Report what a dataset contains, and what to fix before a training.

    `image` is a sheet with some pictures of each class. `table` has a row for each class: its
    number of pictures, how many of them are duplicates, blurred, mostly border, almost empty or
    grey, and the mean brightness in 0..1. With `folder`, it also has the median width, height and
    aspect of the original files. `advice` is a text with a line for each thing to fix.
    The measures see mid-grey behind transparent parts.

    Duplicates are found as by `drop_duplicates`, but quickly, so that a few changed ones can be
    missed. The other kinds are found as by `filter_pictures`. Both have their defaults. Near
    duplicates are searched among at most 20,000 pictures.
    """
    facts = _measure(dataset, folder, ctx)
    labels = dataset.labels.tolist()
    members = [
        [row for row, label in enumerate(labels) if label == number]
        for number in range(len(dataset.classes))
    ]
    lines = _advice(dataset, facts, members)
    if len(dataset) > _COMPARED:
        lines.append(
            f"Near duplicates were not searched, because there are more than {_COMPARED} pictures:"
            " use `drop_duplicates`."
        )
    text = "\n".join(lines) or "Nothing needs to be fixed."
    for line in text.splitlines():
        ctx.log(line)
    table = _table(dataset, facts, members, folder is not None)
    return Reported(_sheet(dataset, members, pictures), table, text)


def _measure(dataset: Dataset, folder: Path | None, ctx: Context) -> _Facts:
    import torch

    from ..models.duplicates import near_duplicates
    from ..models.groups import groups_of
    from ..pictures import measures

    facts = _Facts([], [], [], [], [], {}, [])
    seen = in_front_of_grey(dataset.images)
    for row, picture in enumerate(picture for part in parts(seen) for picture in part):
        pixels: NDArray[Any] = picture.numpy()
        facts.blurred.append(measures.blur(pixels) > BLUR)
        facts.bordered.append(measures.border(pixels) > BORDER)
        facts.empty.append(measures.empty(pixels) > EMPTY)
        facts.grey.append(measures.colourfulness(pixels) < GREY)
        facts.brightness.append(float(pixels.mean()) / 255)
        ctx.progress(0.3 * row / len(dataset), 1)
    same = groups_of(dataset.images, None)
    firsts = (same == torch.arange(len(dataset))).nonzero()[:, 0]
    facts.repeats = {row: first for row, first in enumerate(same.tolist()) if row != first}
    if len(dataset) <= _COMPARED:
        part = ctx.part(0.3, 1)
        near = near_duplicates(take(seen, firsts), SIMILARITY, part.progress, quick=True)
        for first, row in sorted(firsts[near.rows].tolist()):
            if first not in facts.repeats:
                facts.repeats.setdefault(row, first)
    sizes = original_sizes(folder) if folder else {}
    facts.sizes = [sizes.get(name) for name in dataset.names]
    return facts


def _table(dataset: Dataset, facts: _Facts, members: list[list[int]], with_sizes: bool) -> Table:
    def counts(flags: list[bool]) -> list[int]:
        return [sum(flags[row] for row in rows) for rows in members]

    columns: dict[str, list[Any]] = {
        "class": list(dataset.classes),
        "pictures": [len(rows) for rows in members],
        "duplicates": [sum(row in facts.repeats for row in rows) for rows in members],
        "blurred": counts(facts.blurred),
        "border": counts(facts.bordered),
        "empty": counts(facts.empty),
        "grey": counts(facts.grey),
        "brightness": [
            round(statistics.fmean(facts.brightness[row] for row in rows), 3) if rows else None
            for rows in members
        ],
    }
    if with_sizes:
        known = [[size for row in rows if (size := facts.sizes[row])] for rows in members]
        columns["width"] = [_median([w for w, _ in sizes]) for sizes in known]
        columns["height"] = [_median([h for _, h in sizes]) for sizes in known]
        aspects = [_median([w / h for w, h in sizes]) for sizes in known]
        columns["aspect"] = [None if a is None else round(a, 3) for a in aspects]
    return Table(columns)


def _median(values: list[Any]) -> Any:
    return statistics.median_low(values) if values else None


def _advice(dataset: Dataset, facts: _Facts, members: list[list[int]]) -> list[str]:
    """Returns a line for each thing to fix, with what to do."""
    lines = _class_advice(dataset, members)
    if facts.repeats:
        repeat = "repeats another" if len(facts.repeats) == 1 else "repeat others"
        lines.append(
            f"{counted(len(facts.repeats), 'picture')} of {len(dataset)} {repeat}: use"
            " `drop_duplicates`."
        )
        labels = dataset.labels.tolist()
        mixed = [row for row, first in facts.repeats.items() if labels[row] != labels[first]]
        if mixed:
            names = listed([dataset.names[row] for row in mixed], 3)
            verb, of = ("has", "it repeats") if len(mixed) == 1 else ("have", "they repeat")
            lines.append(
                f"{counted(len(mixed), 'duplicate')} {verb} another class than the picture that"
                f" {of} ({names}): correct the folders."
            )
    for name, flags in (
        ("blurred", facts.blurred),
        ("mostly border", facts.bordered),
        ("almost empty", facts.empty),
    ):
        rows = [row for row, flag in enumerate(flags) if flag]
        if rows:
            names = listed([dataset.names[row] for row in rows], 3)
            verb = "is" if len(rows) == 1 else "are"
            what = counted(len(rows), "picture")
            lines.append(f"{what} {verb} {name} ({names}): use `filter_pictures`.")
    grey = sum(facts.grey)
    if 0 < grey < len(dataset) / 2:
        lines.append(
            f"{counted(grey, 'picture')} of {len(dataset)} without colours: generated pictures may"
            " be grey too. Leave them out, or make a class of them."
        )
    return [*lines, *_size_advice(dataset, facts)]


def _class_advice(dataset: Dataset, members: list[list[int]]) -> list[str]:
    lines = []
    if len(dataset) < FEW:
        lines.append(
            f"There are only {counted(len(dataset), 'picture')}: add more, or continue from a base"
            " model (wire `start`)."
        )
    sizes = {name: len(rows) for name, rows in zip(dataset.classes, members, strict=True) if rows}
    if len(sizes) == 1:
        lines.append(
            "There is only one class, so a classifier has nothing to distinguish: put the pictures"
            " of each class into a sub-folder."
        )
        return lines
    small = [name for name, size in sizes.items() if size < FEW_OF_CLASS]
    if small:
        lines.append(
            f"{listed(small, 5)}: fewer than {FEW_OF_CLASS} pictures. Add some, or merge classes"
            " with `rename_classes`."
        )
    least, most = min(sizes, key=lambda n: sizes[n]), max(sizes, key=lambda n: sizes[n])
    if sizes[most] > UNEQUAL * sizes[least]:
        lines.append(
            f"The classes are unequal, from {sizes[least]} pictures ({least}) to {sizes[most]}"
            f" ({most}): use `balance_classes`."
        )
    return lines


def _size_advice(dataset: Dataset, facts: _Facts) -> list[str]:
    from ..contract.aspects import nearest_common

    lines = []
    sizes = [size for size in facts.sizes if size]
    small = sum(w < dataset.width or h < dataset.height for w, h in sizes)
    if small:
        lines.append(
            f"Originals smaller than {dataset.width} x {dataset.height} px, which were enlarged:"
            f" {small}. Use a smaller `size`."
        )
    ratio = dataset.width / dataset.height
    lost = [1 - min(ratio * h / w, w / (ratio * h)) for w, h in sizes]
    usual = nearest_common(statistics.median_low(w / h for w, h in sizes)) if sizes else ""
    if lost and statistics.fmean(lost) > CROPPED and usual != nearest_common(ratio):
        lines.append(
            f"{statistics.fmean(lost):.0%} of the originals' area is outside of the aspect of the"
            f" dataset: most are about {usual}. Load them with `aspect` {usual} or auto."
        )
    return lines


def _sheet(dataset: Dataset, members: list[list[int]], most: int) -> Image:
    import torch

    from ..pictures.marked_sheet import Cell, Section, marked_sheet

    sections = []
    for name, rows in zip(dataset.classes, members, strict=True):
        chosen = rows[:: max(1, -(-len(rows) // most))]
        cells = [
            Cell((dataset.images[row].numpy(),), dataset.names[row].rpartition("/")[2])
            for row in chosen
        ]
        sections.append(Section(f"{name}: {counted(len(rows), 'picture')}", cells))
    return torch.from_numpy(marked_sheet(sections, _IN_ROW))[None].float().div_(255)
