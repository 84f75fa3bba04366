"""Measures the generated pictures of a GAN: their quality, variety and novelty.

They are compared with real pictures in the features of a network that was not trained on these
pictures: a network that was trained on the same few pictures has nothing to learn from one class,
and finds blobs as good as things. Pictures with alpha are compared in front of grey.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..alpha import over_grey
from ..blocks import to_signed
from ..distances import diversity, nearest, recall
from ..kernel_distances import HALVES, SMALLEST, Space, kernel_distance, kernel_floor
from ..training.in_parts import in_parts
from ..training.numerics import Numerics
from ..training.rng import rng
from .batches import WATCH, TrainingSet

COMPARED = 512  # approximate number of real pictures that are compared; at most as many exist
DRAWN = 256  # fewest pictures that are generated for an evaluation
KNOWN = 1024  # largest number of training pictures among which copies are searched
RESAMPLES = 200  # number of random choices of the real pictures that show how novelty varies
LAYOUT = 8  # edge of a layout: a picture in so many greys each way

Vectors = list[Tensor]  # layouts and features, see `Reference._vectors`
Draw = Callable[[Tensor], Tensor]  # returns uint8 pictures (N, H, W, C) for class numbers (N,)


class Judge(NamedTuple):
    """The features in which pictures are compared.

    name:    of the network, for tables and messages. It was not trained on these pictures.
    vectors: returns feature vectors (N, D) of pictures (N, 3, H, W) in -1..1, on the device.
    centred: whether kernel distances centre the vectors first: those of most networks are not
             normalised.
    beside:  other features. The distance is the mean of those in both; all other metrics use only
             the first ones.
    """

    name: str
    vectors: Callable[[Tensor], Tensor]
    centred: bool = True
    beside: Judge | None = None

    @property
    def title(self) -> str:
        """The names of all features."""
        return self.name if self.beside is None else f"{self.name} + {self.beside.title}"

    @property
    def all(self) -> list[Judge]:
        """The judge itself and those beside it."""
        return [self, *([] if self.beside is None else self.beside.all)]


@dataclass(frozen=True)
class Evaluation:
    """The metrics after a step. NaN means that there are too few pictures for a metric.

    distance:  kernel distance between generated and real pictures, in units of that between two
               real ones: 0 for pictures as good as real ones, for any number of pictures; by
               chance, and for copies, it may be a little below 0.
    floor:     a distance that other real pictures, as many as the generated ones, seldom exceed.
    recall:    share of the real pictures that have generated ones around them, in 0..1.
    diversity: mean distance between two generated pictures of a class, over that of real ones.
    least:     the diversity of the least diverse class.
    layouts:   mean distance of a generated picture's layout to the most similar other one, over
               that of as many real ones: near 0 if a few layouts repeat (compare Arora and Zhang
               2018, 'Do GANs learn the distribution?', who count such pairs).
    novelty:   mean distance of a generated picture to the nearest training picture, over that
               between training pictures: near 0 for copies. The smaller of two values, by features
               and by layouts.
    usual:     a novelty that other real pictures, as many as the training pictures, seldom fall
               below.
    halves:    HALVES distances between random halves of both sets; see `kernel_distance`.
    """

    step: int
    distance: float
    floor: float
    recall: float
    diversity: float
    least: float
    layouts: float
    novelty: float
    usual: float
    halves: tuple[float, ...] = (math.nan,) * HALVES

    @property
    def interval(self) -> float:
        """Number by which `distance` may be wrong by chance, in 19 of 20 cases."""
        return _interval([half - self.distance for half in self.halves])

    def is_as_good_as(self, other: Evaluation) -> bool:
        """Returns whether chance explains that the distance is larger than that of `other`.

        Both evaluations use the same real pictures, latents and halves, so their difference is
        known better than each distance.
        """
        more = self.distance - other.distance
        pairs = zip(self.halves, other.halves, strict=True)
        return not more > _interval([mine - its - more for mine, its in pairs])


def _interval(errors: list[float]) -> float:
    """Returns the half-width of the 95 % interval of a figure, from its errors on random halves.

    The error of a figure of n pictures has the same variance as the difference between it and the
    same figure of a half of them (the delete-d jackknife with d = n/2, Shao and Wu 1989).
    """
    return 1.96 * math.sqrt(sum(error * error for error in errors) / len(errors))


class Reference:
    """Real pictures as vectors, with which generated pictures are compared."""

    def __init__(self, data: TrainingSet, seed: int, numerics: Numerics, judge: Judge) -> None:
        self._numerics, self._mirror, self._judges = numerics, data.mirror, judge.all
        known = _choose_per_class(data, KNOWN, rng(seed, WATCH, 0))
        chosen = _first_per_class(data.labels[known], COMPARED)
        layouts, *features = self._vectors(data.images[known])
        gaps = [nearest(v) for v in (features[0], layouts)]
        self._known = [
            (v, float(g.mean())) for v, g in zip((features[0], layouts), gaps, strict=True)
        ]
        self._usual_novelty = _usual_novelty(torch.stack(gaps))
        self._labels = data.labels[known][chosen]
        self._spaces = [
            Space(v.shape[1], judge.centred)
            for v, judge in zip(features, self._judges, strict=True)
        ]
        self._real = torch.cat(features, 1)[chosen]
        self._layout_distance = float(nearest(layouts[chosen]).mean())
        self._drawn_labels = self._labels.repeat(-(-DRAWN // len(chosen)))
        count = len(self._drawn_labels)
        self._floor = kernel_floor(self._real, self._labels, count, self._spaces)

    def generate(self, draw: Draw) -> Vectors:
        """Returns the vectors of pictures by `draw`, of the same classes as the real ones."""
        return self._vectors(draw(self._drawn_labels))

    def compare(self, step: int, generated: Vectors) -> Evaluation:
        """Returns the metrics of generated pictures, after step number `step`.

        It uses the processor alone, and no method changes what it reads.
        """
        layouts, *features = generated
        labels, drawn_labels = self._labels, self._drawn_labels
        distance, halves = kernel_distance(
            self._real, labels, torch.cat(features, 1), drawn_labels, self._spaces
        )
        vectors, real = features[0], self._real[:, : self._spaces[0].width]
        ratios = diversity(real, labels, vectors, drawn_labels)
        varied = [v for v in ratios if not math.isnan(v)]
        mean = sum(varied) / len(varied) if varied else math.nan
        novelty = min(
            _ratio(nearest(ours, known), usual)
            for ours, (known, usual) in zip((vectors, layouts), self._known, strict=True)
        )
        # These two depend on the number of pictures, so they use as many as there are real ones.
        found = recall(real, vectors[: len(real)])
        layout_distance = _ratio(nearest(layouts[: len(real)]), self._layout_distance)
        least = min(varied, default=math.nan)
        return Evaluation(
            step,
            distance,
            self._floor,
            found,
            mean,
            least,
            layout_distance,
            novelty,
            self._usual_novelty,
            halves,
        )

    def _vectors(self, images: Tensor) -> Vectors:
        """Returns layouts (N, LAYOUT^2) of length 1, and feature vectors (N, D) of each judge.

        They are float64 on the processor. A layout is similar if only the colours differ. If
        pictures may be mirrored, a picture and its mirror image have the same vectors, so that
        mirrored copies are found.
        """
        layouts, *features = (
            in_parts(partial(self._seen, vectors), images, batch=128)
            for vectors in (_layout, *(judge.vectors for judge in self._judges))
        )
        layouts = layouts - layouts.mean(1, keepdim=True)
        return [F.normalize(layouts, eps=1e-3), *features]

    def _seen(self, vectors: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """Returns what `vectors` returns for uint8 pictures, or the mean of it and mirrored."""
        x = over_grey(to_signed(images.to(self._numerics.device)))
        views = (x, x.flip(3)) if self._mirror else (x,)
        with torch.no_grad(), self._numerics.autocast():
            found = torch.stack([vectors(view).float() for view in views]).mean(0)
        return found.cpu().double()  # not all devices have float64


def _layout(pictures: Tensor) -> Tensor:
    """Returns greys (N, LAYOUT^2) of pictures (N, 3, H, W)."""
    return F.adaptive_avg_pool2d(pictures, LAYOUT).mean(1).flatten(1)


def _ratio(distances: Tensor, usual: float) -> float:
    """Returns the mean of the distances over the usual one; NaN if that is 0."""
    return float(distances.mean()) / usual if usual > 0 else math.nan


def _usual_novelty(gaps: Tensor) -> float:
    """Returns a novelty that other real pictures seldom fall below; NaN for fewer than four.

    gaps: the distance of each picture to the nearest other one, by features and by layouts (2, N).

    As each picture is new to the others, their mean novelty is 1. This is the 5th percentile of
    that of N random ones of them, drawn with replacement (the bootstrap, Efron 1979).
    """
    count = gaps.shape[1]
    if count < SMALLEST or not bool((gaps.mean(1) > 0).all()):
        return math.nan
    chosen = torch.randint(count, (RESAMPLES, count), generator=rng(0, WATCH, 1))
    means = gaps[:, chosen].mean(2) / gaps.mean(1, keepdim=True)
    return float(means.amin(0).quantile(0.05))


def _choose_per_class(data: TrainingSet, most: int, random: torch.Generator) -> Tensor:
    """Returns the indices of about `most` random pictures, equally many of each class."""
    members = data.members()
    each = max(4, most // len(members))
    chosen = [indices[torch.randperm(len(indices), generator=random)[:each]] for indices in members]
    return torch.cat(chosen)


def _first_per_class(labels: Tensor, most: int) -> Tensor:
    """Returns the positions of about `most` labels, the first ones of each class."""
    classes = labels.unique()
    each = max(2, most // len(classes))
    return torch.cat([torch.nonzero(labels == label).flatten()[:each] for label in classes])
