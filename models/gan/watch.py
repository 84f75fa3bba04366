"""A look from outside at a GAN in training: how far, how varied, how new its pictures are.

Every so often some pictures are drawn and compared with real ones, in the features of a network
that nobody trains (see `Onlooker`), so that no critic can have taught the generator to please
it. The figures become a table over the steps and, where something goes wrong, plain words.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import blank, initialise, to_signed
from ..distances import diversity, frechet_by_halves, nearest, real_floor, recall
from ..training.in_parts import in_parts
from ..training.numerics import Numerics
from ..training.rng import rng
from .batches import WATCH, TrainingSet

COMPARED = 512  # pictures that are drawn for a look, about
KNOWN = 1024  # training pictures at most among which copies are looked for
WIDTHS = (32, 64, 64)
COLOURS = 48  # columns of a vector; textures follow
LAYOUT = COLOURS + sum(WIDTHS)  # where the columns of the layout begin
MAIN_AXES = 16  # of the textures, in which the Fréchet distance is taken

ALIKE = 0.35  # of the real pictures' diversity: below it, a class has collapsed
COPIED = 0.5  # of the real pictures' distance from each other: below it, pictures are copies
REPEATED = 0.6  # of the distance of the real pictures' layouts: below it, a few of them return
PATIENCE = 200  # steps before anything is said

Draw = Callable[[Tensor], Tensor]  # class numbers (N,) to uint8 pictures (N, S, S, 3)


class Onlooker(nn.Module):
    """Convolutions with fixed random weights: their averages over a picture tell its textures.

    Paper: Naeem et al. 2020, 'Reliable Fidelity and Diversity Metrics', section 4.3: random
    embeddings suit pictures that are far from those any network was trained on.
    """

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *WIDTHS)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 4, 2, 1, bias=False) for a, b in zip(inputs, WIDTHS, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(b, momentum=None, affine=False) for b in WIDTHS)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, S, S) in -1..1 to coarse colours (48), textures (160), layout (64).

        The layout is the picture in 8x8 greys: what returns where the colours differ.
        """
        x = F.adaptive_avg_pool2d(x, min(64, x.shape[2]))
        layout = F.adaptive_avg_pool2d(x, 8).mean(1).flatten(1)
        vectors = [2 * F.adaptive_avg_pool2d(x, 4).flatten(1)]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.relu(norm(convolution(x)))
            vectors.append(x.mean((2, 3)))
        return torch.cat([v.float() for v in (*vectors, layout)], 1)


@dataclass(frozen=True)
class Look:
    """The figures of one step. NaN stands for what is not known.

    distance:  Fréchet distance between textures, in floors: 1 for pictures as good as real ones.
    recall:    share of the real pictures that lie among drawn ones, in 0..1.
    diversity: how far drawn pictures of a class are from each other, over the same of real ones.
    least:     that of the least varied class.
    layouts:   how far a drawn picture's layout is from the most similar one of another drawn one,
               over the same of as many real ones: near 0 where a few return (compare Arora and
               Zhang 2018, 'Do GANs learn the distribution?', who count such pairs).
    novelty:   how far drawn pictures are from the nearest training picture, over how far these
               are from each other: near 0 for copies. The lesser of two: by colours and textures,
               and by layouts.
    """

    step: float
    distance: float
    recall: float
    diversity: float
    least: float
    layouts: float
    novelty: float


class Watched(NamedTuple):
    """What the looks found.

    progress:  the figures of `Look` as columns, a row for each look.
    warnings:  what is wrong with the pictures in the end, in plain words.
    """

    progress: dict[str, list[float]]
    warnings: list[str]


class Watch:
    """The looks at one training; a part of its checkpoint."""

    def __init__(self, data: TrainingSet, seed: int, numerics: Numerics) -> None:
        self._data, self._seed, self._numerics = data, seed, numerics
        self._looks: list[Look] = []
        self._real: _Real | None = None

    @staticmethod
    def is_due(step: int) -> bool:
        """After every 100 steps, and every 500 from 1,000 on: they know no last step."""
        return step % (100 if step <= 1000 else 500) == 0

    def look(self, step: int, draw: Draw) -> Look:
        """The figures after `step` steps."""
        if self._real is None:
            self._real = _Real(self._data, self._seed, self._numerics)
        return self._real.compare(step, draw)

    def visit(self, step: int, draw: Draw) -> list[str]:
        """Take a look and keep it: what is wrong now, and was not at the look before."""
        before = {kind for look in self._looks[-1:] for kind in self.warnings(look)}
        look = self.look(step, draw)
        self._looks.append(look)
        return [text for kind, text in self.warnings(look).items() if kind not in before]

    def finish(self, step: int, draw: Draw) -> Watched:
        """Returns the looks, the last after `step` steps, and what is wrong then."""
        looks = [*self._looks]
        if not looks or looks[-1].step < step:
            looks.append(self.look(step, draw))
        columns = {f.name: [getattr(look, f.name) for look in looks] for f in fields(Look)}
        return Watched(columns, [*self.warnings(looks[-1]).values()])

    def state_dict(self) -> dict[str, Tensor]:
        rows = [astuple(look) for look in self._looks]
        return {"looks": torch.tensor(rows, dtype=torch.float64).view(-1, len(fields(Look)))}

    def load_state_dict(self, state: dict[str, Tensor], /) -> None:
        self._looks = [Look(*row) for row in state["looks"].tolist()]

    @staticmethod
    def warnings(look: Look) -> dict[str, str]:
        """What is wrong at a look, in plain words, by kind."""
        found: dict[str, str] = {}
        if look.step < PATIENCE:
            return found
        if look.diversity < ALIKE:
            found["collapsed"] = (
                f"the pictures of a class are nearly all alike ({look.diversity:.0%} as varied as"
                " the real ones): the training has collapsed - try another seed, or augment: on"
            )
        elif look.least < ALIKE:
            found["narrow"] = (
                f"the pictures of at least one class are nearly all alike ({look.least:.0%} as"
                " varied as the real ones) - give the class more pictures, or train longer"
            )
        elif look.layouts < REPEATED:
            found["repeated"] = (
                "a few layouts return in the pictures drawn, perhaps in other colours (they are"
                f" {look.layouts:.0%} as far apart as the real ones) - give more pictures, go on"
                " from another GAN (start), or train for fewer steps"
            )
        if look.novelty < COPIED:
            found["copied"] = (
                "the pictures drawn are close copies of training pictures"
                f" ({look.novelty:.0%} as far from them as these from each other) - train for"
                " fewer steps, or give more pictures"
            )
        return found


