"""Few pictures: what a GAN draws after 5 and 10 minutes of one core, beside an earlier version.

The pictures are Twemoji (CC BY 4.0, quality_packages.py), the recipe is in quality_recipe.py, and
the judge in quality_imagenet.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from quality_before import COMMIT, STEPS, before
from quality_imagenet import Comparison, vectors
from quality_judge import as_bytes
from quality_packages import Divided, divide, twemoji
from quality_parts import Row
from quality_recipe import (
    MINE_ONLY,
    MINUTES,
    NOT_PRETRAINED,
    OURS,
    RECIPES,
    Recipe,
    drawn_by,
    training,
)
from quality_runs import Bench, Results
from torch import Tensor

from artgraph.models.gan.trainee import cooldown_steps

# Number of pictures of each category that are learned; all others of it are unseen.
SETS = {
    "30 of food": {"Food & Drink": 30},
    "60 of animals": {"Animals & Nature": 60},
    "456 of three kinds": {"Food & Drink": 110, "Animals & Nature": 130, "Objects": 216},
}
DRAWN = 400  # pictures that the judge compares
SHOWN = 48  # pictures on a sheet
NOVELTY = ("novelty", "by chance from", "over unseen", "copies")
RATIO = 0.7  # largest accepted ratio of the distance to that of the earlier version


def few(bench: Bench, seed: int) -> Iterator[Row]:
    """Ours after 5 and 10 minutes of one core, settled, and `finetune` of 355b874 as shipped.

    distance: the judge's kernel distance to unseen pictures of the kind; ratio: over that of
    355b874 with the same pictures and seed. Seconds are CPU time, for 355b874 that of the graph.
    Steps include those of the settling. Novelty is 1 for pictures that do not depend on which ones
    were learned, and 0 for copies; "by chance from" is the lowest novelty that chance explains.
    "Over unseen" compares with the distance of unseen pictures instead, which is larger if they are
    less simple. The row "real" compares the learned pictures.
    """
    for name in SETS:
        given, comparison = pictures(bench, name, seed)
        real = comparison.figures(vectors(given.learned, bench.judged))
        bench.sheet(f"few/{name.replace(' ', '_')}_learned_{seed}", given.learned[:SHOWN], 12)
        real |= dict.fromkeys(NOVELTY, math.nan)
        yield Row(f"{name}: real", _row(math.nan, 0, real))
        yield _before(bench, name, seed)
        yield from _trained(bench, OURS, name, seed)


def few_without(bench: Bench, seed: int) -> Iterator[Row]:
    """The same sets and budgets without pretrained features, and without a base (`mine_only`)."""
    for name in SETS:
        for recipe in (NOT_PRETRAINED, MINE_ONLY):
            yield from _trained(bench, recipe, name, seed)


def pace(bench: Bench, seed: int) -> Iterator[Row]:
    """CPU seconds of a step and before the first step, to be written into quality_recipe.py.

    They are those of a training of 200 steps that continues one of 100; evaluations are included.
    """
    name, steps = next(iter(SETS)), bench.trial or 100
    folder = _folder(bench, name, seed)
    pictures(bench, name, seed)
    for recipe in RECIPES:
        # Without `mirror`, it shares no checkpoint with the other parts.
        alone = replace(recipe, settings=dict(recipe.settings) | {"mirror": False})
        first, second = (
            bench.run(training(alone, folder, count, seed), ["gan.gan"]).seconds_of("gan", since)
            for count, since in ((steps, 0), (2 * steps, steps))
        )
        each = second / (steps + cooldown_steps(2 * steps))
        before_first = first - each * (steps + cooldown_steps(steps))
        yield Row(recipe.title, {"pace": each, "before": max(0.0, before_first)})


def _trained(bench: Bench, recipe: Recipe, name: str, seed: int) -> Iterator[Row]:
    """Yields a row for each budget. A larger one continues the training of the one before."""
    comparison = pictures(bench, name, seed)[1]
    shared, since = 0.0, 0  # CPU seconds and number of the steps that are not repeated
    for minutes in MINUTES:
        steps = steps_of(bench, recipe, minutes)
        results = drawn_after(bench, recipe, name, seed, steps)
        whole = steps + cooldown_steps(steps)
        added = results.seconds_of("gan", since=since)
        seconds = shared + added
        shared, since = shared + added * (steps - since) / (whole - since), steps
        images = as_bytes(results.values["drawn.image"])
        bench.sheet(f"few/{sheet_name(recipe, name, seed, minutes)}", images[:SHOWN], 12)
        figures = comparison.figures(vectors(images, bench.judged))
        figures["ratio"] = figures["distance"] / _before(bench, name, seed).figures["distance"]
        bars = {"ratio": (-math.inf, RATIO), "novelty": (figures["by chance from"], math.inf)}
        yield Row(
            f"{name}: {recipe.title}, {minutes} minutes",
            _row(seconds, whole, figures),
            bars if recipe is OURS else {},
        )


def drawn_after(
    bench: Bench, recipe: Recipe, name: str, seed: int, steps: int, truncation: float = 1.0
) -> Results:
    """Train a GAN and draw with it. The values are `drawn.image`, `art` and `gan.progress`."""
    nodes = training(recipe, _learned(bench, name, seed), steps, seed)
    nodes["drawn"] = drawn_by("gan", DRAWN, truncation)
    return bench.run(nodes, ["drawn.image", "art", "gan.progress"])


def looks_of(bench: Bench, name: str, seed: int) -> tuple[Results, dict[int, Tensor]]:
    """Returns the longest training of ours, and what it draws at each step that it keeps."""
    steps = steps_of(bench, OURS, MINUTES[-1])
    results = drawn_after(bench, OURS, name, seed, steps)
    progress = results.values["gan.progress"].columns
    kept = [
        int(step)
        for step, is_kept in zip(progress["step"], progress["kept"], strict=True)
        if is_kept == "yes"
    ]
    if len(kept) < 2:
        raise SystemExit(f"a training of {steps} steps keeps fewer than two - train for more")
    nodes: dict[str, Any] = training(OURS, _learned(bench, name, seed), steps, seed)
    for step in kept:
        nodes[f"gan_{step}"] = deepcopy(nodes["gan"])
        nodes[f"gan_{step}"]["with"]["at_step"] = step
        nodes[f"drawn_{step}"] = drawn_by(f"gan_{step}", DRAWN)
    values = bench.run(nodes, [f"drawn_{step}.image" for step in kept]).values
    return results, {step: as_bytes(values[f"drawn_{step}.image"]) for step in kept}


def steps_of(bench: Bench, recipe: Recipe, minutes: int) -> int:
    """Returns the steps of a budget; those of a trial are in the same proportion."""
    if bench.trial:
        return bench.trial * minutes // MINUTES[0]
    if bench.numerics.threads != 1:
        raise SystemExit("the budgets are those of one core - set OMP_NUM_THREADS=1")
    return recipe.steps(minutes)


def sheet_name(recipe: Recipe, name: str, seed: int, minutes: int) -> str:
    """Returns the name of the sheet of a training."""
    return f"{name}_{recipe.title}_{minutes}_{seed}".replace(" ", "_")


@cache
def pictures(bench: Bench, name: str, seed: int) -> tuple[Divided, Comparison]:
    """Returns the pictures of a set and seed, and what compares others with them."""
    files = twemoji(bench.packages)
    given = divide(files, SETS[name], _folder(bench, name, seed), seed)
    return given, Comparison(
        vectors(given.learned, bench.judged), vectors(given.unseen, bench.judged)
    )


def _learned(bench: Bench, name: str, seed: int) -> Path:
    """Returns the folder of the learned pictures, which is written if it is not there."""
    pictures(bench, name, seed)
    return _folder(bench, name, seed)


def _folder(bench: Bench, name: str, seed: int) -> Path:
    return bench.out / "few" / "learned" / f"{name}_{seed}".replace(" ", "_")


@cache
def _before(bench: Bench, name: str, seed: int) -> Row:
    """Returns the row of the earlier version."""
    comparison, place = pictures(bench, name, seed)[1], name.replace(" ", "_")
    steps = bench.trial or STEPS
    folder = _folder(bench, name, seed)
    found = before(bench.out / "before", folder, place, seed, DRAWN, steps)
    bench.sheet(f"few/{place}_before_{seed}", found.images[:SHOWN], 12)
    figures = comparison.figures(vectors(found.images, bench.judged)) | {"ratio": 1.0}
    return Row(f"{name}: {COMMIT[:7]}", _row(found.seconds, steps + cooldown_steps(steps), figures))


def _row(seconds: float, steps: int, figures: dict[str, float]) -> dict[str, float]:
    """Returns the figures of a row in the order of the table."""
    row = {"seconds": seconds, "steps": float(steps) or math.nan}
    row["seconds a step"] = seconds / steps if steps else math.nan
    names = ("distance", "ratio", "recall", *NOVELTY)
    return row | {name: figures.get(name, math.nan) for name in names}
