"""What benchmarks/quality.py makes of figures, and the plain models that it compares with."""

import math
import sys
from pathlib import Path

import pytest
import torch

from artgraph.nodes.art import procedural_art
from artgraph.nodes.context import Context
from artgraph.nodes.contract import REGISTRY

CTX = Context.quiet()


@pytest.fixture
def benchmarks(monkeypatch):
    """The folder of the benchmarks, as when one of them is run."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
    nodes = dict(REGISTRY)
    with torch.random.fork_rng([]):  # the plain models use torch's own, as textbooks do
        yield
    REGISTRY.clear()
    REGISTRY.update(nodes)
    for name in [name for name in sys.modules if name.startswith("quality")]:
        del sys.modules[name]


def art(size=32):
    return procedural_art(count=64, size=size, styles="", seed=1, ctx=CTX)


def test_a_missed_bar_is_bold_and_named(benchmarks):
    from quality import table
    from quality_parts import Row

    bars = {"accuracy": (0.95, math.inf), "distance": (0, 6)}
    good = Row("ours", {"accuracy": 0.97, "distance": 5.0, "seconds": 61.4}, bars)
    bad = Row("ours", {"accuracy": 0.9, "distance": math.nan, "seconds": 60.0}, bars)
    assert good.missed == []
    assert bad.missed == ["accuracy", "distance"]
    assert list(table({"ours": [good, bad]})) == [
        "| | accuracy | distance | seconds |",
        "|---|---|---|---|",
        "| ours | 0.97 / **0.9** (at least 0.95) | 5 / **-** (at most 6) | 61 / 60 |",
    ]


def test_signal_to_noise(benchmarks):
    from quality_parts import psnr

    real = torch.zeros(2, 8, 8, 3)
    assert psnr(real, real + 0.1) == pytest.approx(20)


def test_plain_models_learn(benchmarks):
    from quality_parts import psnr
    from quality_peers import plain_dcgan, plain_vae

    dataset = art()
    drawn = plain_dcgan(dataset, steps=2, count=70, seed=1, ctx=CTX)
    assert drawn.shape == (70, 32, 32, 3)
    assert drawn.dtype == torch.float32
    assert float(drawn.min()) >= 0
    assert float(drawn.max()) <= 1
    assert torch.equal(drawn, plain_dcgan(dataset, steps=2, count=70, seed=1, ctx=CTX))

    image = dataset.images[:8].float() / 255
    early, late = (
        psnr(image, plain_vae(dataset, image, steps=steps, seed=1, ctx=CTX)) for steps in (1, 40)
    )
    assert late > early + 0.5