class _Real:
    """What drawn pictures are compared with: vectors of real ones, and the network for them."""

    def __init__(self, data: TrainingSet, seed: int, numerics: Numerics) -> None:
        self._numerics, self._mirror = numerics, data.mirror
        onlooker = blank(Onlooker)
        initialise(onlooker, rng(0))
        self._onlooker = numerics.place(onlooker)
        known = _spread_out(data, KNOWN, rng(seed, WATCH, 0))
        chosen = known[_per_class(data.labels[known], COMPARED)]
        self._onlooker.train()
        self._vectors(data.images[chosen])  # for the norms
        self._onlooker.eval()
        vectors, layouts = self._vectors(data.images[known])
        self._scale = vectors.std(0, correction=0).clamp_min(1e-3)
        self._known = [(v, float(nearest(v).mean())) for v in (vectors / self._scale, layouts)]
        self._labels = data.labels[chosen]
        vectors, layouts = self._vectors(data.images[chosen])
        self._compared = vectors / self._scale
        self._apart = float(nearest(layouts).mean())
        textures = self._compared[:, COLOURS:]
        self._centre = textures.mean(0)
        axes = min(MAIN_AXES, len(chosen) // 4)  # few pictures tell of few
        self._axes = torch.linalg.eigh((textures - self._centre).T @ textures)[1][:, -axes:]
        self._floor = real_floor(self._project(self._compared), self._labels) if axes else 0.0

    def compare(self, step: int, draw: Draw) -> Look:
        vectors, layouts = self._vectors(draw(self._labels))
        vectors = vectors / self._scale
        real, labels = self._compared, self._labels
        far = math.nan
        if self._floor > 0:
            far = frechet_by_halves(self._project(real), self._project(vectors), labels)
            far /= self._floor
        varied = [v for v in diversity(real, labels, vectors, labels) if not math.isnan(v)]
        mean = sum(varied) / len(varied) if varied else math.nan
        least = min(varied, default=math.nan)
        apart = _over(nearest(layouts), self._apart)
        new = [
            _over(nearest(drawn, known), usual)
            for drawn, (known, usual) in zip((vectors, layouts), self._known, strict=True)
        ]
        return Look(step, far, recall(real, vectors), mean, least, apart, min(new))

    def _vectors(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Colours and textures (N, 208), layouts (N, 64) of length 1; float64 on the processor.

        Where pictures may be mirrored, so may copies: both ways give the same vectors.
        """

        def vectors(part: Tensor) -> Tensor:
            x = to_signed(part.to(self._numerics.device))
            with torch.no_grad():
                found: Tensor = self._onlooker(x)
                if self._mirror:
                    found = (found + self._onlooker(x.flip(3))) / 2
            return found.cpu().double()  # not all devices have float64

        found = in_parts(vectors, images, batch=128)
        layouts = found[:, LAYOUT:]
        return found[:, :LAYOUT], F.normalize(layouts - layouts.mean(1, keepdim=True), eps=1e-3)

    def _project(self, vectors: Tensor) -> Tensor:
        projected: Tensor = (vectors[:, COLOURS:] - self._centre) @ self._axes
        return projected


def _over(distances: Tensor, usual: float) -> float:
    """Their mean over the usual one; NaN where that is 0."""
    return float(distances.mean()) / usual if usual > 0 else math.nan


def _spread_out(data: TrainingSet, most: int, random: torch.Generator) -> Tensor:
    """Numbers of up to `most` pictures, as many of each class as can be."""
    members = data.members()
    each = max(4, most // len(members))
    chosen = [numbers[torch.randperm(len(numbers), generator=random)[:each]] for numbers in members]
    return torch.cat(chosen)


def _per_class(labels: Tensor, most: int) -> Tensor:
    """Places of up to `most` of these labels, as many of each class as can be."""
    classes = labels.unique()
    each = max(2, most // len(classes))
    return torch.cat([torch.nonzero(labels == label).flatten()[:each] for label in classes])
