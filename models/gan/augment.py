"""Differentiable augmentations of real and generated pictures, with an adaptive probability.

Papers: Zhao et al. 2020, 'Differentiable Augmentation for Data-Efficient GAN Training': the critic
sees all pictures augmented, so that it cannot memorise a small set, and the generator does not
learn to draw the augmentations. Karras et al. 2020, 'Training Generative Adversarial Networks
with Limited Data' (ADA): the probability of each augmentation rises while the critic is too
certain of the real pictures, and falls otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..training import team
from ..training.rng import rng
from .batches import AUGMENT

Augment = Literal["auto", "on", "off"]
Shape = tuple[int, int]  # height and width of pictures

SHIFT = 1 / 8  # largest translation, as a share of the height and of the width
HOLE = 1 / 2  # sides of the rectangle that cutout erases, as a share of the picture's sides
TARGET = 0.6  # certainty of the critic that the strength aims at (Karras 2020, section 3.1)
SMALL_SET = 1000  # with fewer pictures, a critic may memorise them
SPEED = 8_000  # number of pictures in which the strength can rise from 0 to 1
STRONGEST = 0.8  # above it, generated pictures look augmented (Karras 2020, section 2.2)


class Strength(nn.Module):
    """The probability of each augmentation: fixed, or adapted to the critic's certainty."""

    def __init__(self, value: float, adaptive: bool) -> None:
        super().__init__()
        self.value: Tensor
        self.register_buffer("value", torch.tensor(float(value)))
        self.adaptive = adaptive

    @torch.no_grad()
    def adapt(self, certainty: Tensor, pictures: int) -> None:
        """Adapt to a batch of so many pictures.

        certainty: mean sign of the scores of its real pictures, in -1..1.
        """
        if self.adaptive:
            change = torch.sign(certainty - TARGET) * (pictures / SPEED)
            self.value.add_(change).clamp_(0, STRONGEST)


class Augmentation:
    """Augments the pictures that the critic sees."""

    def __init__(self, augment: Augment, count: int, seed: int, device: str) -> None:
        """`auto` is adaptive if the training set has `count` < SMALL_SET pictures, else off."""
        adaptive = augment == "auto" and count < SMALL_SET
        self.strength = Strength(float(augment == "on"), adaptive).to(device)
        self._on, self._seed = adaptive or augment == "on", seed

    def draw(self, count: int, shape: Shape, *counters: int) -> Changes | None:
        """Returns random changes of `count` pictures of this shape, on the processor.

        None if the augmentation is off. `counters` decide the random numbers.
        """
        if not self._on:
            return None
        return draw_changes(count, shape, rng(self._seed, AUGMENT, *counters))

    def __call__(self, images: Tensor, changes: Changes | None) -> Tensor:
        """Returns the images with the changes, which must be on their device."""
        if changes is None:
            return images
        return diff_augment(images, self.strength.value, changes)

    def adapt(self, signs: Tensor, pictures: int) -> Mapping[str, Tensor]:
        """Adapt the strength to a batch of so many pictures. Returns metrics.

        signs: signs of the scores of its real pictures: -1, 0 or 1.
        """
        certainty = team.mean(signs)
        if not self.strength.adaptive:
            return {"certainty": certainty}
        self.strength.adapt(certainty, pictures)
        return {"certainty": certainty, "augment": self.strength.value.clone()}


class Recolour(NamedTuple):
    """Shifts of the brightness (-0.5..0.5), scales of saturation (0..2) and contrast (0.5..1.5)."""

    amounts: Tensor  # (3, N, 1, 1, 1), in 0..1

    def of(self, chosen: slice) -> Recolour:
        return Recolour(self.amounts[:, chosen])

    @classmethod
    def draw(cls, count: int, shape: Shape, random: torch.Generator) -> Recolour:
        return cls(torch.rand((3, count, 1, 1, 1), generator=random))

    def apply(self, images: Tensor) -> Tensor:
        if images.shape[1] == 4:
            return self._apply_premultiplied(images)
        brightness, saturation, contrast = self.amounts
        images = images + (brightness - 0.5)
        grey = images.mean(1, keepdim=True)
        images = grey + (images - grey) * (2 * saturation)
        mean = images.mean((1, 2, 3), keepdim=True)
        contrasted: Tensor = mean + (images - mean) * (0.5 + contrast)
        return contrasted

    def _apply_premultiplied(self, images: Tensor) -> Tensor:
        """Returns what straight colours would become, multiplied by their opacity.

        The opacity is half of the last channel, see `diff_augment`, and does not change.
        """
        brightness, saturation, contrast = self.amounts
        share = images[:, 3:] / 2
        colours = images[:, :3] + (brightness - 0.5) * share
        grey = colours.mean(1, keepdim=True)
        colours = grey + (colours - grey) * (2 * saturation)
        visible = share.mean((1, 2, 3), keepdim=True).clamp_min(1e-3)
        mean = share * (colours.mean((1, 2, 3), keepdim=True) / visible)
        return torch.cat([mean + (colours - mean) * (0.5 + contrast), images[:, 3:]], 1)


