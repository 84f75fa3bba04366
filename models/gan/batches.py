"""The training set of a GAN, and batches in which all classes are equally frequent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..blocks import to_signed
from ..training.inputs import selected, selection
from ..training.numerics import Numerics
from ..training.rng import rng
from ..training.sampler import MOST_COPIES, Sampler
from ..training.windows import Window, Windows, streamed

GROUP = 4  # number of consecutive pictures in a batch that have the same class

# The first counters of the random streams that depend on one seed.
WEIGHTS, REALS, LATENTS, AUGMENT, FEATURES, PATCHES, PREVIEW, WATCH = range(8)


class Chosen(NamedTuple):
    """Chosen pictures, and which of them are mirrored, (N, 1, 1, 1); None if none is."""

    pictures: Any  # see `selection`
    mirrored: Tensor | None


@dataclass(frozen=True)
class TrainingSet:
    """Pictures to train on.

    images:   uint8 (N, H, W, C), perhaps a memory map.
    labels:   int64 (N,), the numbers of their classes.
    classes:  number of classes.
    mirror:   whether each picture of a batch is mirrored with a probability of 1/2.
    draws:    rows of the pictures in batches, each as often as it is drawn; None for each once.
    """

    images: Tensor
    labels: Tensor
    classes: int
    mirror: bool
    numerics: Numerics = field(default_factory=Numerics)
    draws: Tensor | None = None

    @classmethod
    def preloaded(
        cls,
        images: Tensor,
        labels: Tensor,
        classes: int,
        mirror: bool,
        numerics: Numerics,
        draws: Tensor | None = None,
    ) -> TrainingSet:
        """Returns the training set, with the pictures in a GPU's memory if they fit."""
        return cls(numerics.preload(images), labels, classes, mirror, numerics, draws)

    def members(self, rows: Tensor | None = None) -> list[Tensor]:
        """Returns the indices of the pictures of each class that has pictures.

        rows: the indices of some pictures, perhaps several times; None for all once.
        """
        rows = torch.arange(len(self.labels)) if rows is None else rows
        members = (rows[self.labels[rows] == c] for c in range(self.classes))
        return [indices for indices in members if len(indices)]

    def choose(self, indices: Tensor, random: torch.Generator) -> Chosen:
        """Returns the pictures of these indices, mirrored at random if they may be."""
        mirrored = None
        if self.mirror:
            mirrored = torch.rand(len(indices), 1, 1, 1, generator=random) < 0.5
        return Chosen(selection(self.images, indices), mirrored)

    def pictures(self, chosen: Chosen) -> Tensor:
        """Returns pictures as float32 (N, C, H, W) in -1..1, channels-last, on the device.

        `chosen` must be on the device (see `send`).
        """
        pictures = to_signed(selected(self.images, chosen.pictures))
        if chosen.mirrored is not None:
            pictures = torch.where(chosen.mirrored, pictures.flip(3), pictures)
        return pictures.contiguous(memory_format=torch.channels_last)


class Batches:
    """Batches that consist of groups: GROUP pictures of the same class each.

    With groups, a critic can compare pictures of one class for any number of classes. Classes take
    turns: if a batch has more groups than classes, some classes have several groups in it.

    Pictures in shards are drawn from a window, which follows how many pictures were drawn. If a
    class has fewer pictures in it than a group, they come from the whole set.
    """

    def __init__(self, data: TrainingSet, batch: int, seed: int) -> None:
        self._data, self._seed, self._batch = data, seed, batch
        self._members = data.members(data.draws)
        stream = streamed(data.images)
        rows = torch.arange(len(data.labels))
        self._windows = None if stream is None else Windows(stream, rows, seed)
        self._here: tuple[Window, list[Tensor]] | None = None
        self._turns = Sampler(torch.arange(len(self._members)), -(-batch // GROUP), seed)

    def reals(self, step: int) -> tuple[Chosen, Tensor]:
        """Returns the pictures for step number `step`, and their labels (B,)."""
        random = rng(self._seed, REALS, step)
        members = self._members_at(step)
        indices = torch.cat(
            [self._group(members[turn], random) for turn in self._turns.indices(step)]
        )
        return self._data.choose(indices, random), self._data.labels[indices]

    def _members_at(self, step: int) -> list[Tensor]:
        """Returns the indices of the pictures of each class from which a step draws."""
        if self._windows is None:
            return self._members
        window = self._windows.at(step * self._batch)
        if self._here is None or self._here[0] is not window:
            labels, near = self._data.labels[window.rows], []
            for members in self._members:
                own = window.rows[labels == self._data.labels[members[0]]]
                near.append(own if len(own) >= GROUP else members)
            self._here = window, near
        return self._here[1]

    def _group(self, members: Tensor, random: torch.Generator) -> Tensor:
        """Returns GROUP of the class's pictures; different ones if there are enough."""
        order = torch.randperm(len(members), generator=random)
        first = members[order[: GROUP * MOST_COPIES]]  # GROUP pictures, if there are as many
        chosen = torch.tensor(list(dict.fromkeys(first.tolist()))[:GROUP])
        return chosen.repeat(GROUP)[:GROUP]
