"""The judge of benchmarks/quality.py: a CNN. Pictures are compared by its features."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from quality_runs import Bench
from torch import Tensor

from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.models import Classifier
from artgraph.models.classifier.networks import predict
from artgraph.models.distances import compare, features, spread
from artgraph.models.training.numerics import Numerics
from artgraph.pictures.styles import STYLES

JUDGED, REAL = 901, 902  # seeds of the judge's training pictures, and of the real pictures
COMPARED = 1024  # number of pictures that are compared
EIGHT = ",".join(STYLES)
NINTH = "hokusai"


def art(count: int, size: int, seed: int, styles: str = "") -> dict[str, Any]:
    """Returns a node that paints pictures."""
    values = {"count": count, "size": size, "seed": seed, "styles": styles}
    return {"node": "procedural_art", "with": values}


class Judge:
    """Compares pictures with real ones by a classifier that was not trained on either."""

    def __init__(self, classifier: Classifier, real: Dataset, numerics: Numerics) -> None:
        self._network, self._numerics = classifier.network("cpu"), numerics
        self._classes = classifier.classes
        self._labels, self._vectors = real.labels, self.vectors(real.images)

    def vectors(self, images: Tensor) -> Tensor:
        """Returns the feature vectors (N, D) of pictures, uint8 or float in 0..1 (N, S, S, 3)."""
        return features(self._network, as_bytes(images), self._numerics)

    def recognised(self, images: Tensor, labels: Tensor) -> float:
        """Returns the share of pictures whose predicted classes are `labels`, int64 (N,)."""
        predicted = predict(self._network, as_bytes(images), self._numerics).argmax(1)
        return float((predicted == labels).double().mean())

    def share(self, images: Tensor, name: str) -> float:
        """Returns the share of pictures that are predicted as the class `name`."""
        return self.recognised(images, torch.tensor(self._classes.index(name)))

    def figures(self, drawn: Tensor, with_classes: bool = True) -> dict[str, float]:
        """Returns the figures of as many drawn pictures as there are real ones.

        Their classes must be in the same order. Without classes, there is no share of recognised
        pictures, and the diversity is that of all pictures.
        """
        vectors = self.vectors(drawn)
        comparison = compare(self._vectors, vectors, self._labels)
        recognised, varied = math.nan, [spread(vectors) / spread(self._vectors)]
        if with_classes:
            recognised, varied = self.recognised(drawn, self._labels), [*comparison.diversity]
        return {
            "distance": comparison.multiple,
            "recognised": recognised,
            "least diverse": min(varied),
            "most diverse": max(varied),
            "recall": comparison.recall,
            "coverage": comparison.coverage,
        }


@cache
def judge_of(bench: Bench, size: int) -> Judge:
    """Returns the judge of the nine styles at a size; prints its digest and accuracy once."""
    nodes = {
        "art": art(4608, size, JUDGED, f"{EIGHT},{NINTH}"),
        "judge": trained("classifier", 200, 7),
        "real": art(COMPARED, size, REAL),
    }
    results = bench.run(nodes, ["judge.classifier", "real"])
    real = results.values["real"]
    judge = Judge(results.values["judge.classifier"], real, bench.numerics)
    right = judge.recognised(real.images, real.labels)
    print(
        f"judge {results.digests['judge.classifier'][:12]}, {size} px, recognises {right:.1%} of"
        f" {COMPARED} real pictures\n",
        flush=True,
    )
    return judge


def trained(kind: str, steps: int, seed: int, start: str = "", **values: Any) -> dict[str, Any]:
    """Returns a node that trains on the dataset of the node `art`."""
    wires = {"dataset": "art"} | ({"start": start} if start else {})
    return {
        "node": f"train_{kind}",
        "from": wires,
        "with": {"steps": steps, "seed": seed, **values},
    }


def as_bytes(images: Tensor) -> Tensor:
    """Convert pictures, uint8 or float in 0..1, to uint8."""
    return images.mul(255).add(0.5).byte() if images.is_floating_point() else images
