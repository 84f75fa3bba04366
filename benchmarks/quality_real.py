"""Photographs for benchmarks/quality.py: patches of those in the wheel of scikit-image.

All eight are CC0 or in the public domain, according to `skimage/data/_fetchers.py`. The patches are
cut from the installed package and written to the out folder; this repository contains none.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from quality_judge import Judge, trained
from quality_parts import Row, psnr, through_vae
from quality_runs import Bench

from artgraph.models.distances import novelty

PHOTOGRAPHS = {
    "brick": "brick.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
    "stars": "hubble_deep_field.jpg",
}
EDGE = 64  # side of a patch in pixels
TRAINED, HELD_OUT = 60, 32  # patches of each photograph
CNN_STEPS, VAE_STEPS, GAN_STEPS = 300, 600, 300


def photograph(name: str) -> Path:
    """Returns the file of a photograph in the installed package."""
    package = importlib.util.find_spec("skimage")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("scikit-image is not installed - install the extra `bench`")
    return Path(package.submodule_search_locations[0]) / "data" / PHOTOGRAPHS[name]


def cut(folder: Path, seed: int = 17) -> None:
    """Write random square patches of each photograph into train/ and test/.

    Their side is a quarter of the photograph's shorter side. The patches in train/ are from its
    left two thirds, those in test/ from its right third.
    """
    for number, name in enumerate(PHOTOGRAPHS):
        random = np.random.Generator(np.random.Philox(key=(seed, number)))
        with Image.open(photograph(name)) as file:
            picture = file.convert("RGB")
        width, height = picture.size
        edge, border = min(width, height) // 4, width * 2 // 3
        for part, count, left, right in (
            ("train", TRAINED, 0, border),
            ("test", HELD_OUT, border, width),
        ):
            place = folder / part / name
            place.mkdir(parents=True, exist_ok=True)
            for index in range(count):
                x = int(random.integers(left, right - edge + 1))
                y = int(random.integers(0, height - edge + 1))
                patch = picture.crop((x, y, x + edge, y + edge))
                patch.resize((EDGE, EDGE), Image.Resampling.LANCZOS).save(place / f"{index:03}.png")


def real(bench: Bench, seed: int) -> Iterator[Row]:
    """Eight photographs, 60 patches of 64 px of each, compared with others of the same eight.

    The GAN continues from the shipped one. Its pictures are judged by the CNN of the same seed.
    """
    cut(bench.out / "real")
    nodes = _nodes(seed, len(PHOTOGRAPHS) * HELD_OUT)
    results = bench.run(nodes, ["judge.classifier", "report.table", "others", "art"])
    table = results.values["report.table"].columns
    accuracy = dict(zip(table["metric"], table["value"], strict=True))["accuracy"]
    figures = _figures(accuracy=accuracy, seconds=results.seconds_of("judge"))
    yield Row(f"CNN, {CNN_STEPS} steps", figures)
    judge = Judge(results.values["judge.classifier"], results.values["others"], bench.numerics)
    learned, labels = results.values["art"].images, results.values["others"].labels
    bench.sheet(f"real_{seed}", learned[:: max(1, len(learned) // 32)][:32], 4)

    results = bench.run(nodes, ["held_out.image", "vae_again"])
    before, after = results.values["held_out.image"], results.values["vae_again"]
    bench.sheet(f"real_vae_{seed}", torch.cat([before[:16], after[:16]]), 16)
    figures = _figures(PSNR=psnr(before, after), seconds=results.seconds_of("vae"))
    yield Row(f"VAE, {VAE_STEPS} steps", figures)

    results = bench.run(nodes, ["drawn.image"])
    drawn = results.values["drawn.image"]
    bench.sheet(f"real_gan_{seed}", drawn[:64], 8)
    vectors = [judge.vectors(images) for images in (drawn, learned, before)]
    share = judge.recognised(drawn, torch.arange(len(drawn)) % int(labels.max() + 1))
    figures = _figures(
        recognised=share, novelty=novelty(*vectors), seconds=results.seconds_of("gan")
    )
    yield Row(f"GAN, from base/gan_64, {GAN_STEPS} steps", figures)


def _nodes(seed: int, count: int) -> dict[str, Any]:
    return {
        "art": _pictures("real/train"),
        "others": _pictures("real/test"),
        "held_out": {
            "node": "dataset_images",
            "from": {"dataset": "others"},
            "with": {"count": count},
        },
        "judge": trained("classifier", CNN_STEPS, seed),
        "report": {
            "node": "evaluate_classifier",
            "from": {"classifier": "judge.classifier", "dataset": "others"},
        },
        **through_vae("vae", trained("vae", VAE_STEPS, seed)),
        "base": {"node": "load_model", "with": {"path": "base/gan_64.safetensors"}},
        "gan": trained("gan", GAN_STEPS, seed, start="base.gan"),
        "drawn": {
            "node": "sample_latent",
            "from": {"gan": "gan.gan"},
            "with": {"count": count, "seed": seed},
        },
    }


def _pictures(folder: str) -> dict[str, Any]:
    return {"node": "load_dataset", "with": {"folder": folder, "size": EDGE}}


def _figures(**figures: float) -> dict[str, float]:
    names = ("accuracy", "PSNR", "recognised", "novelty", "seconds")
    return {name: figures.get(name, math.nan) for name in names}
