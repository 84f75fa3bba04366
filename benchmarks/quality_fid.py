"""FID of a GAN on a folder of pictures, for the usual small sets (100-shot, art, Pokemon).

As usual for these sets, many drawn pictures (5,000 unless said otherwise) are compared with all
real ones, also those that were learned. So a GAN that only copies has the best FID.
"""

from __future__ import annotations

from pathlib import Path

import torch
from quality_inception import read_inception
from quality_judge import as_bytes
from torch import Tensor

from artgraph.contract.context import Context
from artgraph.contract.errors import ArtgraphError
from artgraph.contract.values.models import Gan
from artgraph.models.distances import frechet_distance
from artgraph.models.gan.config import nominal_edge
from artgraph.nodes.gan import sample_latent
from artgraph.nodes.load_dataset import load_dataset
from artgraph.nodes.model_files import read_model

PART = 1024  # pictures that are drawn at once


def print_fid(folder: Path, model: Path | None, inception: Path | None, drawn: int) -> int:
    """Print the FID of a saved GAN. Returns the exit code."""
    if model is None or inception is None:
        raise SystemExit(
            "--fid needs a model and the weights of InceptionV3 - set --model and --inception"
        )
    context = Context.quiet()
    network = read_inception(inception)
    try:
        gan = read_model(model).gan
        if gan is None:
            raise SystemExit(f"{model} is not a GAN - name a file that save_model wrote")
        edge, aspect = nominal_edge(gan.height, gan.width), f"{gan.width}:{gan.height}"
        real = load_dataset(folder=folder, size=edge, aspect=aspect, ctx=context).images
    except ArtgraphError as error:
        raise SystemExit(str(error)) from error
    if real.shape[1:3] != (gan.height, gan.width):
        raise SystemExit(f"pictures can't be loaded in the model's aspect {aspect}")
    features = torch.cat([network.features(part) for part in _drawn(gan, drawn, context)])
    distance = frechet_distance(network.features(real), features)
    print(
        f"{network.name} {distance:.4g}: {drawn} drawn pictures, all {len(real)} of {folder},"
        f" {gan.width} x {gan.height} px, resized to 299 px by bilinear interpolation"
    )
    return 0


def _drawn(gan: Gan, count: int, context: Context) -> list[Tensor]:
    """Returns drawn pictures, uint8 (N, H, W, 3), in parts; transparent ones in front of white."""
    parts = []
    for seed, start in enumerate(range(0, count, PART)):
        number = min(PART, count - start)
        image = sample_latent(gan, count=number, seed=seed, ctx=context).image
        if image.shape[3] == 4:
            image = image[..., :3] * image[..., 3:] + 1 - image[..., 3:]
        parts.append(as_bytes(image))
    return parts
