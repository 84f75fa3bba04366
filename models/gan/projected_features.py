"""A small network that computes features for the projected GAN's critic.

It is trained on the same pictures to classify them. If there is only one class, it learns by how
many quarter turns a picture was rotated (Gidaris et al. 2018, 'Unsupervised Representation
Learning by Predicting Image Rotations').
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..alpha import over_grey
from ..blocks import LEAK, initialise
from ..training.inputs import send
from ..training.loop import Progress
from ..training.numerics import Numerics
from ..training.rng import rng
from ..training.sampler import micro_batches
from ..training.windows import StreamSampler, Windows, streamed
from .batches import FEATURES, TrainingSet

STEPS, BATCH = 900, 64
RATE = 3e-3  # highest learning rate
STEP_WORK = 6.0  # work of a step of BATCH pictures, in GAN steps of one picture (on a CPU)


class FeatureNet(nn.Module):
    """Four strided convolutions with batch norms; `forward` returns the last three maps."""

    def __init__(self, classes: int, widths: tuple[int, ...]) -> None:
        """`widths`: number of channels of each convolution."""
        super().__init__()
        outputs = classes if classes > 1 else 4
        inputs = (3, *widths)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 4, 2, 1, bias=False) for a, b in zip(inputs, widths, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.answer = nn.Linear(sum(widths[1:]), outputs)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Returns maps of 1/4, 1/8 and 1/16 of the size of pictures (N, 3, H, W) in -1..1."""
        maps = []
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.leaky_relu(norm(convolution(x)), LEAK)
            maps.append(x)
        return maps[1:]

    def pooled(self, x: Tensor) -> Tensor:
        """Returns the inputs (N, D) of the last layer for pictures (N, 3, H, W) in -1..1."""
        return torch.cat([m.mean((2, 3)) for m in self(x)], 1)

    def logits(self, x: Tensor) -> Tensor:
        """Returns logits (N, classes), or (N, 4) for the quarter turns."""
        return self.answer(self.pooled(x))  # type: ignore[no-any-return]


def train_features(
    net: FeatureNet,
    data: TrainingSet,
    seed: int,
    numerics: Numerics,
    progress: Progress,
) -> None:
    """Initialise `net`, train it for STEPS steps of BATCH pictures, and freeze it.

    It uses AdamW, one cycle of the learning rate (Smith and Topin 2018) and label smoothing 0.1.
    Batches of large pictures are smaller. The weights depend on the seed and the data alone.
    """
    initialise(net.to("cpu"), rng(seed, FEATURES))
    numerics.place(net)
    net.train().requires_grad_(True)
    height, width = data.images.shape[1:3]
    batch = micro_batches(BATCH, height * width)[0].stop
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.02, fused=True)
    stream, rows = streamed(data.images), torch.arange(len(data.labels))
    sampler = None if stream is None else StreamSampler(Windows(stream, rows, seed), batch)
    for step in range(STEPS):
        random = rng(seed, FEATURES, step)
        if sampler is None:
            indices = torch.randint(len(data.images), (batch,), generator=random)
        else:
            indices = sampler.indices(step)
        targets = data.labels[indices] if data.classes > 1 else torch.arange(batch) % 4
        inputs = data.choose(indices, random), targets, RATE * one_cycle(step / STEPS)
        chosen, targets, optimiser.param_groups[0]["lr"] = send(inputs, numerics.device)
        images = over_grey(data.pictures(chosen))
        if data.classes == 1:
            images = _rotated(square_part(images, random))
        with numerics.autocast():
            logits = net.logits(images)
        loss = F.cross_entropy(logits.float(), targets, label_smoothing=0.1)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        progress(step + 1, STEPS)
    net.eval().requires_grad_(False)


def feature_work(batch: int) -> float:
    """Returns about how many GAN steps of `batch` pictures take as long as `train_features`."""
    return STEPS * STEP_WORK / batch


def one_cycle(progress: float, warm: float = 0.2) -> float:
    """Returns the factor of the learning rate: half a cosine up to 1 at `warm`, then down to 0."""
    if progress < warm:
        return 0.52 - 0.48 * math.cos(math.pi * progress / warm)
    return 0.5 + 0.5 * math.cos(math.pi * (progress - warm) / (1 - warm))


def square_part(images: Tensor, random: torch.Generator) -> Tensor:
    """Returns pictures (N, 3, H, W) cut to the largest square, at a random place of all of them.

    Pictures that are not square cannot be rotated by a quarter turn as a whole.
    """
    height, width = images.shape[2:]
    if height == width:
        return images
    edge = min(height, width)
    first = int(torch.randint(max(height, width) - edge + 1, (), generator=random))
    return images.narrow(2 if height > width else 3, first, edge)


def _rotated(images: Tensor) -> Tensor:
    """Returns the pictures, rotated by 0, 1, 2, 3, 0, ... quarter turns."""
    rotated = [torch.rot90(image, number % 4, (1, 2)) for number, image in enumerate(images)]
    return torch.stack(rotated).contiguous(memory_format=torch.channels_last)
