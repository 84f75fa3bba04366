"""The judge of benchmarks/quality.py: a CNN in whose features pictures are compared."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from quality_runs import Bench
from torch import Tensor

from artgraph.contract.values.kinds import Classifier, Dataset
from artgraph.models.classifier.networks import predict
from artgraph.models.distances import compare, features, spread
from artgraph.models.training.numerics import Numerics
from artgraph.pictures.styles import STYLES

JUDGED, REAL = 901, 902  # seeds of the pictures that the judge learns, and of those held against
COMPARED = 1024  # pictures
EIGHT = ",".join(STYLES)
NINTH = "hokusai"


def art(count: int, size: int, seed: int, styles: str = "") -> dict[str, Any]:
    """A node that paints pictures."""
    values = {"count": count, "size": size, "seed": seed, "styles": styles}
    return {"node": "procedural_art", "with": values}


class Judge:
    """What a classifier makes of pictures, held against real ones that it has not seen."""

    def __init__(self, classifier: Classifier, real: Dataset, numerics: Numerics) -> None:
        self._network, self._numerics = classifier.network("cpu"), numerics
        self._classes = classifier.classes
        self._labels, self._vectors = real.labels, self.vectors(real.images)

    def vectors(self, images: Tensor) -> Tensor:
        """Pictures, uint8 or float in 0..1 (N, S, S, 3), as feature vectors (N, D)."""
        return features(self._network, as_bytes(images), self._numerics)

    def recognised(self, images: Tensor, labels: Tensor) -> float:
        """The share of pictures taken for what `labels`, int64 (N,), say."""
        found = predict(self._network, as_bytes(images), self._numerics).argmax(1)
        return float((found == labels).double().mean())

    def share(self, images: Tensor, name: str) -> float:
        """The share of pictures taken for the class `name`."""
        return self.recognised(images, torch.tensor(self._classes.index(name)))

    def figures(self, drawn: Tensor, with_classes: bool = True) -> dict[str, float]:
        """Of as many drawn pictures as there are real ones, going round the classes likewise.

        Pictures without classes are not recognised, and how varied they are is told of all.
        """
        vectors = self.vectors(drawn)
        found = compare(self._vectors, vectors, self._labels)
        recognised, varied = math.nan, [spread(vectors) / spread(self._vectors)]
        if with_classes:
            recognised, varied = self.recognised(drawn, self._labels), [*found.diversity]
        return {
            "distance": found.multiple,
            "recognised": recognised,
            "least diverse": min(varied),
            "most diverse": max(varied),
            "recall": found.recall,
            "coverage": found.coverage,
        }


@cache
def judge_of(bench: Bench, size: int) -> Judge:
    """The judge of the nine styles at this size; says, once, who it is and how sure."""
    nodes = {
        "art": art(4608, size, JUDGED, f"{EIGHT},{NINTH}"),
        "judge": trained("classifier", 200, 7),
        "real": art(COMPARED, size, REAL),
    }
    ran = bench.run(nodes, ["judge.classifier", "real"])
    real = ran.values["real"]
    judge = Judge(ran.values["judge.classifier"], real, bench.numerics)
    right = judge.recognised(real.images, real.labels)
    print(
        f"judge {ran.digests['judge.classifier'][:12]}, {size} px, right about {right:.1%} of"
        f" {COMPARED} real pictures\n",
        flush=True,
    )
    return judge


def trained(kind: str, steps: int, seed: int, start: str = "", **values: Any) -> dict[str, Any]:
    """A node that trains on the data set of the node `art`."""
    wires = {"dataset": "art"} | ({"start": start} if start else {})
    return {
        "node": f"train_{kind}",
        "from": wires,
        "with": {"steps": steps, "seed": seed, **values},
    }


def as_bytes(images: Tensor) -> Tensor:
    """Pictures, uint8 or float in 0..1, as uint8."""
    return images.mul(255).add(0.5).byte() if images.is_floating_point() else images
