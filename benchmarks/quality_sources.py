"""Other real pictures for benchmarks/quality.py: clip art, emoji from SVG, and photographs.

The clip art is Debian's openclipart-png (public domain), the emoji are OpenMoji (CC BY-SA 4.0), the
photographs are those of quality_real.py. All are fetched when they are needed
(quality_packages.py); this repository contains none.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from quality_imagenet import Comparison, vectors
from quality_judge import as_bytes, trained
from quality_packages import clip_art, in_front_of_white, openmoji, shuffled
from quality_parts import Row, psnr, through_vae
from quality_real import HELD_OUT, TRAINED, cut
from quality_recipe import MINE_ONLY, MINUTES, NOT_PRETRAINED, OURS, Recipe, drawn_by, training
from quality_runs import Bench

KINDS = ("animals", "food", "office", "people", "plants", "recreation", "tools", "transportation")
GROUPS = ("animals-nature", "food-drink", "objects", "symbols", "travel-places")
RENDERED = 128  # edge in pixels to which SVG is rendered; the models see 64
MOST_PIXELS = 4_000_000  # larger clip art is left out: reading it takes longer than the training
CNN_STEPS, TUNING_STEPS, VAE_STEPS = 300, 60, 200
DRAWN, SHOWN = 400, 48  # pictures that the judge compares, and those on a sheet
FIGURES = ("accuracy", "PSNR", "distance", "recall", "novelty", "by chance from", "seconds")
# The base of clip art has seen the pictures of openclipart-png, also the held-out ones.
NO_CLIP_ART = "base/gan_64.safetensors"


def sources(bench: Bench, seed: int) -> Iterator[Row]:
    """Clip art of eight kinds, OpenMoji of five, eight photographs; 60 pictures of each, 64 px.

    32 others of each kind are unseen (of a photograph: from its right third). The GANs are those of
    `few`, after 5 minutes of one core. Distance, recall and novelty are the judge's, beside the
    unseen pictures; the row "real" has those of the learned ones.
    """
    for title in ("clip art", "OpenMoji", "photographs"):
        folder = bench.out / "sources" / f"{title}_{seed}".replace(" ", "_")
        if title == "photographs":
            shutil.rmtree(folder, ignore_errors=True)
            cut(folder, seed)
        elif title == "clip art":
            write(clip_art(bench.packages, KINDS, MOST_PIXELS), folder, seed)
        else:
            rendered = bench.out / "openmoji_rendered"
            write(openmoji(bench.packages, GROUPS, RENDERED, rendered), folder, seed)
        base = NO_CLIP_ART if title == "clip art" else OURS.base
        for row in _rows(bench, folder, base, seed):
            yield replace(row, model=f"{title}: {row.model}")


def _rows(bench: Bench, folder: Path, base: str, seed: int) -> Iterator[Row]:
    nodes = _nodes(folder, seed)
    for model, title in (
        ("own", f"CNN, {CNN_STEPS} steps"),
        ("chosen", f"CNN, pretrained, {TUNING_STEPS} steps"),
    ):
        results = bench.run(nodes, [f"{model}_report.table"])
        table = results.values[f"{model}_report.table"].columns
        accuracy = dict(zip(table["metric"], table["value"], strict=True))["accuracy"]
        yield _row(title, accuracy=accuracy, seconds=results.seconds_of(model))

    results = bench.run(nodes, ["held_out.image", "vae_again", "learned.image"])
    unseen, again = results.values["held_out.image"], results.values["vae_again"]
    name = f"sources/{folder.name}"
    bench.sheet(f"{name}_vae", torch.cat([unseen[:16], again[:16]]), 16)
    figures = {"PSNR": psnr(unseen, again), "seconds": results.seconds_of("vae")}
    yield _row(f"VAE, {VAE_STEPS} steps", **figures)

    learned = results.values["learned.image"]
    bench.sheet(f"{name}_learned", as_bytes(learned[:SHOWN]), 12)
    judged = [vectors(images, bench.judged) for images in (learned, unseen)]
    comparison = Comparison(*judged)
    real = comparison.figures(judged[0])
    yield _row("real", distance=real["distance"], recall=real["recall"])
    for recipe in (replace(OURS, base=base), replace(NOT_PRETRAINED, base=base), MINE_ONLY):
        yield _gan(bench, folder, recipe, comparison, seed)


def _gan(bench: Bench, folder: Path, recipe: Recipe, comparison: Comparison, seed: int) -> Row:
    steps = bench.trial or recipe.steps(MINUTES[0])
    nodes = training(recipe, folder / "train", steps, seed)
    nodes["drawn"] = drawn_by("gan", DRAWN)
    results = bench.run(nodes, ["drawn.image"])
    images = as_bytes(results.values["drawn.image"])
    bench.sheet(f"sources/{folder.name}_{recipe.title.replace(' ', '_')}", images[:SHOWN], 12)
    figures = comparison.figures(vectors(images, bench.judged))
    return _row(f"GAN, {recipe.title}", **figures, seconds=results.seconds_of("gan"))


def _nodes(folder: Path, seed: int) -> dict[str, Any]:
    def pictures(part: str) -> dict[str, Any]:
        return {"node": "load_dataset", "with": {"folder": str(folder / part), "size": 64}}

    kinds = len([*(folder / "test").iterdir()])
    nodes: dict[str, Any] = {
        "art": pictures("train"),
        "others": pictures("test"),
        "known": {"node": "pretrained_classifier"},
        "own": trained("classifier", CNN_STEPS, seed),
        "chosen": trained("classifier", TUNING_STEPS, seed, start="known", batch=32),
        **through_vae("vae", trained("vae", VAE_STEPS, seed)),
    }
    for name, dataset, count in (
        ("held_out", "others", kinds * HELD_OUT),
        ("learned", "art", kinds * TRAINED),
    ):
        nodes[name] = {
            "node": "dataset_images",
            "from": {"dataset": dataset},
            "with": {"count": count},
        }
    for model in ("own", "chosen"):
        nodes[f"{model}_report"] = {
            "node": "evaluate_classifier",
            "from": {"classifier": f"{model}.classifier", "dataset": "others"},
        }
    return nodes


def _row(model: str, **figures: float) -> Row:
    return Row(model, {name: figures.get(name, math.nan) for name in FIGURES})


def write(files: Mapping[str, Sequence[Path]], folder: Path, seed: int) -> None:
    """Write random pictures of each kind into train/ and test/, without a file twice."""
    shutil.rmtree(folder, ignore_errors=True)
    for kind, given in shuffled(files, seed):
        if len(given) < TRAINED + HELD_OUT:
            raise SystemExit(f"there are only {len(given)} pictures of {kind}")
        for place, file in enumerate(given[: TRAINED + HELD_OUT]):
            target = folder / ("train" if place < TRAINED else "test") / kind
            target.mkdir(parents=True, exist_ok=True)
            in_front_of_white(file).save(target / f"{place:03}.png")
