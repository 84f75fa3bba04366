"""Pictures that a dataset contains more than once."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.quantities import counted
from ..contract.spec import node
from ..contract.values.alpha import in_front_of_grey
from ..contract.values.dataset import Dataset
from ..contract.values.kinds import Image, Table
from ..contract.widgets import Alpha, Choices

_SHOWN, _SHOWN_KEPT = 48, 16  # pairs on a sheet that go, and that stay


class WithoutDuplicates(NamedTuple):
    """What `drop_duplicates` returns."""

    dataset: Dataset
    image: Image
    table: Table


@node(
    title="Drop duplicates",
    category="prepare",
    words="duplicate, copies, dedupe, clean, same picture, similar, 去重, 重复, 相似",
)
def drop_duplicates(
    dataset: Annotated[Dataset, Alpha],
    *,
    similarity: Annotated[
        float,
        Field(
            ge=0.5,
            le=1,
            description="Least similarity of a pair that is the same picture; 1: identical only",
        ),
    ] = 0.82,
    action: Annotated[
        Literal["drop", "group"],
        Field(description="What to do with them"),
        Choices(
            {
                "drop": "leave out all but the first picture",
                "group": "keep all, but never separate them in a split",
            }
        ),
    ] = "drop",
    ctx: Context,
) -> WithoutDuplicates:
    """Find pictures that are in a dataset more than once, also if they were changed.

    A picture is found if it was cropped or shifted by up to about 10 %, flipped, recoloured,
    resized or saved as a poor JPEG. Pictures with transparent parts are compared in front of
    mid-grey. Of each set of duplicates, the first picture stays. If a review keeps some of them,
    all of these stay instead.

    `image` is a sheet of the pairs from the surest to the least sure, and of some pairs below the
    limit, so that you see what another `similarity` would change. `table` has a row for each
    duplicate: its name, the name of the picture that it repeats (of), how it differs, and the
    similarity (1 for identical pictures).

    Paper: Lucas and Kanade 1981, "An iterative image registration technique" (the comparison of a
    pair); Di Zenzo 1986, "A note on the gradient of a multi-image" (the search for pairs).
    """
    import torch

    from ..models.duplicates import near_duplicates
    from ..models.groups import groups_of

    order = torch.arange(len(dataset))
    if dataset.keep is not None:  # these come first, so that others repeat them
        order = (~dataset.keep).int().sort(stable=True).indices
        dataset = dataset.subset(order)
    staying = 0 if dataset.keep is None or action == "group" else int(dataset.keep.sum())
    same = groups_of(dataset.images, None)
    firsts = (same == torch.arange(len(dataset))).nonzero()[:, 0]
    pairs: list[tuple[int, int, float, str]] = [
        (first, row, 1.0, "identical") for row, first in enumerate(same.tolist()) if first != row
    ]
    if similarity < 1:
        least = max(0.4, similarity - 0.15)
        near = near_duplicates(in_front_of_grey(dataset.images[firsts]), least, ctx.progress)
        for (one, other), value, how in zip(
            firsts[near.rows].tolist(), near.similarity.tolist(), near.changes, strict=True
        ):
            pairs.append((one, other, round(value, 3), how))
    source = _sources(pairs, similarity, staying)
    table = _table(dataset, source)
    sheet = _sheet(dataset, pairs, source, similarity)
    held = {row for _, row, value, _ in pairs if value >= similarity and row < staying}
    if held:
        ctx.log(f"{counted(len(held), 'duplicate')} kept by a review")
    _report(dataset, source, action, ctx)
    rows = order.argsort().tolist()  # as the pictures were
    if action == "drop":
        result = dataset.subset(torch.tensor([row for row in rows if row not in source]))
    else:
        result = _grouped(dataset, source)
        result = result if dataset.keep is None else result.subset(torch.tensor(rows))
    return WithoutDuplicates(result, sheet, table)


_Source = dict[int, tuple[int, float, str]]


def _sources(pairs: list[tuple[int, int, float, str]], similarity: float, staying: int) -> _Source:
    """Returns for each duplicate the picture that stays, the similarity and how it differs.

    staying: how many of the first pictures stay in any case.

    A picture is only a duplicate of a picture that stays, so a chain of similar pictures does not
    make its two ends duplicates. If it repeats a duplicate, it must also be identical to that or
    almost similar enough to the picture that stays.
    """
    known = {(one, other) for one, other, _, _ in pairs}
    by_row: dict[int, list[tuple[float, int, str]]] = {}
    for one, other, value, how in pairs:
        if value >= similarity and other >= staying:
            by_row.setdefault(other, []).append((-value, one, how))
    found: _Source = {}
    for row in sorted(by_row):
        for negative, one, how in sorted(by_row[row]):
            if one not in found:
                found[row] = one, -negative, how
            elif how == "identical" or (found[one][0], row) in known:
                found[row] = found[one][0], -negative, how
            if row in found:
                break
    return found


def _table(dataset: Dataset, source: _Source) -> Table:
    columns: dict[str, list[Any]] = {"name": [], "of": [], "how": [], "similarity": []}
    for row, (first, value, how) in source.items():
        cells = (dataset.names[row], dataset.names[first], how, value)
        for column, cell in zip(columns.values(), cells, strict=True):
            column.append(cell)
    return Table(columns)


def _sheet(
    dataset: Dataset, pairs: list[tuple[int, int, float, str]], source: _Source, similarity: float
) -> Image:
    """Returns the sheet of pairs. If there are too many, those nearest to the limit are on it."""
    import torch

    from ..pictures.marked_sheet import Cell, Section, marked_sheet

    def cell(first: int, second: int, value: float, how: str, goes: bool) -> Cell:
        shown = tuple(dataset.images[row].numpy() for row in (first, second))
        return Cell(shown, f"{value:.2f} {how}", goes)

    going = sorted(((f, r, v, h) for r, (f, v, h) in source.items()), key=lambda p: (-p[2], p[1]))
    staying = sorted((p for p in pairs if p[2] < similarity), key=lambda p: (-p[2], p[1]))
    cells = [cell(*pair, True) for pair in going[-_SHOWN:]]
    cells += [cell(*pair, False) for pair in staying[:_SHOWN_KEPT]]
    part = f", the {_SHOWN} least sure" if len(going) > _SHOWN else ""
    title = f"{counted(len(going), 'duplicate')}{part}; green: below {similarity:g}, kept"
    pixels = marked_sheet([Section(title, cells)], 8)
    return torch.from_numpy(pixels)[None].float().div_(255)


def _report(dataset: Dataset, source: _Source, action: str, ctx: Context) -> None:
    if not source:
        ctx.log("no duplicates were found")
        return
    exact = sum(how == "identical" for _, _, how in source.values())
    verb = "dropped" if action == "drop" else "grouped"
    line = f"{verb} {counted(len(source), 'duplicate')}, {exact} of them identical"
    labels = dataset.labels.tolist()
    other = sum(labels[row] != labels[first] for row, (first, _, _) in source.items())
    if other:
        ctx.warn(f"{line}; {other} had another class than the picture that they repeat")
    else:
        ctx.log(line)


def _grouped(dataset: Dataset, source: _Source) -> Dataset:
    """Returns the dataset with a group for each picture and its duplicates."""
    from dataclasses import replace

    import torch

    numbers = list(range(len(dataset))) if dataset.groups is None else dataset.groups.tolist()
    for row, (first, _, _) in sorted(source.items()):
        old, new = numbers[row], numbers[first]
        if dataset.groups is None:
            numbers[row] = new
        else:  # the groups of both become one
            numbers = [new if number == old else number for number in numbers]
    return replace(dataset, groups=torch.tensor(numbers))
