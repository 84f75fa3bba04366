"""Random changes of real and drawn pictures, through which gradients flow, as often as needed.

Papers: Zhao et al. 2020, 'Differentiable Augmentation for Data-Efficient GAN Training': what the
critic sees is augmented, so a small set cannot be learnt by heart, and the generator is not
taught to draw the augmentations. Karras et al. 2020, 'Training Generative Adversarial Networks
with Limited Data' (ADA): each change is made with a probability that rises while the critic is
too sure of the real pictures, and falls while it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..training.numerics import sent
from ..training.rng import rng
from .batches import AUGMENT

Augment = Literal["auto", "on", "off"]

SHIFT = 1 / 8  # of a side, the farthest translation
HOLE = 1 / 2  # of a side, the cutout's square
TARGET = 0.6  # of the critic's certainty (Karras 2020, section 3.1)
SMALL_SET = 1000  # pictures; with fewer, a critic may come to know them by heart
SPEED = 8_000  # pictures in which the strength can go from 0 to 1
STRONGEST = 0.8  # above it, augmentations show in what is drawn (Karras 2020, section 2.2)


class Strength(nn.Module):
    """The probability with which each change is made: fixed, or led by the critic's certainty."""

    def __init__(self, value: float, adaptive: bool) -> None:
        super().__init__()
        self.value: Tensor
        self.register_buffer("value", torch.tensor(float(value)))
        self.adaptive = adaptive

    @torch.no_grad()
    def adapt(self, certainty: Tensor, pictures: int) -> None:
        """Take in a batch's certainty: mean sign of the real pictures' scores, in -1..1."""
        if self.adaptive:
            change = torch.sign(certainty - TARGET) * (pictures / SPEED)
            self.value.add_(change).clamp_(0, STRONGEST)


class Augmentation:
    """What the critic sees of pictures, at a strength that is fixed or follows its certainty."""

    def __init__(self, augment: Augment, count: int, seed: int, device: str) -> None:
        """`auto` is adaptive on small sets and off on others; `count`: pictures of the set."""
        adaptive = augment == "auto" and count < SMALL_SET
        self.strength = Strength(float(augment == "on"), adaptive).to(device)
        self._on, self._seed = adaptive or augment == "on", seed

    def __call__(self, images: Tensor, *counters: int) -> Tensor:
        """Returns the images augmented if that is on; `counters` decide how."""
        if not self._on:
            return images
        return diff_augment(images, self.strength.value, rng(self._seed, AUGMENT, *counters))

    def follow(self, signs: Tensor, pictures: int) -> Mapping[str, Tensor]:
        """Adapt to how certain the critic was of so many pictures; returns metrics of both.

        signs: of the real pictures' scores, -1, 0 or 1.
        """
        certainty = signs.mean()
        if not self.strength.adaptive:
            return {"certainty": certainty}
        self.strength.adapt(certainty, pictures)
        return {"certainty": certainty, "augment": self.strength.value.clone()}


def diff_augment(images: Tensor, strength: Tensor, random: torch.Generator) -> Tensor:
    """Colour, translation and cutout (Zhao 2020, section 3.2), drawn anew for each picture.

    images: float (N, 3, S, S) in -1..1; the result has the same shape and may leave the range.
    strength: a scalar in 0..1 on the pictures' device, the probability of each of the three.
    """
    for change in (recolour, translate, cutout):
        chance = torch.rand(len(images), 1, 1, 1, generator=random)
        chance = sent(chance, images.device)
        images = torch.where(chance < strength, change(images, random), images)
    return images


def recolour(images: Tensor, random: torch.Generator) -> Tensor:
    """Shift the brightness (-0.5..0.5), scale saturation (0..2) and contrast (0.5..1.5)."""
    brightness, saturation, contrast = _uniform(images, 3, random)
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (2 * saturation)
    mean = images.mean((1, 2, 3), keepdim=True)
    contrasted: Tensor = mean + (images - mean) * (0.5 + contrast)
    return contrasted


def translate(images: Tensor, random: torch.Generator) -> Tensor:
    """Shift by up to SHIFT of a side in both directions; what comes in is 0."""
    count, _, size, _ = images.shape
    reach = int(size * SHIFT + 0.5)
    shifts = torch.randint(-reach, reach + 1, (2, count, 1), generator=random)
    places = torch.arange(size) + reach + shifts  # (2, N, S), in the padded picture
    rows, columns = sent(places, images.device)
    padded = F.pad(images, (reach,) * 4).permute(0, 2, 3, 1)  # (N, S + 2 reach, ..., 3)
    which = torch.arange(count, device=images.device)[:, None, None]
    return padded[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cutout(images: Tensor, random: torch.Generator) -> Tensor:
    """Set a square of HOLE of a side to 0; its centre lies anywhere, so it may stick out."""
    count, _, size, _ = images.shape
    half = int(size * HOLE + 0.5) // 2
    centres = torch.randint(0, size + 1, (2, count, 1), generator=random)
    inside = (torch.arange(size) - centres + 0.5).abs() < half  # (2, N, S)
    rows, columns = sent(inside, images.device)
    hole = rows[:, :, None] & columns[:, None, :]
    covered: Tensor = images * ~hole[:, None]
    return covered


def _uniform(images: Tensor, draws: int, random: torch.Generator) -> Tensor:
    """(draws, N, 1, 1, 1) in 0..1, on the pictures' device."""
    drawn = torch.rand((draws, len(images), 1, 1, 1), generator=random)
    return sent(drawn, images.device)
