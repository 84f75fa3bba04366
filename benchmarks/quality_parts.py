"""The parts of benchmarks/quality.py: what is trained, compared with what, with which bars."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from quality_judge import COMPARED, NINTH, REAL, art, judge_of, trained
from quality_runs import Bench
from torch import Tensor

from artgraph.models.distances import novelty


@dataclass(frozen=True)
class Row:
    """The figures of one model and seed; `bars` are their lowest and highest accepted values.

    `mean_bars` are those of the means over all seeds.
    """

    model: str
    figures: Mapping[str, float]
    bars: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    mean_bars: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def missed(self) -> list[str]:
        """Names of the figures that are not within their bars or are NaN."""
        return [n for n, (low, high) in self.bars.items() if not low <= self.figures[n] <= high]


def gan(bench: Bench, seed: int) -> Iterator[Row]:
    """32 px, 1,000 steps on 4,096 pictures; only the projected GAN uses classes."""
    steps = 1000
    nodes = {
        "art": art(4096, 32, seed + 1),
        "ours": trained("gan", steps, seed),
        "classic": trained("gan", steps, seed, method="classic"),
        "plain": {
            "node": "plain_dcgan",
            "from": {"dataset": "art"},
            "with": {"steps": steps, "count": COMPARED, "seed": seed},
        },
        **{
            f"{name}_drawn": {
                "node": "sample_latent",
                "from": {"gan": f"{name}.gan"},
                "with": {"count": COMPARED, "seed": seed},
            }
            for name in ("ours", "classic")
        },
    }
    judge = judge_of(bench, 32)
    bars = {
        "distance": (0, 6),
        "recognised": (0.95, math.inf),
        "least diverse": (0.6, 1.7),
        "most diverse": (0.6, 1.7),
    }
    for name in ("ours", "classic", "plain"):
        drawn = "plain" if name == "plain" else f"{name}_drawn.image"
        results = bench.run(nodes, [drawn])
        images = results.values[drawn]
        bench.sheet(f"gan_{name}_{seed}", images[:32], 8)
        figures = judge.figures(images, with_classes=name == "ours")
        title = {"ours": "projected", "classic": "classic", "plain": "plain DCGAN"}[name]
        yield Row(
            title, figures | {"seconds": results.seconds_of(name)}, bars if name == "ours" else {}
        )


def vae(bench: Bench, seed: int) -> Iterator[Row]:
    """64 px, on 2,048 pictures; PSNR on 512 others: of all errors, and the mean of the pictures."""
    until_400: dict[str, float] = {}
    for steps, bar in ((400, 17.5), (600, 19.0)):
        nodes: dict[str, Any] = {
            "art": art(2048, 64, seed + 1),
            "others": art(512, 64, REAL),
            "held_out": {"node": "dataset_images", "from": {"dataset": "others"}},
            "plain_again": {
                "node": "plain_vae",
                "from": {"dataset": "art", "image": "held_out.image"},
                "with": {"steps": steps, "seed": seed},
            },
            **through_vae("residual", trained("vae", steps, seed)),
            **through_vae("classic", trained("vae", steps, seed, method="classic")),
        }
        nodes["held_out"]["with"] = {"count": 512}
        for name in ("residual", "classic", "plain"):
            results = bench.run(nodes, ["held_out.image", f"{name}_again"])
            real, drawn = results.values["held_out.image"], results.values[f"{name}_again"]
            bench.sheet(f"vae_{name}_{steps}_{seed}", torch.cat([real[:16], drawn[:16]]), 16)
            if name == "plain":
                seconds = results.seconds_of("plain_again")
            elif steps == 400:
                seconds = until_400[name] = results.seconds_of(name)
            else:  # resumed from step 400
                seconds = until_400[name] + results.seconds_of(name, since=400)
            yield Row(
                f"{name}, {steps} steps",
                {
                    "PSNR": psnr(real, drawn),
                    "mean PSNR": mean_psnr(real, drawn),
                    "seconds": seconds,
                },
                {"PSNR": (bar, math.inf)} if name == "residual" else {},
            )


def cnn(bench: Bench, seed: int) -> Iterator[Row]:
    """64 px, 16 pictures of each style, 128 steps; tested on 1,024 others."""
    for title, method in (("residual", "residual"), ("classic", "classic")):
        training = trained("classifier", 128, seed, method=method, held_out=0)
        nodes = {
            "art": art(128, 64, seed + 1),
            "others": art(COMPARED, 64, REAL),
            "ours": training,
            "report": {
                "node": "evaluate_classifier",
                "from": {"classifier": "ours.classifier", "dataset": "others"},
            },
        }
        results = bench.run(nodes, ["report.table"])
        table = results.values["report.table"].columns
        values = dict(zip(table["metric"], table["value"], strict=True))
        figures = {"accuracy": values["accuracy"], "seconds": results.seconds_of("ours")}
        yield Row(title, figures, {"accuracy": (0.95, math.inf)} if method == "residual" else {})


def base(bench: Bench, seed: int) -> Iterator[Row]:
    """The shipped GAN of 64 px, loaded by `load_model`."""
    nodes = {
        "model": {"node": "load_model", "with": {"path": "base/gan_64.safetensors"}},
        "drawn": {
            "node": "sample_latent",
            "from": {"gan": "model.gan"},
            "with": {"count": COMPARED, "seed": seed},
        },
    }
    images = bench.run(nodes, ["drawn.image"]).values["drawn.image"]
    bench.sheet(f"base_{seed}", images[:64], 8)
    yield Row("base/gan_64", judge_of(bench, 64).figures(images))


def finetune(bench: Bench, seed: int) -> Iterator[Row]:
    """The shipped graph: 60 pictures of a ninth style, from the base GAN, within 3 minutes.

    novelty: distance to the nearest training picture, divided by that of new pictures of the style.
    """
    judge = judge_of(bench, 64)
    results = bench.run_shipped(
        "finetune",
        [f"knobs.seed={seed}"],
        ["pictures", "drawn.image", "dreams_grid", "nearest_grid"],
    )
    drawn, learned = results.values["drawn.image"], results.values["pictures"].images
    fresh = bench.run({"fresh": art(128, 64, REAL, NINTH)}, ["fresh"]).values["fresh"].images
    vectors = [judge.vectors(images) for images in (drawn, learned, fresh)]
    for name in ("dreams", "nearest"):
        bench.sheet(f"finetune_{name}_{seed}", results.values[f"{name}_grid"], 1)
    yield Row(
        "from base/gan_64",
        {
            "recognised": judge.share(drawn, NINTH),
            "novelty": novelty(*vectors),
            "seconds": results.seconds_of("gan"),
        },
        {"recognised": (0.95, math.inf), "novelty": (0.5, math.inf), "seconds": (0, 180)},
    )


def through_vae(name: str, training: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the nodes of a VAE, and those that reconstruct the node `held_out` with it."""
    return {
        name: training,
        f"{name}_latents": {
            "node": "vae_encode",
            "from": {"vae": f"{name}.vae", "image": "held_out.image"},
        },
        f"{name}_again": {
            "node": "vae_decode",
            "from": {"vae": f"{name}.vae", "latent": f"{name}_latents"},
        },
    }


def psnr(real: Tensor, drawn: Tensor) -> float:
    """Returns the peak signal-to-noise ratio in dB of pictures in 0..1, all as one signal.

    The mean over the pictures, which `evaluate_vae` reports, is higher.
    """
    return -10 * math.log10(float((real - drawn).double().square().mean()))


def mean_psnr(real: Tensor, drawn: Tensor) -> float:
    """Returns the mean of the pictures' signal-to-noise ratios in dB."""
    return sum(map(psnr, real, drawn)) / len(real)
