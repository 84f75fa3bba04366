"""What is wrong with the pictures of a GAN in training, by its evaluations."""

from __future__ import annotations

from itertools import pairwise

from .evaluation import LAYOUT, Evaluation

COLLAPSED = 0.35  # a class with a lower diversity has collapsed
COPIED = 0.5  # pictures with a lower novelty are copies
TREND = 3  # number of evaluations over which the novelty must fall before copies are predicted
REPEATED = 0.6  # if `layouts` is lower, a few layouts repeat
PATIENCE = 200  # number of steps before the first warning


def problems_of(evaluation: Evaluation, name: str) -> dict[str, str]:
    """Returns what is wrong at an evaluation: texts for the user, by kind of problem.

    name: of the features.
    """
    found: dict[str, str] = {}
    if evaluation.step < PATIENCE:
        return found
    if evaluation.diversity < COLLAPSED:
        found["collapsed"] = (
            "the training has collapsed: the generated pictures of a class are almost the same"
            f" ({evaluation.diversity:.0%} of the real pictures' diversity, by {name}) - try"
            " another seed, or set `augment` to on"
        )
    elif evaluation.least < COLLAPSED:
        found["narrow"] = (
            "the generated pictures of at least one class are almost the same"
            f" ({evaluation.least:.0%} of the real pictures' diversity, by {name}) - add"
            " pictures of that class, or train for more steps"
        )
    elif evaluation.layouts < REPEATED:
        found["repeated"] = (
            "the generated pictures repeat a few layouts, perhaps in other colours (they differ"
            f" {evaluation.layouts:.0%} as much as those of the real pictures, in"
            f" {LAYOUT} x {LAYOUT} greys) - add pictures, continue from another GAN (wire"
            " `start`), or train for fewer steps"
        )
    if evaluation.novelty < COPIED:
        found["copied"] = (
            "the generated pictures are close copies of training pictures (they differ"
            f" {evaluation.novelty:.0%} as much as training pictures from each other, by {name}"
            f" or in {LAYOUT} x {LAYOUT} greys) - train for fewer steps, or add pictures"
        )
    return found


def will_copy(rows: list[Evaluation]) -> bool:
    """Returns whether the pictures become copies if the novelty goes on falling as in `rows`.

    It must be below that of other real pictures already, and fall at each of TREND evaluations.
    """
    novelties = [row.novelty for row in rows]
    falling = all(b < a for a, b in pairwise(novelties))
    if len(rows) < TREND or not falling or not novelties[-1] < rows[-1].usual:
        return False
    return 2 * novelties[-1] - novelties[0] < COPIED
