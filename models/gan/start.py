"""Fine-tuning: continuing from a trained GAN on other pictures, perhaps with other classes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..alpha import more_inputs, more_outputs
from ..blocks import to_signed
from ..configs import Size, sides_of, size_text
from ..training.diverged import UnsuitableError
from ..training.loop import State
from .config import CELLS, GanConfig, nominal_edge
from .layers import ClassEmbedding, coarsest_map
from .projected_networks import without_stripes
from .trainee import GanTrainee

# Number of earlier steps that learning rates and average assume for a GAN that is fine-tuned. New
# classes and sizes need higher learning rates, so the number is smaller.
SAME_TASK_AGE, NEW_TASK_AGE = 2000, 400
OPAQUE = 2.0  # its tanh is 0.96, nearly opaque; a larger one would be learned more slowly

MEASURED = 64  # largest number of pictures whose stripes are measured
# Limit of the share in `is_striped`: 0.02 in emoji with smooth edges, 0.04 to 0.1 in painted styles
# with hard edges and lines of 1 px, 0.12 in noise and in a chequerboard.
STRIPED = 0.05

_ANOTHER = "wire a GAN that train_gan made to `start`, or leave `start` unwired"


def fine_tuned_config(
    start: GanConfig, size: Size, classes: tuple[str, ...], alpha: bool
) -> GanConfig:
    """Returns the config of `start` for these classes, with one more level for each doubled size.

    The pictures may have another aspect than those of `start`, and an alpha channel.

    Raises: ValueError if the pictures are smaller, or the method has a fixed size.
    """
    shape = sides_of(size)
    if nominal_edge(*shape) < start.edge:
        raise ValueError(
            f"the GAN to start from draws {size_text(*start.shape)}, but the pictures are only"
            f" {size_text(*shape)}"
        )
    if alpha and not start.alpha and start.method == "classic":
        raise UnsuitableError(
            "a GAN of method classic can't learn transparency from pictures without alpha",
            "load the pictures with alpha: flatten, or leave `start` unwired",
        )
    return replace(start.enlarged(size), classes=classes, alpha=alpha or start.alpha)


def is_striped(images: Tensor) -> bool:
    """Returns whether pictures contain stripes of 1 px in turn: dithering, noise, hard edges.

    images: uint8 (N, H, W, C). What `without_stripes` removes is compared with the differences
    between neighbouring pixels, both as mean squares.
    """
    chosen = torch.linspace(0, len(images) - 1, min(MEASURED, len(images))).long()
    x = to_signed(images[chosen])
    removed = (x - without_stripes(x)).square().mean()
    changes = x.diff(dim=2).square().mean() + x.diff(dim=3).square().mean()
    return bool(removed > STRIPED * changes)


def start_from(trainee: GanTrainee[Any], start: GanConfig, state: State) -> None:
    """Load the weights of a trained GAN into a trainee, and match its classes by their names.

    The embedding of a new class is the mean of the old ones. An alpha channel that `start` does not
    have begins opaque. If the pictures have another aspect,
    the weights of the coarsest maps are stretched to it; all others are convolutions and stay.

    Raises: ValueError if the weights do not fit.
    """
    has_new_heads = False
    for prefix, network in trainee.method.networks.items():
        embeddings = {
            f"{name}.weight"
            for name, module in network.named_modules()
            if isinstance(module, ClassEmbedding)
        }
        weights = {}
        for name, own in network.state_dict().items():
            value = state.get(f"{prefix}.{name}")
            if value is None:
                if not _is_added(prefix, name, trainee.config, start, state):
                    raise UnsuitableError(
                        f"the GAN to start from has no weight {prefix}.{name}", _ANOTHER
                    )
                value = own
                has_new_heads = True
            elif name in embeddings:
                value = _match_classes(value, start.classes, trainee.config.classes)
            elif name.startswith("answer."):
                # The layer that classifies pictures was only needed to train the features.
                value = torch.zeros_like(own)
            elif value.shape != own.shape and _is_pixel_layer(prefix, name, value, own):
                value = _with_alpha(prefix, name, value, own, trainee.config.method)
            elif value.shape != own.shape:
                value = _stretched(prefix, name, value, own, start, trainee.config)
            if value.shape != own.shape:
                raise UnsuitableError(
                    f"the {prefix} of the GAN to start from has another shape ({name} differs)",
                    _ANOTHER,
                )
            weights[name] = value
        network.load_state_dict(weights)
    trainee.average.network.load_state_dict(trainee.method.generator.state_dict())
    same_task = (
        set(trainee.config.classes) <= set(start.classes)
        and trainee.config.size == start.size
        and trainee.config.alpha == start.alpha
        and not has_new_heads  # of the critic, if the node `grow` doubled the size
    )
    trainee.age = SAME_TASK_AGE if same_task else NEW_TASK_AGE


def _is_added(prefix: str, name: str, config: GanConfig, start: GanConfig, state: State) -> bool:
    """Returns whether a weight is in a level or a head that `start` does not have.

    It then draws smaller pictures, or has grown without training, and has no heads for its size.
    """
    module = ".".join([prefix, *name.split(".")[:2], ""])
    is_larger = config.grown > start.grown or (config.grown > 0 and prefix == "critic")
    return is_larger and not any(key.startswith(module) for key in state)


def _is_pixel_layer(prefix: str, name: str, value: Tensor, own: Tensor) -> bool:
    """Returns whether only an alpha channel is missing: a quarter of the inputs or outputs."""
    dim = 1 if prefix == "critic" else 0
    if prefix == "generator" and "pixels" not in name.split("."):
        return False
    return value.shape[dim] * 4 == own.shape[dim] * 3 and (
        value.shape[:dim] + value.shape[dim + 1 :] == own.shape[:dim] + own.shape[dim + 1 :]
    )


def _with_alpha(prefix: str, name: str, value: Tensor, own: Tensor, method: str) -> Tensor:
    """Returns weights of a layer of pixels with an alpha channel: opaque, and not judged yet."""
    if prefix == "critic":
        return more_inputs(value, own.shape[1])
    bias = 0.0
    if name in ("patches.pixels.bias", "pixels.bias"):
        bias = OPAQUE if method == "projected" else 1.0
    return more_outputs(value, len(own), bias)


def _stretched(
    prefix: str, name: str, value: Tensor, own: Tensor, start: GanConfig, config: GanConfig
) -> Tensor:
    """Returns weights of a coarsest map, interpolated to the aspect of `config`.

    Weights that cannot be interpolated are returned unchanged. A critic adds the weighted values of
    its map, so its weights become smaller if the map becomes larger.
    """
    if name == "places":
        old, new = (c.map_shape(CELLS) for c in (start, config))
    elif prefix == "critic":
        old, new = (coarsest_map(c) for c in (start, config))
    else:
        old, new = (c.map_shape(4) for c in (start, config))
    if value.numel() * math.prod(new) != own.numel() * math.prod(old):
        return value
    if value.ndim == 4:
        stretched = F.interpolate(value.reshape(-1, 1, *old), new, mode="bilinear").view(own.shape)
    else:  # a dense layer: one dimension contains the channels and the places of a map
        dim = 1 if prefix == "critic" else 0
        maps = value.unflatten(dim, (-1, *old)).movedim((dim + 1, dim + 2), (-2, -1))
        planes = F.interpolate(maps.reshape(-1, 1, *old), new, mode="bilinear")
        maps = planes.view(*maps.shape[:-2], *new).movedim((-2, -1), (dim + 1, dim + 2))
        stretched = maps.flatten(dim, dim + 2)
    return stretched * (math.prod(old) / math.prod(new)) if prefix == "critic" else stretched


def _match_classes(rows: Tensor, old: tuple[str, ...], new: tuple[str, ...]) -> Tensor:
    """Returns embeddings (C, width) of the new classes, from `rows` of the old ones."""
    by_name = dict(zip(old, rows, strict=True))
    mean = rows.mean(0)
    return torch.stack([by_name.get(name, mean) for name in new])
