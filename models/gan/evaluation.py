"""Measures the generated pictures of a GAN: their quality, variety and novelty.

They are compared with real pictures in features that no critic uses (see `RandomFeatures`), so the
generator was not trained to match them. Pictures with alpha are compared in front of grey.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..alpha import over_grey
from ..blocks import blank, initialise, to_signed
from ..distances import diversity, frechet_by_halves, nearest, real_floor, recall
from ..training.in_parts import in_parts
from ..training.numerics import Numerics
from ..training.rng import rng
from .batches import WATCH, TrainingSet

COMPARED = 512  # approximate number of pictures that are generated for an evaluation
KNOWN = 1024  # largest number of training pictures among which copies are searched
WIDTHS = (32, 64, 64)  # number of channels of each convolution of `RandomFeatures`
COLOURS = 48  # number of columns with colours; the columns with textures follow
LAYOUT = COLOURS + sum(WIDTHS)  # index of the first column with the layout
MAIN_AXES = 16  # number of principal axes of the textures for the Fréchet distance

Vectors = tuple[Tensor, Tensor]  # colours and textures, and layouts, see `Reference._vectors`
Draw = Callable[[Tensor], Tensor]  # returns uint8 pictures (N, H, W, 3) for class numbers (N,)


class RandomFeatures(nn.Module):
    """Convolutions with fixed random weights; their averages over a picture describe its textures.

    Paper: Naeem et al. 2020, 'Reliable Fidelity and Diversity Metrics', section 4.3: random
    embeddings suit pictures that differ from those of the usual pretrained networks.
    """

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *WIDTHS)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 4, 2, 1, bias=False) for a, b in zip(inputs, WIDTHS, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(b, momentum=None, affine=False) for b in WIDTHS)

    def forward(self, x: Tensor) -> Tensor:
        """Returns coarse colours (48), textures (160) and layout (64) of (N, 3, H, W) in -1..1.

        The layout is the picture in 8x8 greys. It is similar if only the colours differ. Large
        pictures are reduced to the area of 64x64.
        """
        scale = min(1.0, 64 / math.sqrt(x.shape[2] * x.shape[3]))
        x = F.adaptive_avg_pool2d(x, (round(scale * x.shape[2]), round(scale * x.shape[3])))
        layout = F.adaptive_avg_pool2d(x, 8).mean(1).flatten(1)
        vectors = [2 * F.adaptive_avg_pool2d(x, 4).flatten(1)]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.relu(norm(convolution(x)))
            vectors.append(x.mean((2, 3)))
        return torch.cat([v.float() for v in (*vectors, layout)], 1)


@dataclass(frozen=True)
class Evaluation:
    """The metrics after a step. NaN means that there are too few pictures for a metric.

    distance:  Fréchet distance between the textures of generated and real pictures, over that
               between two halves of the real ones: 1 for pictures as good as real ones.
    recall:    share of the real pictures that have generated ones around them, in 0..1.
    diversity: mean distance between two generated pictures of a class, over that of real ones.
    least:     the diversity of the least diverse class.
    layouts:   mean distance of a generated picture's layout to the most similar other one, over
               that of as many real ones: near 0 if a few layouts repeat (compare Arora and Zhang
               2018, 'Do GANs learn the distribution?', who count such pairs).
    novelty:   mean distance of a generated picture to the nearest training picture, over that
               between training pictures: near 0 for copies. The smaller of two values, by colours
               and textures, and by layouts.
    """

    step: float
    distance: float
    recall: float
    diversity: float
    least: float
    layouts: float
    novelty: float


class Reference:
    """Real pictures as vectors, with which generated pictures are compared."""

    def __init__(self, data: TrainingSet, seed: int, numerics: Numerics) -> None:
        self._numerics, self._mirror = numerics, data.mirror
        network = blank(RandomFeatures)
        initialise(network, rng(0))
        self._network = numerics.place(network)
        known = _choose_per_class(data, KNOWN, rng(seed, WATCH, 0))
        chosen = known[_first_per_class(data.labels[known], COMPARED)]
        self._network.train()
        self._vectors(data.images[chosen])  # sets the statistics of the norms
        self._network.eval()
        vectors, layouts = self._vectors(data.images[known])
        self._scale = vectors.std(0, correction=0).clamp_min(1e-3)
        self._known = [(v, float(nearest(v).mean())) for v in (vectors / self._scale, layouts)]
        self._labels = data.labels[chosen]
        vectors, layouts = self._vectors(data.images[chosen])
        self._compared = vectors / self._scale
        self._layout_distance = float(nearest(layouts).mean())
        textures = self._compared[:, COLOURS:]
        self._centre = textures.mean(0)
        axes = min(MAIN_AXES, len(chosen) // 4)  # few pictures determine only few axes
        self._axes = torch.linalg.eigh((textures - self._centre).T @ textures)[1][:, -axes:]
        self._floor = real_floor(self._project(self._compared), self._labels) if axes else 0.0

    def generate(self, draw: Draw) -> Vectors:
        """Returns the vectors of pictures by `draw`, of the same classes as the real ones."""
        return self._vectors(draw(self._labels))

    def compare(self, step: int, generated: Vectors) -> Evaluation:
        """Returns the metrics of generated pictures, after step number `step`.

        It uses the processor alone, and no method changes what it reads.
        """
        vectors, layouts = generated
        vectors = vectors / self._scale
        real, labels = self._compared, self._labels
        distance = math.nan
        if self._floor > 0:
            distance = frechet_by_halves(self._project(real), self._project(vectors), labels)
            distance /= self._floor
        varied = [v for v in diversity(real, labels, vectors, labels) if not math.isnan(v)]
        mean = sum(varied) / len(varied) if varied else math.nan
        least = min(varied, default=math.nan)
        layout_distance = _ratio(nearest(layouts), self._layout_distance)
        novelty = min(
            _ratio(nearest(ours, known), usual)
            for ours, (known, usual) in zip((vectors, layouts), self._known, strict=True)
        )
        found = recall(real, vectors)
        return Evaluation(step, distance, found, mean, least, layout_distance, novelty)

    def _vectors(self, images: Tensor) -> Vectors:
        """Returns colours and textures (N, 208), and layouts (N, 64) of length 1.

        They are float64 on the processor. If pictures may be mirrored, a picture and its mirror
        image have the same vectors, so that mirrored copies are found.
        """

        def part_vectors(part: Tensor) -> Tensor:
            x = over_grey(to_signed(part.to(self._numerics.device)))
            with torch.no_grad():
                features: Tensor = self._network(x)
                if self._mirror:
                    features = (features + self._network(x.flip(3))) / 2
            return features.cpu().double()  # not all devices have float64

        features = in_parts(part_vectors, images, batch=128)
        layouts = features[:, LAYOUT:]
        layouts = F.normalize(layouts - layouts.mean(1, keepdim=True), eps=1e-3)
        return features[:, :LAYOUT], layouts

    def _project(self, vectors: Tensor) -> Tensor:
        """Returns the textures along the main axes of the real pictures' textures."""
        projected: Tensor = (vectors[:, COLOURS:] - self._centre) @ self._axes
        return projected


def _ratio(distances: Tensor, usual: float) -> float:
    """Returns the mean of the distances over the usual one; NaN if that is 0."""
    return float(distances.mean()) / usual if usual > 0 else math.nan


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
