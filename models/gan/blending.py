"""Other models made of trained GANs without training: blends of their weights, fewer classes.

Paper: Pinkney and Adler 2020, "Resolution Dependent GAN Interpolation for Controllable Image
Synthesis Between Domains".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

import torch
from torch import Tensor

from ..training.diverged import UnsuitableError
from ..training.loop import State
from .config import GanConfig
from .levels import group_of, level_of

Known = tuple[GanConfig, State]
EMBEDDING = "embedding.weight"  # how the names of weights with a row for each class end
_CRITIC = ("critic", "fine", "features")  # settings of networks that only a training needs
_FREE = ("classes", "smooth", *_CRITIC)  # settings in which blended GANs may differ


def blended(first: Known, second: Known, shares: Mapping[str, float]) -> Known:
    """Returns config and weights of a blend of two GANs of one shape.

    shares: the share of the second for each group of levels, and for `style`: what all levels
        share. All 0 gives the first, and all 1 the second. The weights that only a training needs
        are those of the GAN with the larger share.

    If the classes differ, the blend has those of both; a class that only one of them has is drawn
    from its embedding there.

    Raises: UnsuitableError if the shapes differ.
    """
    (config, weights), (other, others) = first, second
    _check_alike(config, other)
    if not any(shares.values()):
        return first
    if all(share == 1 for share in shares.values()):
        return second
    classes = (*config.classes, *(name for name in other.classes if name not in config.classes))
    mostly_second = sum(shares.values()) > len(shares) / 2
    helper, helped = (others, other) if mostly_second else (weights, config)
    result = {}
    for name, value in weights.items():
        part, _, rest = name.partition(".")
        if part != "generator":
            continue
        level = level_of(rest, config)
        group = "style" if level is None else group_of(level, len(config.channels))
        if rest == EMBEDDING:
            result[name] = _blended_rows(
                (config, value), (other, others[name]), classes, shares[group]
            )
        else:
            result[name] = _between(value, others[name], shares[group])
    for name, value in helper.items():
        if not name.startswith("generator."):
            is_embedding = name.endswith(EMBEDDING)
            result[name] = _rows(value, helped.classes, classes) if is_embedding else value
    smooth = other.smooth if shares["fine"] > 0.5 else config.smooth
    training = {name: getattr(helped, name) for name in _CRITIC}
    return replace(config, classes=classes, smooth=smooth, **training), result


def kinship(first: State, second: State) -> float:
    """Returns how similar the weights of two generators of one shape are: 1 if they are equal.

    It is the cosine between the weights of their convolutions, and near 0 if they were trained
    independently.
    """
    dots = torch.zeros(3, dtype=torch.float64)
    for name, value in first.items():
        if name.startswith("generator.") and value.ndim == 4 and name in second:
            a, b = value.double().flatten(), second[name].double().flatten()
            if a.shape == b.shape:
                dots += torch.stack([a @ b, a @ a, b @ b])
    return float(dots[0] / (dots[1] * dots[2]).sqrt().clamp_min(1e-30))


def pruned(known: Known, classes: tuple[str, ...]) -> Known:
    """Returns config and weights of a GAN that knows only these of its classes, in its order.

    Raises: UnsuitableError for the method classic, whose pictures do not depend on the class.
    """
    config, weights = known
    if config.method == "classic":
        raise UnsuitableError(
            "a GAN of the method classic can't draw its classes separately, so none can be removed",
            "train one with the method projected or r3",
        )
    kept = tuple(name for name in config.classes if name in classes)
    state = {
        name: _rows(value, config.classes, kept) if name.endswith(EMBEDDING) else value
        for name, value in weights.items()
    }
    return replace(config, classes=kept), state


def _check_alike(config: GanConfig, other: GanConfig) -> None:
    names = [field.name for field in fields(GanConfig) if field.name not in _FREE]
    differing = [name for name in names if getattr(config, name) != getattr(other, name)]
    if differing == ["bends"]:
        raise UnsuitableError(
            "these GANs have different bends", "blend the GANs first, and bend the blend"
        )
    if differing:
        raise UnsuitableError(
            f"these GANs have different shapes: they differ in {', '.join(differing)}",
            "blend a GAN with one that was trained from it (`start` of train_gan), at its size",
        )


def _between(first: Tensor, second: Tensor, share: float) -> Tensor:
    if share in (0, 1) or not first.is_floating_point():
        return second if share > 0.5 else first
    return torch.lerp(first, second, share)


def _blended_rows(
    first: tuple[GanConfig, Tensor],
    second: tuple[GanConfig, Tensor],
    classes: tuple[str, ...],
    share: float,
) -> Tensor:
    """Returns the embeddings of all classes; those that both GANs have are blended."""
    own, others = (dict(zip(config.classes, rows, strict=True)) for config, rows in (first, second))
    return torch.stack(
        [
            _between(own[name], others[name], share)
            if name in own and name in others
            else own.get(name, others.get(name))  # type: ignore[misc]
            for name in classes
        ]
    )


def _rows(value: Tensor, old: tuple[str, ...], new: tuple[str, ...]) -> Tensor:
    """Returns the rows of these classes; the mean of all rows for a class that has none."""
    by_name, mean = dict(zip(old, value, strict=True)), value.mean(0)
    return torch.stack([by_name.get(name, mean) for name in new])
