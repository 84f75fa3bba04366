"""Networks compiled for training: the same learning, in code of this machine."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from classifying import patterns, trained
from shelf import PLAIN, Shelf

from artgraph.contract.errors import GraphError
from artgraph.models.blocks import blank
from artgraph.models.classifier.networks import ClassifierConfig, make_classifier
from artgraph.models.gan.api import GanConfig, make_generator
from artgraph.models.gan.augment import Augmentation
from artgraph.models.gan.energy import Energies, draw_places
from artgraph.models.gan.method import GanSettings, GanSetup
from artgraph.models.gan.projected import ProjectedMethod
from artgraph.models.training.numerics import Numerics
from artgraph.models.training.rng import rng
from artgraph.runner.run import device_option
from artgraph.runner.run.device_option import numerics_for

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
COMPILED = replace(PLAIN, compiled=True)


@pytest.mark.skipif(device_option._compiler() is None, reason="no C++ compiler")
def test_a_compiled_training_learns_the_same_and_goes_on_bit_for_bit():
    images, labels = patterns(24, 16, seed=2)
    settings = {"method": "classic", "batch": 8}
    torch._dynamo.utils.counters.clear()
    straight = trained(images, labels, numerics=COMPILED, **settings)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    shelf = Shelf()
    trained(images, labels, numerics=COMPILED, steps=2, shelf=shelf, **settings)
    resumed = trained(images, labels, numerics=COMPILED, shelf=shelf, **settings)
    assert resumed.curves == straight.curves
    assert all(torch.equal(resumed.state[name], value) for name, value in straight.state.items())
    plain = trained(images, labels, **settings)
    for name, value in plain.state.items():
        torch.testing.assert_close(straight.state[name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_like_blocks_are_compiled_alike_and_the_rest_is_not():
    network = COMPILED.compile(blank(lambda: make_generator(GanConfig.default("r3", 32, ("a",)))))
    compiled = {name for name, m in network.named_modules() if m._compiled_call_impl is not None}
    assert compiled == {"embedding", *(f"levels.{level}.0" for level in range(3))}
    config = ClassifierConfig("classic", 32, ("a", "b"))
    plain, whole = (n.compile(blank(lambda: make_classifier(config))) for n in (PLAIN, COMPILED))
    assert whole._compiled_call_impl is not None, "without blocks, as a whole"
    assert plain._compiled_call_impl is None


def test_a_training_that_cannot_be_compiled_continues_with_a_warning(monkeypatch, tmp_path):
    images, labels = patterns(24, 16, seed=2)
    settings = {"method": "classic", "batch": 8}
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch._dynamo.reset()
    warnings = []
    failed = trained(images, labels, numerics=COMPILED, warn=warnings.append, **settings)
    (warning,) = warnings
    assert warning.startswith("the training was not compiled (InductorError: InvalidCxxCompiler")
    assert warning.endswith(") - remove +compile from the device")
    plain = trained(images, labels, **settings)
    assert failed.curves == plain.curves
    assert all(torch.equal(failed.state[name], value) for name, value in plain.state.items())


def test_the_energies_are_one_graph():
    """What runs between two graphs is not compiled."""
    maps = [torch.rand(8, 4, edge, edge) for edge in (16, 8)]
    pictures, places = torch.rand(8, 3, 32, 32), draw_places([16, 8, 8], rng(1))
    explained = torch._dynamo.explain(Energies())(pictures, maps, 1 - pictures, maps, places)
    assert (explained.graph_count, explained.graph_break_count) == (1, 0)


def test_compiled_results_have_keys_of_their_own():
    assert COMPILED.name() != PLAIN.name()
    cuda = Numerics("cuda", "bfloat16", compiled=True)
    assert cuda.name() == "cuda/bfloat16/ieee/compiled"
    assert replace(cuda, graphs=True).name() == cuda.name(), "graphs do not change results"
    assert replace(cuda, graphs=True).option() == "cuda+compile+graphs"


def test_the_device_says_whether_to_compile(monkeypatch):
    monkeypatch.setattr(device_option, "_compiler", lambda: "/usr/bin/g++")
    assert numerics_for("cpu+compile") == replace(numerics_for("cpu"), compiled=True)
    assert not numerics_for("cpu").compiled
    assert numerics_for("cpu+compile").option() == "cpu+compile"
    monkeypatch.setattr(device_option, "_compiler", lambda: None)
    with pytest.raises(GraphError, match=r"cpu\+compile: there is no C\+\+ compiler - install"):
        numerics_for("cpu+compile")
    for slip in ("cpu+", "cpu+fast", "+compile", "tpu+compile", "cpu+compile+compile", "cuda++"):
        with pytest.raises(GraphError, match="unknown device - use auto"):
            numerics_for(slip)


@pytest.mark.gpu
def test_the_energies_are_compiled_on_a_gpu_alone(cuda):
    """They launch a third of a step's kernels; on the processor, results exist from before."""
    config = GanConfig.default("projected", 32, ("a",), None)
    compiled = {}
    for numerics in (COMPILED, replace(cuda, compiled=True)):
        augmentation = Augmentation("off", 8, 1, numerics.device)
        setup = GanSetup(config, GanSettings(seed=1), numerics, augmentation)
        energies = ProjectedMethod(setup, None).networks["energies"]
        compiled[numerics.device] = energies._compiled_call_impl is not None
    assert compiled == {"cpu": False, cuda.device: True}


@pytest.mark.gpu
def test_torch_does_not_advise_tf32(cuda):
    """Results would differ with it. Any warning is an error in these tests."""
    replace(cuda, compiled=True).compile(torch.nn.Linear(4, 4))
    torch._inductor.compile_fx._warn_tf32_disabled.__wrapped__()