class Translate(NamedTuple):
    """Shifts by up to SHIFT of the height and the width; the uncovered pixels are 0."""

    rows: Tensor  # (N, H): the row of each pixel in the padded picture
    columns: Tensor  # (N, W): its column

    def of(self, chosen: slice) -> Translate:
        return Translate(self.rows[chosen], self.columns[chosen])

    @classmethod
    def draw(cls, count: int, shape: Shape, random: torch.Generator) -> Translate:
        return cls(*(_shifted(count, side, random) for side in shape))

    def apply(self, images: Tensor) -> Tensor:
        down, across = (largest_shift(side) for side in images.shape[2:])
        padded = F.pad(images, (across, across, down, down)).permute(0, 2, 3, 1)
        which = torch.arange(len(images), device=images.device)[:, None, None]
        return padded[which, self.rows[:, :, None], self.columns[:, None, :]].permute(0, 3, 1, 2)


def _shifted(count: int, side: int, random: torch.Generator) -> Tensor:
    """Returns the places (count, side) in a padded side of pixels that are shifted at random."""
    reach = largest_shift(side)
    return (
        torch.arange(side) + reach + torch.randint(-reach, reach + 1, (count, 1), generator=random)
    )


class Cutout(NamedTuple):
    """Rectangles that become 0. Their sides are HOLE of the picture's; they may exceed it."""

    rows: Tensor  # (N, H): which rows are in the rectangle
    columns: Tensor  # (N, W): which columns are

    def of(self, chosen: slice) -> Cutout:
        return Cutout(self.rows[chosen], self.columns[chosen])

    @classmethod
    def draw(cls, count: int, shape: Shape, random: torch.Generator) -> Cutout:
        return cls(*(_covered(count, side, random) for side in shape))

    def apply(self, images: Tensor) -> Tensor:
        hole = self.rows[:, :, None] & self.columns[:, None, :]
        covered: Tensor = images * ~hole[:, None]
        return covered


def _covered(count: int, side: int, random: torch.Generator) -> Tensor:
    """Returns which of the places (count, side) are in a random stretch of HOLE of the side."""
    centres = torch.randint(0, side + 1, (count, 1), generator=random)
    return (torch.arange(side) - centres + 0.5).abs() < int(side * HOLE + 0.5) // 2


Change = Recolour | Translate | Cutout
Changes = list[tuple[Tensor, Change]]  # each with random numbers in 0..1 (N, 1, 1, 1)


def draw_changes(count: int, shape: Shape, random: torch.Generator) -> Changes:
    """Returns random changes for `diff_augment` of `count` pictures of this shape."""
    changes: Changes = []
    for kind in (Recolour, Translate, Cutout):
        chance = torch.rand(count, 1, 1, 1, generator=random)
        changes.append((chance, kind.draw(count, shape, random)))
    return changes


def changes_of(changes: Changes, chosen: slice) -> Changes:
    """Returns the changes of the chosen pictures."""
    return [(chance[chosen], change.of(chosen)) for chance, change in changes]


def diff_augment(images: Tensor, strength: Tensor, changes: Changes) -> Tensor:
    """Returns pictures with colour, translation and cutout (Zhao 2020, section 3.2).

    images: float (N, C, H, W) in -1..1. The result has the same shape and may exceed the range.
        With an alpha channel, the colours are premultiplied; uncovered pixels are transparent.
    strength: the probability of each of the three, a scalar in 0..1 on the pictures' device.
    """
    if images.shape[1] == 4:  # the changes see alpha in 0..2, so that 0 is transparent
        clear = F.pad(images.new_ones(1, 1, 1, 1), (0, 0, 0, 0, 3, 0))  # (0, 0, 0, 1)
        return _changed(images + clear, strength, changes) - clear
    return _changed(images, strength, changes)


def _changed(images: Tensor, strength: Tensor, changes: Changes) -> Tensor:
    for chance, change in changes:
        images = torch.where(chance < strength, change.apply(images), images)
    return images


def largest_shift(side: int) -> int:
    """Returns the largest translation along a side of so many pixels."""
    return int(side * SHIFT + 0.5)
