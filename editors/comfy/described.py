"""Values of artgraph as texts, which ComfyUI's node *Preview as Text* shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...contract.quantities import counted
from ...contract.values.dataset import Dataset
from ...contract.values.files import Files
from ...contract.values.kinds import GanLatent, Table, VaeLatent
from ...contract.values.model import Model

_MOST_ROWS = 50  # of a table
_MOST_NAMES = 20  # of classes and files


def description(value: Any) -> str:
    """Returns what a value is, in a few lines."""
    if isinstance(value, Table):
        return _table(value)
    if isinstance(value, Dataset):
        return _dataset(value)
    if isinstance(value, Model):
        return _model(value)
    if isinstance(value, GanLatent | VaeLatent):
        kind = "GAN" if isinstance(value, GanLatent) else "VAE"
        numbers = " x ".join(map(str, value.z.shape[1:]))
        return f"{counted(len(value.z), 'point')} of {numbers} numbers in a {kind}'s latent space"
    if isinstance(value, Files):
        return _listed("", list(value.files))
    return str(value)


def _table(table: Table) -> str:
    rows = [[_cell(cell) for cell in row] for row in zip(*table.columns.values(), strict=True)]
    shown = [list(table.columns), *rows[:_MOST_ROWS]]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]
    if len(rows) > _MOST_ROWS:
        lines.append(f"and {counted(len(rows) - _MOST_ROWS, 'more row')}")
    return "\n".join(lines)


def _cell(cell: Any) -> str:
    return "" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def _dataset(dataset: Dataset) -> str:
    counts = [0] * len(dataset.classes)
    for label in dataset.labels.tolist():
        counts[label] += 1
    alpha = ", with alpha" if dataset.images.shape[3] == 4 else ""
    classes = [f"{name} ({n:,})" for name, n in zip(dataset.classes, counts, strict=True)]
    return "\n".join(
        [
            f"{counted(len(dataset), 'picture')} of {dataset.width} x {dataset.height} px{alpha}",
            _listed("classes: ", classes),
            _listed("names: ", dataset.names),
        ]
    )


def _model(model: Model) -> str:
    weights = sum(tensor.numel() for tensor in model.state.values())
    lines = [f"{model.noun} with {weights:,} weights"]
    for name, value in model.config.items():
        lines.append(
            _listed(f"{name}: ", [*map(str, value)] if isinstance(value, list) else [value])
        )
    return "\n".join(lines)


def _listed(before: str, names: Sequence[Any]) -> str:
    more = [f"and {len(names) - _MOST_NAMES:,} more"] if len(names) > _MOST_NAMES else []
    return before + ", ".join([*map(str, names[:_MOST_NAMES]), *more])
