"""Small classifiers for tests: patterns to learn, and a training without a runner."""

from __future__ import annotations

import torch

from artgraph.models.blocks import blank
from artgraph.models.classifier import make_classifier
from artgraph.models.classifier_training import Recipe, train_classifier
from artgraph.models.numerics import Numerics
from artgraph.models.training import State, generator

PLAIN = Numerics("cpu", "float32", 1)
NAMES = ("rows", "columns", "checks")


class Shelf:
    def __init__(self) -> None:
        self.states: dict[int, State] = {}

    def load(self, at_most: int) -> tuple[int, State] | None:
        step = max((step for step in self.states if step <= at_most), default=None)
        return None if step is None else (step, self.states[step])

    def save(self, step: int, state: State) -> None:
        row_major = torch.contiguous_format
        self.states[step] = {k: v.detach().clone(memory_format=row_major) for k, v in state.items()}


def silent(done, total, preview=None):
    if preview is not None and done == 1:
        assert preview().dtype == torch.uint8


def patterns(count: int, size: int, seed: int, noise: int = 20):
    """Stripes this way, that way, and both, in noise."""
    random = generator(seed)
    labels = torch.arange(count) % 3
    wave = 60 * torch.sin(torch.arange(size) * 2.0)
    rows, columns = wave[:, None].expand(size, size), wave[None].expand(size, size)
    clean = torch.stack([rows, columns, (rows + columns) / 2])[labels][..., None] + 128
    noisy = clean + noise * torch.randn(count, size, size, 3, generator=random)
    return noisy.clamp(0, 255).to(torch.uint8), labels


def trained(
    images, labels, names=NAMES, *, batch=16, augment=True, seed=1, numerics=PLAIN, **settings
):
    defaults = {"steps": 4, "held_out": 0.0, "checkpoint": Shelf(), "report": silent}
    recipe = Recipe(batch, augment, seed, numerics)
    return train_classifier(images, labels, names, recipe, **(defaults | settings))


def network_of(done):
    network = blank(lambda: make_classifier(done.config))
    network.load_state_dict(done.state)
    return network
