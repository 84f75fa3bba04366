"""Leaving out unsuitable pictures, and classes: balance, rename, join."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.quantities import counted
from ..contract.spec import node
from ..contract.values.kinds import Dataset, Image, Table
from ..contract.widgets import Choices, InputPictures, Seed
from ..contract.wording import listed, suggestion

if TYPE_CHECKING:
    from torch import Tensor

    from ..pictures.marked_sheet import Section

_BESIDE = 12  # pictures on each side of a limit that a sheet shows


class Filtered(NamedTuple):
    """What `filter_pictures` returns."""

    dataset: Dataset
    image: Image
    table: Table


class _Measure(NamedTuple):
    name: str
    values: list[float]
    limit: float
    above: bool  # whether pictures above the limit go
    unit: str = ""

    def goes(self, row: int) -> bool:
        value = self.values[row]
        if math.isnan(value):
            return False
        return value > self.limit if self.above else value < self.limit


@node(title="Filter pictures", category="prepare")
def filter_pictures(
    dataset: Dataset,
    *,
    blur: Annotated[
        float, Field(ge=0, le=1, description="Most blur, from 0 (sharp) to 1; 1: no limit")
    ] = 0.75,
    border: Annotated[
        float, Field(ge=0, le=1, description="Largest share that is a border; 1: no limit")
    ] = 0.5,
    empty: Annotated[
        float, Field(ge=0, le=1, description="Largest share of one colour; 1: no limit")
    ] = 0.97,
    folder: Annotated[
        InputPictures | None,
        Field(description="Folder of the pictures, for their original size; only for `edge`"),
    ] = None,
    edge: Annotated[
        int,
        Field(ge=0, le=20_000, description="Shortest edge of an original in pixels; 0: no limit"),
    ] = 0,
    ctx: Context,
) -> Filtered:
    """Leave out pictures that are blurred, mostly border, almost empty, or too small.

    The pictures are measured at the size of the dataset. Blur is how little a picture changes if it
    is blurred again. Border is the share of the rows and columns at the edges that have one colour.
    Empty is the share of the most frequent colour.

    `image` is a sheet with a section for each measure: the pictures around the limit in the order
    of the measure. Those that go are red. `table` has a row for each picture that was left out, and
    the measures of all of its reasons.

    Raises: NodeError if no picture is left, or if `edge` is set without `folder`.
    Paper: Crété et al. 2007, "The blur effect" (blur).
    """
    import torch

    from ..pictures import measures as measure

    pixels = dataset.images[..., :3]
    found: list[_Measure] = []
    for name, limit, function in (
        ("blur", blur, measure.blur),
        ("border", border, measure.border),
        ("empty", empty, measure.empty),
    ):
        values = []
        for row in range(len(dataset)):
            values.append(round(function(pixels[row].numpy()), 3))
            ctx.progress((len(found) + row / len(dataset)) / 3, 1)
        found.append(_Measure(name, values, limit, True))
    if edge:
        found.append(_Measure("edge", _edges(dataset, folder, ctx), edge, False, " px"))
    reasons = [[m for m in found if m.goes(row)] for row in range(len(dataset))]
    gone = [row for row, why in enumerate(reasons) if why]
    if len(gone) == len(dataset):
        raise NodeError(
            f"no picture is left: {_counts(found, gone)}", "change the limits of the filter"
        )
    if gone:
        left_out = f"left out {counted(len(gone), 'picture')} of {len(dataset)}"
        names = listed([dataset.names[row] for row in gone], 3)
        ctx.warn(f"{left_out}: {_counts(found, gone)} ({names})")
    else:
        ctx.log(f"all {counted(len(dataset), 'picture')} are within the limits")
    columns: dict[str, list[Any]] = {
        "name": [dataset.names[row] for row in gone],
        "why": [", ".join(m.name for m in reasons[row]) for row in gone],
    }
    for m in found:
        columns[m.name] = [m.values[row] for row in gone]
    kept = torch.tensor([row for row, why in enumerate(reasons) if not why])
    return Filtered(dataset.subset(kept), _limits_sheet(dataset, found), Table(columns))


def _counts(found: list[_Measure], gone: list[int]) -> str:
    """Returns how many pictures each measure leaves out, such as "3 blur, 1 empty"."""
    counts = ((m.name, sum(m.goes(row) for row in gone)) for m in found)
    return ", ".join(f"{count} by {name}" for name, count in counts if count)


def _edges(dataset: Dataset, folder: Path | None, ctx: Context) -> list[float]:
    """Returns the shorter edge of the originals in pixels; NaN for those that are not found."""
    from ..pictures.reading import sizes_in

    if folder is None:
        raise NodeError(
            "`edge` needs the original pictures", "set `folder` to the folder that they are in"
        )
    sizes = sizes_in(folder)
    edges = [float(min(sizes[name])) if name in sizes else math.nan for name in dataset.names]
    missing = sum(map(math.isnan, edges))
    if missing:
        ctx.warn(f"{missing} of the pictures are not in the folder, so their edges are unknown")
    return edges


def _limits_sheet(dataset: Dataset, found: list[_Measure]) -> Image:
    import torch

    from ..pictures.marked_sheet import Cell, marked_sheet

    def section(m: _Measure) -> Section:
        from ..pictures.marked_sheet import Section

        rows = [row for row in range(len(dataset)) if not math.isnan(m.values[row])]
        rows.sort(key=lambda row: -m.values[row] if m.above else m.values[row])
        count = sum(map(m.goes, rows))
        near = rows[max(0, count - _BESIDE) : count + _BESIDE]
        cells = [
            Cell(
                (dataset.images[row, ..., :3].numpy(),),
                f"{m.values[row]:g}{m.unit}",
                m.goes(row),
            )
            for row in near
        ]
        side = "above" if m.above else "below"
        return Section(f"{m.name}: {count} {side} {m.limit:g}{m.unit} go", cells)

    pixels = marked_sheet([section(m) for m in found], 8)
    return torch.from_numpy(pixels)[None].float().div_(255)


@node(title="Balance classes", category="prepare")
def balance_classes(
    dataset: Dataset,
    *,
    method: Annotated[
        Literal["drop", "repeat"],
        Field(description="How to make the classes equal"),
        Choices(
            {
                "drop": "leave out pictures of large classes",
                "repeat": "repeat pictures of small classes",
            }
        ),
    ] = "drop",
    count: Annotated[
        int,
        Field(
            ge=0,
            le=1_000_000,
            description="Pictures of each class; 0: as many as the smallest (drop) or the largest"
            " class (repeat) has",
        ),
    ] = 0,
    seed: Seed = 0,
    ctx: Context,
) -> Dataset:
    """Make the classes of a dataset equally large.

    With `drop`, a class with fewer than `count` pictures stays as it is, and with `repeat`, one
    with more. A picture and its repetitions are a group, so they are never on both sides of a
    split. Classes without pictures are ignored.

    Raises: NodeError if the result needs more than 4 GiB.
    """
    import torch

    sizes = torch.bincount(dataset.labels, minlength=len(dataset.classes))
    present = sizes[sizes > 0]
    target = count or int(present.min() if method == "drop" else present.max())
    chosen: list[Tensor] = []
    for label in sizes.nonzero()[:, 0].tolist():
        members = (dataset.labels == label).nonzero()[:, 0]
        order = members[torch.randperm(len(members), generator=ctx.rng(seed, label))]
        if method == "drop":
            chosen.append(order[:target])
        else:
            more = max(0, target - len(members))
            chosen += [members, order.repeat(more // len(members) + 1)[:more]]
    rows = torch.cat(chosen).sort(stable=True).values
    if len(rows) * math.prod(dataset.images.shape[1:]) > 2**32:
        raise NodeError(f"{len(rows)} pictures need more than 4 GiB", "lower `count`")
    numbers = torch.arange(len(dataset)) if dataset.groups is None else dataset.groups
    result = dataset.subset(rows)
    if method == "repeat" and len(rows) > len(dataset):
        from dataclasses import replace

        result = replace(result, groups=numbers[rows])
    ctx.log(f"{len(dataset)} pictures became {len(result)}, {_sizes(result)}")
    return result


def _sizes(dataset: Dataset) -> str:
    counts = [0] * len(dataset.classes)
    for label in dataset.labels.tolist():
        counts[label] += 1
    return listed([f"{n} {name}" for n, name in zip(counts, dataset.classes, strict=True)], 8)


@node(title="Rename classes", category="prepare")
def rename_classes(
    dataset: Dataset,
    *,
    names: Annotated[
        str,
        Field(
            max_length=10_000,
            description="old = new, separated by commas or lines; equal new names become one class",
        ),
    ] = "",
    ctx: Context,
) -> Dataset:
    """Rename the classes of a dataset, or make one class of several.

    For example, `cat = animal, dog = animal` makes one class of two. If a new name exists already,
    the class is added to that one. Classes that are not named stay as they are.

    Raises: NodeError for a class that does not exist, or for an entry without a new name.
    """
    import torch

    renamed = _renamings(names, dataset.classes)
    called = [renamed.get(name, name) for name in dataset.classes]
    classes = tuple(dict.fromkeys(called))
    index = torch.tensor([classes.index(name) for name in called])
    result = Dataset(dataset.images, index[dataset.labels], classes, dataset.names, dataset.groups)
    ctx.log(f"the classes are now {_sizes(result)}")
    return result


def _renamings(text: str, classes: tuple[str, ...]) -> dict[str, str]:
    """Returns the new names by the old ones."""
    from ..contract.wording import find_name

    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.replace("\n", ",").split(","))):
        old, equals, new = (part.strip() for part in entry.partition("="))
        if not equals or not old or not new:
            raise NodeError(f"{entry!r} does not name two classes", "write it as: old = new")
        name = find_name(old, classes)
        if name is None:
            raise NodeError(f"the dataset has no class {old!r}", suggestion(old, classes))
        if name in found:
            raise NodeError(f"the class {old!r} is renamed twice", "name it once")
        found[name] = new
    return found


@node(title="Join datasets", category="prepare")
def join_datasets(
    first: Dataset,
    second: Dataset,
    third: Dataset | None = None,
    fourth: Dataset | None = None,
    *,
    ctx: Context,
) -> Dataset:
    """Join datasets with pictures of the same size.

    Classes of the same name become one class. If two pictures have the same name, the name of the
    later one ends with a number. Groups stay as they are, and identical pictures stay in.

    Raises: NodeError if the pictures have different sizes, or need more than 4 GiB.
    """
    import torch

    from ..models.configs import size_text

    parts = [part for part in (first, second, third, fourth) if part is not None]
    shapes = [tuple(part.images.shape[1:]) for part in parts]
    for number, shape in enumerate(shapes):
        if shape != shapes[0]:
            one, other = (f"{size_text(*s[:2])} with {s[2]} channels" for s in (shapes[0], shape))
            raise NodeError(
                f"the datasets differ: the first has {one}, number {number + 1} has {other}",
                "load them with the same size, aspect and alpha",
            )
    total = sum(map(len, parts))
    if total * math.prod(shapes[0]) > 2**32:
        raise NodeError(f"{total} pictures need more than 4 GiB", "load them with a lower `size`")
    classes = tuple(dict.fromkeys(name for part in parts for name in part.classes))
    labels = [
        torch.tensor([classes.index(name) for name in part.classes])[part.labels] for part in parts
    ]
    names = _distinct([name for part in parts for name in part.names])
    result = Dataset(
        torch.cat([part.images for part in parts]),
        torch.cat(labels),
        classes,
        names,
        _joined_groups(parts),
    )
    alike = len({name.casefold().strip() for name in classes})
    if alike < len(classes):
        doubt = "some class names differ only in case or spaces - use `rename_classes`"
        ctx.warn(f"{total} pictures: {_sizes(result)}; {doubt}")
    else:
        ctx.log(f"{total} pictures: {_sizes(result)}")
    return result


def _joined_groups(parts: list[Dataset]) -> Tensor | None:
    """Returns the groups of joined datasets. Groups of different datasets are different."""
    import torch

    if all(part.groups is None for part in parts):
        return None
    found, offset = [], 0
    for part in parts:
        numbers = torch.arange(len(part)) if part.groups is None else part.groups
        numbers = torch.unique(numbers, return_inverse=True)[1]
        found.append(numbers + offset)
        offset += int(numbers.max()) + 1
    return torch.cat(found)


def _distinct(names: list[str]) -> tuple[str, ...]:
    """Returns the names, with a number at the end of those that occurred before."""
    taken = set(names)
    seen: set[str] = set()
    found = []
    for name in names:
        unused, number = name, 1
        while unused in seen or (number > 1 and unused in taken):
            number += 1
            unused = f"{name} ({number})"
        seen.add(unused)
        found.append(unused)
    return tuple(found)
