"""Going on from a trained GAN on other pictures: fine-tuning, perhaps with other classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..training.loop import State
from .config import GanConfig
from .layers import ClassEmbedding
from .trainee import GanTrainee

# Steps that the rates and the average take a fine-tuned GAN to have behind it: many where it is to
# become better at what it knows, few where it has a class to learn, which takes larger steps.
AGE, NEW_AGE = 2000, 400


def started_config(start: GanConfig, size: int, classes: tuple[str, ...]) -> GanConfig:
    """The start's networks for these classes and, with a level for each doubling, this size.

    Raises: ValueError where the pictures are smaller, or the method cannot grow.
    """
    if size < start.size:
        raise ValueError(
            f"the GAN to start from draws {start.size} px, the pictures are only {size} px"
        )
    return replace(start.enlarged(size), classes=classes)


def start_from(trainee: GanTrainee[Any], start: GanConfig, state: State) -> None:
    """Give a trainee the weights of a trained GAN, its embeddings matched by class name.

    A class that the start does not know begins as the mean of those it does.

    Raises: ValueError where the weights are not of such a GAN.
    """
    for prefix, network in trainee.method.networks.items():
        classed = {
            f"{name}.weight"
            for name, module in network.named_modules()
            if isinstance(module, ClassEmbedding)
        }
        weights = {}
        for name, mine in network.state_dict().items():
            value = state.get(f"{prefix}.{name}")
            if value is None:
                if not _is_added(prefix, name, trainee.config, start, state):
                    raise ValueError(f"the GAN to start from has no weights for its {prefix}")
                value = mine
            elif name in classed:
                value = _matched(value, start.classes, trainee.config.classes)
            elif name.startswith("answer."):
                # What tells the old classes apart is not needed to look at pictures.
                value = torch.zeros_like(mine)
            elif value.shape != mine.shape:
                raise ValueError(f"the GAN to start from has another {prefix} ({name} differs)")
            weights[name] = value
        network.load_state_dict(weights)
    trainee.average.network.load_state_dict(trainee.method.generator.state_dict())
    knows_all = set(trainee.config.classes) <= set(start.classes)
    trainee.age = AGE if knows_all and trainee.config.size == start.size else NEW_AGE


def _is_added(prefix: str, name: str, config: GanConfig, start: GanConfig, state: State) -> bool:
    """Whether a weight is of a level or a head that the start, being smaller, lacks as a whole."""
    whole = ".".join([prefix, *name.split(".")[:2], ""])
    return config.grown > start.grown and not any(key.startswith(whole) for key in state)


def _matched(rows: Tensor, old: tuple[str, ...], new: tuple[str, ...]) -> Tensor:
    """Embeddings (C, width) of the new classes from those of the old."""
    known = dict(zip(old, rows, strict=True))
    mean = rows.mean(0)
    return torch.stack([known.get(name, mean) for name in new])
