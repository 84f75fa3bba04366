"""The judge of benchmarks/quality.py: a CNN in whose features pictures are compared."""

from __future__ import annotations

import math
from typing import Any

import torch
from quality_runs import Bench, Nodes

from artgraph.models.classifier import predict
from artgraph.models.distances import compare, features
from artgraph.nodes.sockets import Dataset
from artgraph.pictures.styles import STYLES

JUDGED, REAL = 901, 902  # seeds of the pictures that the judge learns, and of those held against
COMPARED = 1024  # pictures
EIGHT = ",".join(STYLES)
NINTH = "hokusai"


def art(count: int, size: int, seed: int, styles: str = "") -> dict[str, Any]:
    """A node that paints pictures."""
    values = {"count": count, "size": size, "seed": seed, "styles": styles}
    return {"node": "procedural_art", "with": values}


def judged(size: int) -> Nodes:
    """Nodes for the judge of nine styles, and for pictures that neither it nor a model has seen."""
    return {
        "judge_art": art(4608, size, JUDGED, f"{EIGHT},{NINTH}"),
        "judge": {
            "node": "train_classifier",
            "from": {"dataset": "judge_art"},
            "with": {"steps": 200, "seed": 7},
        },
        "real": art(COMPARED, size, REAL),
        "ninth": art(128, size, REAL, NINTH),
    }


class Judge:
    """What a judge makes of pictures, held against real ones of the same classes."""

    def __init__(self, bench: Bench, nodes: Nodes) -> None:
        ran = bench.run(nodes, ["judge.classifier", "real", "ninth"])
        self._numerics = bench.numerics
        classifier = ran.values["judge.classifier"]
        self._network = classifier.network("cpu")
        self.real: Dataset = ran.values["real"]
        self.ninth: Dataset = ran.values["ninth"]
        self._classes = classifier.classes
        right = predict(self._network, self.real.images, self._numerics).argmax(1)
        accuracy = float((right == self.real.labels).double().mean())
        self.about = (
            f"judge {ran.digests['judge.classifier'][:12]}, {self.real.size} px, right about"
            f" {accuracy:.1%} of {len(self.real)} real pictures"
        )
        self._vectors = self.vectors(self.real.images)

    def vectors(self, images: torch.Tensor) -> torch.Tensor:
        """Pictures, uint8 or float in 0..1 (N, S, S, 3), as feature vectors (N, D)."""
        return features(self._network, _bytes(images), self._numerics)

    def share(self, drawn: torch.Tensor, name: str) -> float:
        """The share of pictures that are taken for the class `name`."""
        found = predict(self._network, _bytes(drawn), self._numerics).argmax(1)
        return float((found == self._classes.index(name)).double().mean())

    def figures(self, drawn: torch.Tensor, with_classes: bool = True) -> dict[str, float]:
        """Of as many drawn pictures as there are real ones, going round the classes likewise."""
        labels = self.real.labels if with_classes else torch.zeros_like(self.real.labels)
        found = compare(self._vectors, self.vectors(drawn), labels)
        right = predict(self._network, _bytes(drawn), self._numerics).argmax(1)
        recognised = float((right == self.real.labels).double().mean())
        return {
            "distance": found.multiple,
            "recognised": recognised if with_classes else math.nan,
            "least diverse": min(found.diversity),
            "most diverse": max(found.diversity),
            "recall": found.recall,
            "coverage": found.coverage,
        }


_judges: dict[int, Judge] = {}


def judge_of(bench: Bench, size: int) -> Judge:
    """The judge of pictures of this size, told of once."""
    if size not in _judges:
        _judges[size] = Judge(bench, judged(size))
        print(f"{_judges[size].about}\n", flush=True)
    return _judges[size]


def _bytes(images: torch.Tensor) -> torch.Tensor:
    return images.mul(255).add(0.5).byte() if images.is_floating_point() else images
