"""The categories of nodes: what an artist wants to do, in the order of the work."""

from __future__ import annotations

from collections.abc import Iterable

from .spec import NodeSpec

CATEGORIES = {
    "prepare": "load pictures, or paint some, and make good datasets of them",
    "train": "train models on datasets",
    "draw": "load a trained model, and draw new pictures with it",
    "explore": "find, vary and mix latents, and walk between them",
    "bend": "change a trained model without training",
    "compose": "put several pictures together",
    "repaint": "paint pictures anew, in the manner of others",
    "retouch": "change pictures between other nodes: cut, masks, tones, colours, surface",
    "understand": "find out what pictures show",
    "judge": "look at results, and measure how good they are",
    "save": "write files",
    "calculate": "numbers, texts and tables for other nodes",
}


def by_category(specs: Iterable[NodeSpec]) -> dict[str, list[NodeSpec]]:
    """Returns nodes by category, by id within each; categories of other packs are last."""
    order = list(CATEGORIES)

    def place(spec: NodeSpec) -> tuple[int, str, str]:
        known = spec.category in CATEGORIES
        return order.index(spec.category) if known else len(order), spec.category, spec.id

    groups: dict[str, list[NodeSpec]] = {}
    for spec in sorted(specs, key=place):
        groups.setdefault(spec.category, []).append(spec)
    return groups
