"""The stages of a node's work, such as the steps of a training and what comes before and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

STEP = "step"  # the words of the stage that `steps` counts


class Stage(NamedTuple):
    """A stage of a node's work.

    words:  what is counted, as in "step 3 of 10".
    number: how many there are.
    work:   how much work they are, in the same unit for all stages of a node.
    """

    words: str
    number: int
    work: float


Report = Callable[[Sequence[Stage]], None]  # is called once, before the first stage


def no_report(stages: Sequence[Stage]) -> None:
    """Report the stages to nobody."""
