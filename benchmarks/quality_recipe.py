"""What benchmarks/quality.py trains on few pictures: the one place with the recipe.

The steps of a budget follow from CPU seconds that `--only pace` measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quality_judge import trained

BASE = "base/gan_clipart_64.safetensors"
MINUTES = (5, 10)  # budgets of one core
# Shares of all steps: the rates are constant in the first ones, and fall in a fifth as many more.
SETTLING = 1.2


@dataclass(frozen=True)
class Recipe:
    """How a GAN is trained on few pictures.

    title:       in the tables.
    pace:        CPU seconds of a step, evaluations and settling included.
    before:      CPU seconds before the first step, in which features may be trained.
    base:        file of the GAN to continue from; empty to start from nothing.
    pretrained:  whether `pretrained_classifier` is wired.
    settings:    other widgets of `train_gan`.
    """

    title: str
    pace: float
    before: float = 0.0
    base: str = BASE
    pretrained: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)

    def steps(self, minutes: int) -> int:
        """Returns the steps of a budget, without those of the settling that follow."""
        return max(10, int((60 * minutes - self.before) / self.pace / SETTLING) // 10 * 10)


OURS = Recipe("ours", pace=0.62)
NOT_PRETRAINED = Recipe("without pretrained features", pace=0.55, pretrained=False)
MINE_ONLY = Recipe("mine_only", pace=0.6, before=30, base="", pretrained=False)
RECIPES = (OURS, NOT_PRETRAINED, MINE_ONLY)


def training(recipe: Recipe, folder: Path, steps: int, seed: int) -> dict[str, Any]:
    """Returns the nodes of a training on a folder of pictures; `gan` is the last one."""
    wires = {}
    nodes: dict[str, Any] = {
        "art": {"node": "load_dataset", "with": {"folder": str(folder), "size": 64}}
    }
    if recipe.base:
        nodes["base"] = {"node": "load_model", "with": {"path": recipe.base}}
        wires["start"] = "base.gan"
    if recipe.pretrained:
        nodes["known"] = {"node": "pretrained_classifier"}
        wires["classifier"] = "known"
    gan = trained("gan", steps, seed, **recipe.settings)
    return nodes | {"gan": {**gan, "from": gan["from"] | wires}}


def drawn_by(gan: str, count: int, truncation: float = 1.0) -> dict[str, Any]:
    """Returns a node that draws pictures with the GAN of a node."""
    values = {"count": count, "seed": 5, "truncation": truncation}
    return {"node": "sample_latent", "from": {"gan": f"{gan}.gan"}, "with": values}
