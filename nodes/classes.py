"""The classes of datasets: balancing, renaming, joining."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.quantities import counted
from ..contract.spec import node
from ..contract.values.alpha import has_alpha, opaque
from ..contract.values.dataset import UNRATED, Dataset
from ..contract.widgets import Advanced, Alpha, Choices, Seed
from ..contract.wording import listed, suggestion

if TYPE_CHECKING:
    from torch import Tensor


@node(
    title="Balance classes", category="prepare", words="even, equal, oversample, repeat, 平衡, 均衡"
)
def balance_classes(
    dataset: Annotated[Dataset, Alpha],
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
    seed: Annotated[Seed, Advanced] = 0,
    ctx: Context,
) -> Dataset:
    """Make the classes of a dataset equally large.

    With `drop`, a class with fewer than `count` pictures stays as it is, and with `repeat`, one
    with more. Pictures that a review keeps are the last to be left out. A picture and its
    repetitions are a group, so they are never on both sides of a split. Classes without pictures
    are ignored.

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
            if dataset.keep is not None:
                order = order[(~dataset.keep[order]).int().sort(stable=True).indices]
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
    left_out = len(dataset) - len(result)
    if left_out > 0:
        ctx.warn(f"left out {left_out} pictures of {len(dataset)}: {_sizes(result)} stay")
    else:
        ctx.log(f"{len(dataset)} pictures became {len(result)}, {_sizes(result)}")
    return result


def _sizes(dataset: Dataset) -> str:
    counts = [0] * len(dataset.classes)
    for label in dataset.labels.tolist():
        counts[label] += 1
    return listed([f"{n} {name}" for n, name in zip(counts, dataset.classes, strict=True)], 8)


@node(
    title="Rename classes",
    category="prepare",
    words="labels, categories, merge classes, 重命名, 类别",
)
def rename_classes(
    dataset: Annotated[Dataset, Alpha],
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
    from dataclasses import replace

    import torch

    renamed = _renamings(names, dataset.classes)
    called = [renamed.get(name, name) for name in dataset.classes]
    classes = tuple(dict.fromkeys(called))
    index = torch.tensor([classes.index(name) for name in called])
    result = replace(dataset, labels=index[dataset.labels], classes=classes)
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


@node(
    title="Join datasets",
    category="prepare",
    words="merge, combine folders, add pictures, 合并数据集",
)
def join_datasets(
    first: Annotated[Dataset, Alpha],
    second: Annotated[Dataset, Alpha],
    third: Annotated[Dataset | None, Alpha] = None,
    fourth: Annotated[Dataset | None, Alpha] = None,
    *,
    ctx: Context,
) -> Dataset:
    """Join datasets with pictures of the same size.

    Classes of the same name become one class. If two pictures have the same name, the name of the
    later one ends with a number. Groups stay as they are, and identical pictures stay in.
    If some datasets have an alpha channel, the pictures of the others become opaque.

    Raises: NodeError if the pictures have different sizes, or need more than 4 GiB.
    """
    import torch

    from ..models.configs import size_text

    parts = [part for part in (first, second, third, fourth) if part is not None]
    for number, part in enumerate(parts):
        if (part.height, part.width) != (first.height, first.width):
            one, other = (size_text(d.height, d.width) for d in (first, part))
            raise NodeError(
                f"the datasets differ: the first has {one}, number {number + 1} has {other}",
                "load them with the same size and aspect",
            )
    total = sum(map(len, parts))
    solid = sum(not has_alpha(part) for part in parts)
    if total * first.height * first.width * (3 if solid == len(parts) else 4) > 2**32:
        raise NodeError(f"{total} pictures need more than 4 GiB", "load them with a lower `size`")
    if 0 < solid < len(parts):
        parts = [opaque(part) for part in parts]
        ctx.log(f"{counted(solid, 'dataset')} without transparency became opaque")
    classes = tuple(dict.fromkeys(name for part in parts for name in part.classes))
    labels = [
        torch.tensor([classes.index(name) for name in part.classes])[part.labels] for part in parts
    ]
    names = distinct([name for part in parts for name in part.names])
    result = Dataset(
        torch.cat([part.images for part in parts]),
        torch.cat(labels),
        classes,
        names,
        _joined_groups(parts),
        _joined([part.stars for part in parts], parts, UNRATED),
        _joined([part.keep for part in parts], parts, False),
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


def _joined(
    values: list[Tensor | None], parts: list[Dataset], otherwise: int | bool
) -> Tensor | None:
    """Returns a value for each picture of all datasets; None if no dataset has these values."""
    import torch

    if all(value is None for value in values):
        return None
    found = []
    for value, part in zip(values, parts, strict=True):
        found.append(torch.full((len(part),), otherwise) if value is None else value)
    return torch.cat(found)


def distinct(names: list[str]) -> tuple[str, ...]:
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
