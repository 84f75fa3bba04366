"""Which combinations a sweep has: lists and ranges of values, zipped settings, random samples.

Combinations are numbered and not listed, so that a sample can come from any number of them.
"""

from __future__ import annotations

import csv
import math
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ...contract.errors import GraphError
from ...contract.wording import suggestion

MAX_COMBINATIONS = 100_000  # of one sweep
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?:([:/x])({_NUMBER}))?")
_HOW = "write START..END, START..END:STEP, START..END/COUNT or START..ENDxFACTOR"
_DIGITS = 6  # significant digits of the values that are not steps of a decimal number


@dataclass(frozen=True)
class Axis:
    """Settings that change together, and their values: for each place, one for each setting."""

    targets: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]

    @property
    def title(self) -> str:
        return ", ".join(self.targets)

    @property
    def labels(self) -> list[str]:
        return [", ".join(values) for values in self.values]


@dataclass(frozen=True)
class Space:
    """The combinations of a sweep, in order.

    The values of the first axis are next to each other. With a sample, the order is random.

    sample: how many combinations are drawn at random; None for all.
    """

    axes: tuple[Axis, ...]
    sample: int | None = None
    seed: int = 0

    @property
    def varied(self) -> tuple[Axis, ...]:
        """The axes with several values; if there are none, the first."""
        return tuple(axis for axis in self.axes if len(axis.values) > 1) or self.axes[:1]

    @property
    def about(self) -> dict[str, Any]:
        """The facts about the sweep for its manifest."""
        return {
            "settings": {
                target: [values[place] for values in axis.values]
                for axis in self.axes
                for place, target in enumerate(axis.targets)
            },
            "zip": [list(axis.targets) for axis in self.axes if len(axis.targets) > 1] or None,
            "sample": None if self.sample is None else [self.sample, self.seed],
        }

    def settings(self) -> Iterator[dict[str, str]]:
        """Yields the values of each combination, by setting."""
        for number in self._numbers():
            found: dict[str, str] = {}
            for axis in self.axes:
                number, place = divmod(number, len(axis.values))
                found |= zip(axis.targets, axis.values[place], strict=True)
            yield found

    def _numbers(self) -> Iterable[int]:
        """Returns the numbers of the combinations.

        A larger sample with the same seed begins with the smaller one.
        """
        total = math.prod(len(axis.values) for axis in self.axes)
        if self.sample is None:
            return range(total)
        drawn: dict[int, None] = {}  # a set in order
        generator = random.Random(self.seed)  # noqa: S311 - not for secrets
        while len(drawn) < self.sample:
            drawn[int(generator.random() * total)] = None
        return drawn


def parse_space(
    settings: Iterable[str], zipped: Sequence[str] = (), sample: int | None = None, seed: int = 0
) -> Space:
    """Returns the combinations of settings such as `a.b=1,2,5..9`.

    A value with a comma, or a text that looks like a range, is in double quotes.

    zipped: settings that change together, such as `a.b,c.d`.

    Raises: GraphError.
    """
    axes: dict[str, Axis] = {}
    for text in settings:
        target, equals, values = text.partition("=")
        if not equals:
            raise GraphError(f"--set {text}: not a setting", "write node.widget=value,value,...")
        if target in axes:
            raise GraphError(f"--set {target}: set twice", "write all its values in one --set")
        axes[target] = Axis((target,), tuple((value,) for value in _values(text, values)))
    for names in zipped:
        _zip(axes, names)
    space = Space(tuple(dict.fromkeys(axes.values())), sample, seed)
    for axis in space.axes:
        if len(set(axis.values)) < len(axis.values):
            twice = next(values for values in axis.values if axis.values.count(values) > 1)
            what = f"--set {axis.title}: the value {', '.join(twice)} is there twice"
            raise GraphError(what, "remove one of the two")
    count = math.prod(len(axis.values) for axis in space.axes)
    if sample is not None and sample > count:
        what = f"--sample {sample}: there are only {count:,} combinations"
        raise GraphError(what, "give more values, or a smaller number")
    if sample is None and count > MAX_COMBINATIONS:
        what = f"--set: {count:,} combinations are more than {MAX_COMBINATIONS:,}"
        raise GraphError(what, "use fewer values, or --sample to draw some of them at random")
    return space


def _zip(axes: dict[str, Axis], names: str) -> None:
    """Replace the axes of some settings by one on which they change together."""
    targets = [name.strip() for name in names.split(",")]
    for target in targets:
        if target not in axes:
            what = f"--zip {names}: there is no --set {target or repr(target)}"
            raise GraphError(what, suggestion(target, list(axes)))
        if targets.count(target) > 1 or len(axes[target].targets) > 1:
            raise GraphError(f"--zip {names}: {target} is named twice", "name each setting once")
    lengths = {target: len(axes[target].values) for target in targets}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{target} has {count:,}" for target, count in lengths.items())
        raise GraphError(
            f"--zip {names}: the settings have different numbers of values ({counts})",
            "give each the same number of values",
        )
    rows = zip(*(axes[target].values for target in targets), strict=True)
    together = Axis(tuple(targets), tuple(tuple(value for (value,) in row) for row in rows))
    axes |= dict.fromkeys(targets, together)


def _values(option: str, text: str) -> list[str]:
    """Returns the values of one setting, with its ranges written out."""
    try:
        (row,) = csv.reader([text], strict=True) if text else ([""],)
    except csv.Error as error:
        raise GraphError(
            f"--set {option}: {error}",
            "put a value with a comma in double quotes, and double the quotes in it",
        ) from error
    values: list[str] = []
    for cell in row:
        found = _RANGE.fullmatch(cell) if f'"{cell}"' not in text else None
        values += (cell,) if found is None else _range(option, found)
    return values


def _range(option: str, found: re.Match[str]) -> Iterator[str]:
    """Yields the values of a range, with its end.

    They are computed with decimal numbers, so that `0..1:0.1` has no 0.30000000000000004.
    """
    start, end = Decimal(found[1]), Decimal(found[2])
    kind, step = found[3] or ":", Decimal(found[4] or ("1" if start <= end else "-1"))
    count = _count(start, end, kind, step)
    if count is None:
        raise GraphError(f"--set {option}: {found[0]!r} is not a range", _HOW)
    if count > MAX_COMBINATIONS:
        what = f"--set {option}: {found[0]!r} has more than {MAX_COMBINATIONS:,} values"
        raise GraphError(what, "use a larger step")
    for place in range(count):
        if kind == ":":
            value = start + place * step
        elif kind == "x":
            value = _rounded(start * step**place)
        else:
            value = _rounded(start + (end - start) * place / (count - 1))
        yield _written(value)


def _count(start: Decimal, end: Decimal, kind: str, step: Decimal) -> int | None:
    """Returns how many values a range has; None if it is not a range."""
    if kind == "/":
        return int(step) if step == int(step) and step >= 2 else None
    if kind == ":":
        if step == 0 or (end - start) / step < 0:
            return None
        return int((end - start) / step) + 1
    if start == 0 or end / start <= 0 or step <= 0 or step == 1 or (end > start) != (step > 1):
        return 1 if start == end != 0 else None
    # A little more than the end is still the end, since logarithms are not exact.
    return int(float((end / start).ln() / step.ln()) + 1e-9) + 1


def _rounded(value: Decimal) -> Decimal:
    return Decimal(f"{value:.{_DIGITS}g}")


def _written(value: Decimal) -> str:
    """Returns a number as people write it: 20, 0.5, 1e-07."""
    if value == value.to_integral_value() and abs(value) < 10**15:
        return str(int(value))
    return repr(float(value))
