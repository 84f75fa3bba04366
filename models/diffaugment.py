"""Random changes of real and drawn pictures, through which gradients flow, as often as needed.

Papers: Zhao et al. 2020, 'Differentiable Augmentation for Data-Efficient GAN Training': what the
critic sees is augmented, so a small set cannot be learnt by heart, and the generator is not
taught to draw the augmentations. Karras et al. 2020, 'Training Generative Adversarial Networks
with Limited Data' (ADA): each change is made with a probability that rises while the critic is
too sure of the real pictures, and falls while it is not.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .numerics import sent

SHIFT = 1 / 8  # of a side, the farthest translation
HOLE = 1 / 2  # of a side, the cutout's square


TARGET = 0.6  # of the critic's certainty (Karras 2020, section 3.1)
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


def diff_augment(images: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    """Colour, translation and cutout (Zhao 2020, section 3.2), drawn anew for each picture.

    images: float (N, 3, S, S) in -1..1; the result has the same shape and may leave the range.
    strength: a scalar in 0..1 on the pictures' device, the probability of each of the three.
    """
    for change in (recolour, translate, cutout):
        chance = torch.rand(len(images), 1, 1, 1, generator=generator)
        chance = sent(chance, images.device)
        images = torch.where(chance < strength, change(images, generator), images)
    return images


def recolour(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift the brightness (-0.5..0.5), scale saturation (0..2) and contrast (0.5..1.5)."""
    brightness, saturation, contrast = _uniform(images, 3, generator)
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (2 * saturation)
    mean = images.mean((1, 2, 3), keepdim=True)
    contrasted: Tensor = mean + (images - mean) * (0.5 + contrast)
    return contrasted


def translate(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift by up to SHIFT of a side in both directions; what comes in is 0."""
    count, _, size, _ = images.shape
    reach = int(size * SHIFT + 0.5)
    shifts = torch.randint(-reach, reach + 1, (2, count, 1), generator=generator)
    places = torch.arange(size) + reach + shifts  # (2, N, S), in the padded picture
    rows, columns = sent(places, images.device)
    padded = F.pad(images, (reach,) * 4).permute(0, 2, 3, 1)  # (N, S + 2 reach, ..., 3)
    which = torch.arange(count, device=images.device)[:, None, None]
    return padded[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cutout(images: Tensor, generator: torch.Generator) -> Tensor:
    """Set a square of HOLE of a side to 0; its centre lies anywhere, so it may stick out."""
    count, _, size, _ = images.shape
    half = int(size * HOLE + 0.5) // 2
    centres = torch.randint(0, size + 1, (2, count, 1), generator=generator)
    inside = (torch.arange(size) - centres + 0.5).abs() < half  # (2, N, S)
    rows, columns = sent(inside, images.device)
    hole = rows[:, :, None] & columns[:, None, :]
    covered: Tensor = images * ~hole[:, None]
    return covered


def _uniform(images: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """(draws, N, 1, 1, 1) in 0..1, on the pictures' device."""
    drawn = torch.rand((draws, len(images), 1, 1, 1), generator=generator)
    return sent(drawn, images.device)
