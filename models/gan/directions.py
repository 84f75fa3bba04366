"""Directions in the codes of a GAN (see codes.py) along which its pictures change.

A step of strength 1 is a whole direction: one standard deviation of the codes of random latents.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .classic import ClassicGenerator
from .codes import Points, codes_of, random_points
from .config import GanConfig
from .projected_networks import Film, ProjectedGenerator
from .r3 import R3Generator

SAMPLES = 4096  # random latents whose codes are compared
FEWEST = 4  # pictures of a class from which its direction is found
FIRST_MAPS = 1024  # of these, latents whose first feature maps are compared


def sampled(
    network: nn.Module, config: GanConfig, seed: int, device: str, count: int | None = None
) -> tuple[Points, Tensor]:
    """Returns random latents of all classes, and their codes (N, K), on the device.

    count: of latents; None for SAMPLES.
    """
    points = random_points(config, count or SAMPLES, seed).to(device)
    with torch.no_grad():
        return points, codes_of(network, config, points.z, points.classes).float()


def principal(
    network: nn.Module, config: GanConfig, points: Points, codes: Tensor, count: int
) -> Tensor:
    """Returns the directions (count, K) in which the codes of random latents vary most.

    Codes that are latents vary equally in all directions. For these, the directions are those that
    change the principal components of the first feature maps, by linear regression.
    Paper: Härkönen et al. 2020, "GANSpace", section 2.
    """
    if config.style:
        return steps_of(signed(_components(codes, count)), codes)
    with torch.no_grad():
        maps = first_maps(network, points.rows(slice(FIRST_MAPS))).flatten(1).float()
    scores = (maps - maps.mean(0)) @ _components(maps, count).T
    few = codes[:FIRST_MAPS]
    return steps_of(signed(scores.T @ (few - few.mean(0))), codes)


def first_maps(network: nn.Module, points: Points) -> Tensor:
    """Returns the feature maps of the first layer of a generator without styles."""
    if isinstance(network, R3Generator):
        return network.start(torch.cat([points.z, network.embedding(points.classes)], 1))  # type: ignore[no-any-return]
    assert isinstance(network, ClassicGenerator)
    return network.layers[0](points.z[:, :, None, None])  # type: ignore[no-any-return]


def factors(
    network: nn.Module, config: GanConfig, levels: list[int], codes: Tensor, count: int
) -> Tensor:
    """Returns the directions (count, K) that change what the first layers compute most.

    They are the eigenvectors of A^T A for the largest eigenvalues. A contains the weights that
    multiply the code, each row of length 1: those of the styles of `levels`, or of the first layer.
    Paper: Shen and Zhou 2021, "Closed-Form Factorization of Latent Semantics in GANs", eq. 4.
    """
    weight = F.normalize(_weights(network, config, levels).detach().double().cpu(), dim=1)
    vectors = torch.linalg.eigh(weight.T @ weight).eigenvectors
    found = vectors.flip(1).T[:count].float().to(codes.device)
    return steps_of(signed(found), codes)


def _weights(network: nn.Module, config: GanConfig, levels: list[int]) -> Tensor:
    """Returns the weights (M, K) that multiply a code."""
    if isinstance(network, ProjectedGenerator):
        parts = [network.levels[level] for level in levels]
        parts += [network.attention[level] for level in levels if level < len(network.attention)]
        films = [m for part in parts for m in part.modules() if isinstance(m, Film)]
        start = [network.start.weight] if 0 in levels else []
        return torch.cat([*start, *(film.steer.weight for film in films)])
    if isinstance(network, R3Generator):
        return network.start.weight[:, : config.latent]
    assert isinstance(network, ClassicGenerator)
    first: Tensor = network.layers[0].weight  # type: ignore[assignment]
    return first.flatten(1).T


def of_classes(codes: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """Returns for each class the direction (C, K) from the mean code to its mean, and their frame.

    codes (N, K): of pictures whose probabilities (N, C) of the classes are known. The frame is
    (R + 1, K): the mean code, and a basis of the directions; see `moved`. A class that no picture
    has gets a direction of length 0.
    Paper: Shen et al. 2020, "Interpreting the Latent Space of GANs for Semantic Face Editing",
    section 2.2 (moving along one attribute while others are projected out).
    """
    shares = probabilities.to(codes)
    means = (shares.T @ codes) / shares.sum(0)[:, None].clamp_min(1e-8)
    centre = codes.mean(0)
    means = torch.where(shares.sum(0)[:, None] > FEWEST, means - centre, 0.0)
    _, sizes, axes = torch.linalg.svd(means.double(), full_matrices=False)
    basis = axes[sizes > 1e-3 * sizes.amax()].float()
    return means, torch.cat([centre[None], basis])


def moved(codes: Tensor, direction: Tensor, strength: float, frame: Tensor | None) -> Tensor:
    """Returns what is added to codes (N, K) to move them along a direction (K,).

    With a frame, the part of a code that all directions of the frame describe is removed by the
    same share: at strength 1, a code is at the mean of the class in everything that distinguishes
    the classes, and as it was in everything else. Without this, a step towards one class would
    lead past it, as the code is still away from the mean in the direction of another one.
    """
    if frame is None:
        return (strength * direction).expand(len(codes), -1)
    centre, basis = frame[0], frame[1:]
    replaced: Tensor = (codes - centre) @ basis.T @ basis
    return strength * (direction - replaced)


def steps_of(directions: Tensor, codes: Tensor) -> Tensor:
    """Returns directions with the length of a standard deviation of the codes along them."""
    unit = F.normalize(directions, dim=1)
    return unit * ((codes - codes.mean(0)) @ unit.T).std(0)[:, None]


def signed(directions: Tensor) -> Tensor:
    """Returns directions of which the largest number is positive.

    The sign of an eigenvector is arbitrary, and may differ from machine to machine.
    """
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    return directions * largest.sign()


def _components(vectors: Tensor, count: int) -> Tensor:
    """Returns the first principal components (count, D) of vectors (N, D), of length 1."""
    centred = (vectors - vectors.mean(0)).double()
    axes: Tensor = torch.linalg.svd(centred, full_matrices=False).Vh
    return axes[:count].float()
