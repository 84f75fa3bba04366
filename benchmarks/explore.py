"""Measures how pictures are inverted, and what the directions of latents do.

    python benchmarks/explore.py [--seed 4711] [--only PARTS] [--count 64] [--out FOLDER]

With the GAN base/gan_64, its shipped classifier, and an encoder that is trained first:

own         64 pictures of the GAN itself: the median and the lowest signal-to-noise ratio after
            inversion, and the CPU seconds of a picture
real        64 painted pictures, which it was not trained on: whether the redrawn picture is nearer
            to the picture than the nearest of 10,000 random pictures of the GAN, in features of
            EfficientNet-Lite0, which the search does not use
outside     the share of other painted pictures, and of clip art of another GAN, that is reported as
            outside of what the GAN knows
directions  for each class and picture of another class, whether the probability of the class rises
            from step to step of `move_latent`; 10 draws a class

The exit code is 1 if a bar is missed. Sheets are written to the out folder.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from artgraph.contract.context import Context
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.explored import Encoder
from artgraph.contract.values.kinds import GanLatent
from artgraph.models.gan.api import GanConfig, generate
from artgraph.models.gan.codes import draw_all, random_points
from artgraph.models.training.numerics import Numerics
from artgraph.nodes.model_files import SHIPPED, read_model
from artgraph.pictures.sheet import contact_sheet, lay_out

NODES = load_nodes()
COUNT = 64
SAMPLES = 10_000  # random pictures among which the nearest is searched
EDGE = 128  # to which pictures are enlarged for EfficientNet
DRAWS = 10  # pictures of each direction
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # strengths of a named direction
SLACK = 0.01  # by which a probability may fall where it neither rises nor matters


class Figure(NamedTuple):
    """A figure, and the lowest and highest value that it may have."""

    name: str
    value: float
    low: float = -math.inf
    high: float = math.inf

    @property
    def holds(self) -> bool:
        """Whether it is within its bars."""
        return self.low <= self.value <= self.high

    def __str__(self) -> str:
        bars = [f"at least {self.low:g}"] if self.low > -math.inf else []
        bars += [f"at most {self.high:g}"] if self.high < math.inf else []
        told = f" ({', '.join(bars)}{'' if self.holds else ': MISSED'})" if bars else ""
        return f"  {self.name}: {self.value:.3f}{told}"


class Explorer:
    """The models, and calls of nodes with them."""

    def __init__(self, seed: int, out: Path, count: int) -> None:
        self.seed, self.out, self.count = seed, out, count
        self.context = Context(numerics=Numerics.of("cpu"), log=print, warn=lambda line: None)
        self.gan = read_model(SHIPPED / "gan_64.safetensors").gan
        self.classifier = read_model(SHIPPED / "classifier_64.safetensors").classifier
        assert self.gan is not None
        self.config, self.network = GanConfig.from_dict(self.gan.config), self.gan.network()
        self.encoder, self.training = self._encoder()

    def _encoder(self) -> tuple[Encoder, float]:
        """Returns the encoder, and the CPU seconds of its training, which is done once."""
        path = self.out / f"encoder_{self.seed}.safetensors"
        if not path.exists():
            start = time.process_time()
            encoder = self.run("train_encoder", {"gan": self.gan}, seed=self.seed)["encoder"]
            about = {"config": encoder.config, "seconds": time.process_time() - start}
            save_file(encoder.state, path, {"about": json.dumps(about)})
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["about"])
        return Encoder(about["config"], load_file(path)), about["seconds"]

    def run(self, node: str, inputs: dict[str, Any], /, **widgets: Any) -> dict[str, Any]:
        """Returns the outputs of a node."""
        values, problems = NODES[node].check(widgets)
        assert not problems, problems
        return NODES[node](inputs, values, self.context)

    def invert(self, pictures: Tensor) -> dict[str, Any]:
        """Returns the outputs of `invert` for pictures (N, H, W, 3) in 0..1."""
        inputs = {"gan": self.gan, "encoder": self.encoder, "image": pictures}
        return self.run("invert", inputs, seed=self.seed)

    def sheet(self, name: str, pictures: Tensor, columns: int) -> None:
        """Writes pictures (N, H, W, 3) in 0..1 as a sheet."""
        pixels = pictures.mul(255).add(0.5).byte().numpy()
        layout = lay_out(len(pixels), *pixels.shape[1:3], columns=columns, scale=1)
        Image.fromarray(contact_sheet(pixels, layout)).save(self.out / f"{name}.png")


def own(explorer: Explorer) -> list[Figure]:
    """Pictures of the GAN itself."""
    points = random_points(explorer.config, explorer.count, explorer.seed, first=10**6)
    numerics = explorer.context.numerics
    pictures = generate(explorer.network, points.z, points.classes, numerics)
    pictures = pictures.mul(255).round().div(255)
    start = time.process_time()
    found = explorer.invert(pictures)
    seconds = (time.process_time() - start) / explorer.count
    psnr = torch.tensor(found["table"].columns["psnr"])
    explorer.sheet("own", found["compared"], 20)
    return [
        Figure("CPU seconds of the encoder's training", explorer.training, high=120),
        Figure("median dB", float(psnr.median()), low=30),
        Figure("lowest dB", float(psnr.min()), low=24),
        Figure("CPU seconds of a picture", seconds, high=3),
    ]


def real(explorer: Explorer) -> list[Figure]:
    """Painted pictures that the GAN was not trained on."""
    pictures = painted(explorer, explorer.count, 1)
    found = explorer.invert(pictures)
    explorer.sheet("real", found["compared"], 20)
    features = lite0()
    given, redrawn = (features(x.permute(0, 3, 1, 2) * 2 - 1) for x in (pictures, found["image"]))
    nearest = torch.cdist(given, random_features(explorer, features)).amin(1)
    ratios = (given - redrawn).norm(dim=1) / nearest
    psnr = torch.tensor(found["table"].columns["psnr"])
    return [
        Figure("median dB", float(psnr.median())),
        Figure("share nearer than the nearest of 10,000", float((ratios < 1).float().mean()), 0.9),
        Figure("largest ratio of the distances", float(ratios.max()), high=1.15),
        Figure("median ratio of the distances", float(ratios.median())),
    ]


def random_features(explorer: Explorer, features: Any) -> Tensor:
    """Returns the features of random pictures of the GAN, which are computed once for a seed."""
    path = explorer.out / f"random_{explorer.seed}.safetensors"
    if not path.exists():
        points = random_points(explorer.config, SAMPLES, explorer.seed, first=2 * 10**6)
        drawn = draw_all(explorer.network, points, explorer.context.numerics)
        save_file({"features": torch.cat([features(part) for part in drawn])}, path)
    return load_file(path)["features"]


def outside(explorer: Explorer) -> list[Figure]:
    """Whether strangers are reported, and acquaintances are not."""
    other = read_model(SHIPPED / "gan_clipart_64.safetensors").gan
    assert other is not None
    strangers = explorer.run(
        "sample_latent", {"gan": other}, count=explorer.count, seed=explorer.seed
    )
    shares = []
    for pictures in (painted(explorer, explorer.count, 2), strangers["image"]):
        inputs = {"gan": explorer.gan, "image": pictures}
        table = explorer.run("invert", inputs, steps=0, seed=explorer.seed)["table"]
        strangeness = torch.tensor(table.columns["strangeness"])
        shares.append(float((strangeness > 1).float().mean()))
    return [
        Figure("share of painted pictures reported as outside", shares[0], high=0.1),
        Figure("share of clip art reported as outside", shares[1], low=0.5),
    ]


def directions(explorer: Explorer) -> list[Figure]:
    """Named directions, from the classes of the GAN, and from those of the classifier."""
    figures = []
    for name, classifier in (("the GAN", None), ("the classifier", explorer.classifier)):
        inputs = {"gan": explorer.gan, "classifier": classifier}
        found = explorer.run("latent_directions", inputs, kind="classes", seed=explorer.seed)
        rising, curves = [], []
        for number, named in enumerate(found["directions"].names):
            latents = _others(explorer, number)
            moving = {"gan": explorer.gan, "latent": latents, "directions": found["directions"]}
            moved = explorer.run(
                "move_latent",
                moving,
                direction=named,
                strength=SHARES[-1],
                columns=len(SHARES),
                both_ways=False,
            )["latent"]
            pictures = explorer.run("generate", {"gan": explorer.gan, "latent": moved})["image"]
            table = explorer.run(
                "classify", {"classifier": explorer.classifier, "image": pictures}
            )["table"]
            rows = torch.tensor(table.columns[f"p({named})"]).view(DRAWS, len(SHARES))
            steps = rows.diff(dim=1)
            rising.append((steps >= -SLACK).all(1) & (rows[:, -1] > rows[:, 0] + SLACK))
            curves.append(rows.mean(0))
        of_pictures = torch.stack(rising).float().mean(1)
        of_means = (torch.stack(curves).diff(dim=1) > -SLACK).all(1).float()
        figures += [
            Figure(f"classes of {name}: share of rising pictures", float(of_pictures.mean()), 0.8),
            Figure(f"classes of {name}: the least of a class", float(of_pictures.min())),
            Figure(f"classes of {name}: share of rising means", float(of_means.mean()), 0.8),
        ]
    return figures


def _others(explorer: Explorer, number: int) -> GanLatent:
    """Returns DRAWS latents of all classes but one."""
    count = 2 * DRAWS + len(explorer.config.classes)
    points = random_points(explorer.config, count, explorer.seed, first=3 * 10**6)
    rows = (points.classes.argmax(1) != number).nonzero()[:DRAWS, 0]
    return GanLatent(points.z[rows], points.classes[rows])


def painted(explorer: Explorer, count: int, number: int) -> Tensor:
    """Returns painted pictures (N, H, W, 3) in 0..1 of seeds that no model was trained with."""
    seed = 10_000 + 10 * explorer.seed + number
    art = explorer.run("procedural_art", {}, count=count, size=64, seed=seed)["dataset"]
    return art.images.float() / 255


def lite0() -> Any:
    """Returns a function from pictures (N, 3, H, W) in -1..1 to vectors of EfficientNet-Lite0."""
    classifier = NODES["pretrained_classifier"]({}, {"weights": None}, Context.quiet())[
        "classifier"
    ]
    network = classifier.features("cpu")
    numerics = Numerics.of("cpu")

    def vectors(pictures: Tensor) -> Tensor:
        found = []
        for part in pictures.split(COUNT):
            large = F.interpolate(part, (EDGE, EDGE), mode="bilinear")
            with torch.no_grad(), numerics.autocast():
                found.append(network.summaries(large).float())
        return torch.cat(found)

    return vectors


PARTS = {"own": own, "real": real, "outside": outside, "directions": directions}


def main() -> int:
    """Measures the chosen parts. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument("--count", type=int, default=COUNT, help="pictures; the bars are for 64")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--out", type=Path, default=Path("out/explore"))
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    explorer = Explorer(chosen.seed, chosen.out, chosen.count)
    print(f"seed {chosen.seed}, {explorer.context.numerics}, torch {torch.__version__}", flush=True)
    missed = 0
    for name in chosen.only.split(","):
        print(name)
        for figure in PARTS[name](explorer):
            print(figure, flush=True)
            missed += not figure.holds
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
