"""Whether the figures of `train_gan` rank the steps of a training as a better judge does.

The trainings are those of quality_few.py, so this part costs no further training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from quality_few import SETS, SHOWN, drawn_after, looks_of, pictures
from quality_imagenet import kernel_distance, kernel_unit, vectors
from quality_judge import as_bytes
from quality_parts import Row
from quality_recipe import OURS
from quality_runs import Bench, Results
from torch import Tensor, nn
from torch.nn import functional as F

from artgraph.models.blocks import initialise, to_signed
from artgraph.models.distances import frechet_by_halves, real_floor
from artgraph.models.training.rng import rng

BAR = 0.7
EARLY = (25, 50)  # steps of two more trainings, which keep no step

_RANKED: dict[str, list[float]] = {"judge": [], "absolute": [], "distance": [], "before": []}


def looks(bench: Bench, seed: int) -> Iterator[Row]:
    """The distance in `progress` of train_gan and the judge's kernel distance to unseen pictures.

    Figures are Spearman's rank correlations over the kept steps and the end of each 10-minute
    training of `few`, and the ends of its trainings of 25 and 50 steps; and over those of all
    trainings so far. The judge's distance has the unit of that in `progress`: the distance between
    two real pictures, which differs from set to set. "Absolute" is without this unit.
    "Before" is the Fréchet distance of version 6, over that between two halves of the pictures.
    "Best" is the step that `progress` names, and "regret" is the judge's distance there minus that
    at its own best step.
    """
    for name in SETS:
        results, drawn = looks_of(bench, name, seed)
        distances = _distances(results)
        early = [drawn_after(bench, OURS, name, seed, steps) for steps in EARLY]
        for training in (*early, results):
            last, distance = max(_distances(training).items())
            distances[last] = distance
            drawn[last] = as_bytes(training.values["drawn.image"])
        learned, unseen = (
            results.values["art"].images,
            vectors(pictures(bench, name, seed)[0].unseen, bench.judged),
        )
        absolute = [
            kernel_distance(unseen, vectors(images, bench.judged)) for images in drawn.values()
        ]
        unit = kernel_unit(unseen)
        figures = {
            "judge": [distance / unit for distance in absolute],
            "absolute": absolute,
            "distance": [distances[step] for step in drawn],
            "before": [distance_before(learned, images) for images in drawn.values()],
        }
        for figure, column in figures.items():
            _RANKED[figure] += column
        best = min(range(len(drawn)), key=lambda look: figures["distance"][look])
        best_step = list(drawn)[best]
        sheet = f"few/{name.replace(' ', '_')}_best_look_{seed}"
        bench.sheet(sheet, drawn[best_step][:SHOWN], 12)
        regret = absolute[best] - min(absolute)
        yield Row(name, _correlations(figures) | {"best": float(best_step), "regret": regret})
    all_looks = _correlations(_RANKED) | {"best": math.nan, "regret": math.nan}
    yield Row("all so far", all_looks, {"rank correlation": (BAR, 1)})


def _distances(results: Results) -> dict[int, float]:
    """Returns the distances of a training by step."""
    progress = results.values["gan.progress"].columns
    return dict(zip(map(int, progress["step"]), progress["distance"], strict=True))


def _correlations(figures: dict[str, list[float]]) -> dict[str, float]:
    return {
        "looks": float(len(figures["judge"])),
        "rank correlation": spearman(figures["distance"], figures["judge"]),
        "absolute": spearman(figures["distance"], figures["absolute"]),
        "before": spearman(figures["before"], figures["judge"]),
    }


def spearman(first: list[float], second: list[float]) -> float:
    """Returns Spearman's rank correlation of two columns, for numbers that are all different."""
    ranks = torch.stack([torch.tensor(x).argsort().argsort().double() for x in (first, second)])
    return float(torch.corrcoef(ranks)[0, 1])


class _RandomTextures(nn.Module):
    """The features of version 6: three random convolutions with measured norms."""

    def __init__(self) -> None:
        super().__init__()
        pairs = [(3, 32), (32, 64), (64, 64)]
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1, bias=False) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(b, momentum=None, affine=False) for _, b in pairs)
        initialise(self, rng(0))

    def forward(self, x: Tensor) -> Tensor:
        means = []
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.relu(norm(convolution(x)))
            means.append(x.mean((2, 3)))
        return torch.cat(means, 1).double()


def distance_before(real: Tensor, drawn: Tensor) -> float:
    """Returns the `distance` of version 6, of one class: in floors, along the main axes."""
    real, drawn = real[:512], drawn[: len(real[:512])]
    real = real[: len(drawn)]
    network = _RandomTextures()
    with torch.no_grad():
        network.train()(to_signed(real))
        network.eval()
        sides = [(network(to_signed(x)) + network(to_signed(x).flip(3))) / 2 for x in (real, drawn)]
    scale, labels = sides[0].std(0, correction=0).clamp_min(1e-3), torch.zeros(len(real)).long()
    scaled = [side / scale for side in sides]
    centred = scaled[0] - scaled[0].mean(0)
    axes = torch.linalg.eigh(centred.T @ centred)[1][:, -min(16, len(real) // 4) :]
    ours, theirs = ((side - scaled[0].mean(0)) @ axes for side in scaled)
    return frechet_by_halves(ours, theirs, labels) / real_floor(ours, labels)
