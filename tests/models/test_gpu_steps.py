"""Each step of a training does the same operations on a GPU, with the same numbers from Python.

That is what a CUDA graph of a step needs: whatever changes from step to step is a tensor.
"""

from __future__ import annotations

import pytest
import torch
from shelf import training_run
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from artgraph.models.blocks import blank, initialise
from artgraph.models.classifier.trainee import ClassifierSettings, train_classifier
from artgraph.models.gan import projected_features
from artgraph.models.gan.api import GanSettings, train_gan
from artgraph.models.training.rng import rng
from artgraph.models.vae.api import VaeConfig, VaeSettings, make_vae, train_vae
from artgraph.models.vae.prior import PriorSettings, train_prior

pytestmark = pytest.mark.gpu

CLASSES = ("a", "b", "c")
IMAGES = torch.randint(0, 256, (24, 32, 32, 3), dtype=torch.uint8, generator=rng(1))
LABELS = torch.arange(24) % 3
WATCHED = range(3, 6)  # numbers of the compared steps, from 1


class Operations(TorchDispatchMode):
    """Records the operations of each step on GPU tensors; `progress` separates the steps."""

    def __init__(self):
        super().__init__()
        self.steps = [[]]

    def progress(self, done, total, preview=None):
        if preview is not None:
            self.steps.append([])

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        leaves = tree_leaves((args, kwargs))
        tensors = [x for x in leaves if isinstance(x, torch.Tensor)]
        if any(x.is_cuda for x in (*tensors, *tree_leaves(result)) if isinstance(x, torch.Tensor)):
            shapes = [(*x.shape, x.dtype, x.device.type) for x in tensors]
            constants = [repr(x) for x in leaves if not isinstance(x, torch.Tensor)]
            self.steps[-1].append((str(function), shapes, constants))
        return result


def gan(run, **settings):
    settings = GanSettings(1, batch=8, augment="on", **settings)
    train_gan(IMAGES, LABELS, CLASSES, settings, run, steps=6)


def vae(run, **settings):
    train_vae(IMAGES, VaeSettings(1, batch=8, **settings), run, steps=6)


def prior(run):
    config = VaeConfig("residual", 32, 16)
    network = blank(lambda: make_vae(config))
    initialise(network, rng(1))
    latents = torch.randn(24, *config.latent_shape, generator=rng(2)).half()
    settings, network = PriorSettings(1, 8, width=32, depth=2), run.numerics.place(network)
    train_prior(latents, LABELS, CLASSES, settings, run, vae=network, steps=6)


def classifier(run):
    train_classifier(IMAGES, LABELS, CLASSES, ClassifierSettings(1, batch=8), run, steps=6)


TRAININGS = {
    "projected": lambda run: gan(run),
    "r3": lambda run: gan(run, method="r3"),
    "classic": lambda run: gan(run, method="classic"),
    "kl": lambda run: vae(run),
    "fsq": lambda run: vae(run, quantiser="fsq"),
    "adversarial": lambda run: vae(run, sharpen="adversarial"),
    "prior": prior,
    "classifier": classifier,
}


@pytest.mark.parametrize("name", TRAININGS)
def test_steps_do_the_same_operations_after_a_single_copy(name, cuda, monkeypatch):
    monkeypatch.setattr(projected_features, "STEPS", 2)
    with Operations() as recorded:
        TRAININGS[name](training_run(numerics=cuda, progress=recorded.progress))
    first, *others = (recorded.steps[step - 1] for step in WATCHED)
    assert len(first) > 50
    for other in others:
        assert other == first
    copies = [name for name, shapes, constants in first if "cpu" in {shape[-1] for shape in shapes}]
    assert copies == ["aten._to_copy.default"]
