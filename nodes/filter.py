"""Leaving out pictures of a dataset that are unsuitable for a training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.quantities import counted
from ..contract.spec import node
from ..contract.values.alpha import in_front_of_grey
from ..contract.values.dataset import Dataset
from ..contract.values.kinds import Image, Table
from ..contract.widgets import Advanced, Alpha, InputPictures
from ..contract.wording import listed
from .data import original_sizes

if TYPE_CHECKING:
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
    keep: list[bool]  # whether each picture stays in any case
    unit: str = ""

    def goes(self, row: int) -> bool:
        return self.is_beyond(row) and not self.keep[row]

    def is_beyond(self, row: int) -> bool:
        value = self.values[row]
        if math.isnan(value):
            return False
        return value > self.limit if self.above else value < self.limit


@node(
    title="Filter pictures",
    category="prepare",
    words="blurry, sharp, noise, noisy, grey, clean, quality, remove bad, 模糊, 噪点, 筛选, 清理",
)
def filter_pictures(
    dataset: Annotated[Dataset, Alpha],
    *,
    blur: Annotated[
        float, Field(ge=0, le=1, description="Most blur, from 0 (sharp) to 1; 1: no limit")
    ] = 0.75,
    border: Annotated[
        float, Field(ge=0, le=1, description="Largest share that is a border; 1: no limit")
    ] = 0.7,
    empty: Annotated[
        float, Field(ge=0, le=1, description="Largest share of one colour; 1: no limit")
    ] = 0.97,
    folder: Annotated[
        InputPictures | None,
        Field(description="Folder or archive of the pictures, for their size; only for `edge`"),
    ] = None,
    edge: Annotated[
        int,
        Field(ge=0, le=20_000, description="Shortest edge of an original in pixels; 0: no limit"),
        Advanced,
    ] = 0,
    ctx: Context,
) -> Filtered:
    """Leave out pictures that are blurred, mostly border, almost empty, or too small.

    The pictures are measured at the size of the dataset, with mid-grey behind transparent parts.
    Pictures that a review keeps are never left out.
    Blur is how little a picture changes if it is blurred again. Border is the share of the rows and
    columns at the edges that have one colour. Empty is the share of the most frequent colour.

    `image` is a sheet with a section for each measure: the pictures around the limit in the order
    of the measure. Those that go are red. `table` has a row for each picture that was left out, and
    the measures of all of its reasons.

    Raises: NodeError if no picture is left, or if `edge` is set without `folder`.
    Paper: Crété et al. 2007, "The blur effect" (blur).
    """
    import torch

    from ..pictures import measures as measure

    pixels = in_front_of_grey(dataset.images)
    found: list[_Measure] = []
    keep = [False] * len(dataset) if dataset.keep is None else dataset.keep.tolist()
    for name, limit, function in (
        ("blur", blur, measure.blur),
        ("border", border, measure.border),
        ("empty", empty, measure.empty),
    ):
        values = []
        for row in range(len(dataset)):
            values.append(round(function(pixels[row].numpy()), 3))
            ctx.progress((len(found) + row / len(dataset)) / 3, 1)
        found.append(_Measure(name, values, limit, True, keep))
    if edge:
        found.append(_Measure("edge", _edges(dataset, folder, ctx), edge, False, keep, " px"))
    reasons = [[m for m in found if m.goes(row)] for row in range(len(dataset))]
    gone = [row for row, why in enumerate(reasons) if why]
    held = sum(any(m.is_beyond(row) for m in found) for row, stays in enumerate(keep) if stays)
    if held:
        ctx.log(f"{counted(held, 'picture')} beyond the limits kept by a review")
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
    if folder is None:
        raise NodeError(
            "`edge` needs the original pictures", "set `folder` to the folder that they are in"
        )
    sizes = original_sizes(folder)
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
        count, limit = sum(map(m.goes, rows)), sum(map(m.is_beyond, rows))
        near = rows[max(0, limit - _BESIDE) : limit + _BESIDE]
        cells = [
            Cell(
                (dataset.images[row].numpy(),),
                f"{m.values[row]:g}{m.unit}",
                m.goes(row),
            )
            for row in near
        ]
        side = "above" if m.above else "below"
        return Section(f"{m.name}: {count} {side} {m.limit:g}{m.unit} go", cells)

    pixels = marked_sheet([section(m) for m in found], 8)
    return torch.from_numpy(pixels)[None].float().div_(255)
