"""Nodes that draw many pictures report their progress, so that they can be cancelled."""

from dataclasses import replace

import pytest
import torch

from artgraph.contract.context import Context
from artgraph.contract.errors import Cancelled
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.kinds import VaeLatent
from artgraph.nodes.model_files import load_model
from artgraph.runner.graph.folders import SHIPPED

REGISTRY = load_nodes()
BASE = SHIPPED / "base"


@pytest.fixture(scope="module")
def models():
    def model(name):
        return load_model(path=BASE / name, ctx=Context.quiet())

    return {
        "gan": model("gan_64.safetensors").gan,
        "vae": model("vae_64.safetensors").vae,
        "classifier": model("classifier_64.safetensors").classifier,
    }


CASES = {
    "sample_latent": (("gan",), {"count": 128}),
    "vae_encode": (("vae", "image"), {}),
    "vae_decode": (("vae", "latent"), {}),
    "classify": (("classifier", "image"), {}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_node_that_draws_stops_within_a_part(name, models):
    inputs, widgets = CASES[name]
    vae = models["vae"]
    given = models | {
        "image": torch.zeros(300, 64, 64, 3),
        "latent": VaeLatent(torch.zeros(128, *vae.latent_shape)),
    }
    reached = []

    def progress(done, total, preview=None):
        reached.append((done, total))
        raise Cancelled

    spec = REGISTRY[name]
    values = spec.check(widgets)[0]
    with pytest.raises(Cancelled):
        spec({i: given[i] for i in inputs}, values, replace(Context.quiet(), progress=progress))
    ((done, total),) = reached
    assert 0 <= done < total
