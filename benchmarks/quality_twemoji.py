"""Twemoji for benchmarks/quality.py: nine categories of small drawings, of which few are learned.

The pictures, 64 px, are in an npm package (quality_packages.py); this repository contains none.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import quality_packages
from quality_judge import trained
from quality_parts import Row
from quality_runs import Bench

OWN_STEPS, BASE_STEPS, TUNING_STEPS = 1000, 2000, 60
BASE = "base/classifier_64.safetensors"
# Number of learned pictures of each category, and the lowest mean accuracies: without pretrained
# features (from the shipped classifier, which knows painted styles only; 0: not trained), and with.
SIZES = ((16, 0.57, 0.63), (80, 0.0, 0.73))


def divide(categories: dict[str, list[Path]], folder: Path, count: int, seed: int) -> None:
    """Copy `count` random pictures of each category into train/, and all others into test/."""
    shutil.rmtree(folder, ignore_errors=True)
    for category, pictures in quality_packages.shuffled(categories, seed):
        for place, file in enumerate(pictures):
            target = folder / ("train" if place < count else "test") / category
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)


def twemoji(bench: Bench, seed: int) -> Iterator[Row]:
    """Nine categories of Twemoji, 64 px; few pictures of each are learned, all others unseen."""
    categories = quality_packages.twemoji(bench.packages)
    for count, base_bar, pretrained_bar in SIZES:
        name = f"twemoji_{count}_{seed}"
        divide(categories, bench.out / name, count, seed)
        nodes: dict[str, Any] = {
            "art": {"node": "load_dataset", "with": {"folder": f"{name}/train", "size": 64}},
            "others": {"node": "load_dataset", "with": {"folder": f"{name}/test", "size": 64}},
            "known": {"node": "pretrained_classifier"},
            "shipped": {"node": "load_model", "with": {"path": BASE}},
            "own": trained("classifier", OWN_STEPS, seed, held_out=0.0),
            "based": trained(
                "classifier", BASE_STEPS, seed, start="shipped.classifier", held_out=0.0
            ),
            # Without held-out pictures, the probe is the result. With some, the better one is.
            "probe": trained("classifier", 1, seed, start="known", held_out=0.0, batch=16),
            "chosen": trained("classifier", TUNING_STEPS, seed, start="known", batch=32),
        }
        rows = [
            ("probe", "pretrained, probe", pretrained_bar),
            ("chosen", f"pretrained, {TUNING_STEPS} steps, a tenth held out", 0.0),
        ]
        if base_bar:
            rows += [
                ("based", f"from the shipped classifier, {BASE_STEPS} steps", base_bar),
                ("own", f"from scratch, {OWN_STEPS} steps", 0.0),
            ]
        for model, title, bar in rows:
            nodes[f"{model}_report"] = {
                "node": "evaluate_classifier",
                "from": {"classifier": f"{model}.classifier", "dataset": "others"},
            }
            results = bench.run(nodes, [f"{model}_report.table"])
            table = results.values[f"{model}_report.table"].columns
            accuracy = dict(zip(table["metric"], table["value"], strict=True))["accuracy"]
            figures = {"accuracy": accuracy, "seconds": results.seconds_of(model)}
            bars = {"accuracy": (bar, math.inf)} if bar else {}
            yield Row(f"{count} each, {title}", figures, mean_bars=bars)
