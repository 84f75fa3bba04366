"""What a GAN is trained on: the pictures, and balanced batches of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..blocks import to_signed
from ..training.numerics import Numerics
from ..training.rng import rng
from ..training.sampler import Sampler

GROUP = 4  # pictures of one class that stand together in a batch

# Counters that keep the random streams of one seed apart.
WEIGHTS, REALS, LATENTS, AUGMENT, FEATURES, PATCHES, PREVIEW, WATCH = range(8)


@dataclass(frozen=True)
class TrainingSet:
    """Pictures to train on: uint8 (N, S, S, 3), perhaps a memory map, and its int64 labels (N,)."""

    images: Tensor
    labels: Tensor
    classes: int
    mirror: bool  # whether every second picture is mirrored, by chance
    numerics: Numerics = field(default_factory=Numerics)

    @classmethod
    def kept(
        cls, images: Tensor, labels: Tensor, classes: int, mirror: bool, numerics: Numerics
    ) -> TrainingSet:
        """The set where its batches are quickest to get."""
        return cls(numerics.keep(images), labels, classes, mirror, numerics)

    def members(self) -> list[Tensor]:
        """For each class that has pictures, their numbers."""
        found = (torch.nonzero(self.labels == c).flatten() for c in range(self.classes))
        return [numbers for numbers in found if len(numbers)]

    def take(self, numbers: Tensor, random: torch.Generator) -> Tensor:
        """Those pictures as float32 (N, 3, S, S) in -1..1, channels-last, on the device."""
        pictures = to_signed(self.numerics.take(self.images, numbers))
        if self.mirror:
            mirrored = self.numerics.put(torch.rand(len(pictures), generator=random) < 0.5)
            pictures = torch.where(mirrored[:, None, None, None], pictures.flip(3), pictures)
        return pictures.contiguous(memory_format=torch.channels_last)


class Batches:
    """Batches of groups: GROUP pictures of the same class, every class equally often.

    Groups let a critic compare pictures of one class with each other, whatever the number of
    classes: with fewer classes than groups some come twice, with more they take turns.
    """

    def __init__(self, data: TrainingSet, batch: int, seed: int) -> None:
        self._data, self._seed = data, seed
        self._members = data.members()
        self._turns = Sampler(len(self._members), -(-batch // GROUP), seed)

    def reals(self, step: int) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, S, S) in -1..1 and their labels (B,), for step number `step`."""
        random = rng(self._seed, REALS, step)
        numbers = torch.cat(
            [self._group(self._members[turn], random) for turn in self._turns.indices(step)]
        )
        return self._data.take(numbers, random), self._data.labels[numbers]

    def _group(self, members: Tensor, random: torch.Generator) -> Tensor:
        """GROUP of the class's pictures: distinct ones where it has enough."""
        chosen = torch.randperm(len(members), generator=random)[:GROUP]
        return members[chosen.repeat(GROUP)[:GROUP]]
