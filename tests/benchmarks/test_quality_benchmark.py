"""What benchmarks/quality.py makes of figures, and the plain models that it compares with."""

import math
from types import SimpleNamespace

import pytest
import torch

from artgraph.contract.context import Context
from artgraph.nodes.art import procedural_art
from artgraph.pictures.styles import STYLES

CTX = Context.quiet()


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


def test_bars_that_differ_are_beside_each_figure(benchmarks):
    from quality import table
    from quality_parts import Row

    rows = [Row("ours", {"novelty": 1.0}, {"novelty": (bar, math.inf)}) for bar in (0.9, 1.1)]
    assert [*table({"ours": rows})][-1] == ("| ours | 1 (at least 0.9) / **1** (at least 1.1) |")


def test_signal_to_noise(benchmarks):
    from quality_parts import psnr

    real = torch.zeros(2, 8, 8, 3)
    assert psnr(real, real + 0.1) == pytest.approx(20)


class Tints(torch.nn.Module):
    """A judge's network that sees the mean colours of the four quarters."""

    temperature, mirrored = 1.0, False

    def pooled(self, x):
        return torch.nn.functional.avg_pool2d(x, x.shape[2] // 2).flatten(1)

    def forward(self, x):
        return self.pooled(x)[:, :8]


def test_the_distance_does_not_depend_on_whether_classes_are_known(benchmarks):
    from quality_judge import Judge

    classifier = SimpleNamespace(network=lambda device: Tints(), classes=STYLES)
    judge = Judge(classifier, art(), CTX.numerics)
    drawn = procedural_art(count=64, size=32, styles="", seed=2, ctx=CTX).images
    known, unknown = (judge.figures(drawn, with_classes) for with_classes in (True, False))
    assert unknown["distance"] == known["distance"]
    assert 0.2 < known["distance"] < 5, "as good as real ones"
    assert math.isnan(unknown["recognised"])
    assert 0 <= known["recognised"] <= 1
    assert unknown["least diverse"] == unknown["most diverse"] == pytest.approx(1, abs=0.3)
    assert judge.figures(drawn // 4, with_classes=False)["distance"] > 10, "dark ones"


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
