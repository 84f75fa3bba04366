"""`train_gan` as a node: what its figures are measured with, and GANs of earlier steps."""

import hashlib
from pathlib import Path

import pytest
import torch
from gans import pictures
from shelf import Shelf

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.values.dataset import Dataset
from artgraph.models.classifier.networks import StageMeans
from artgraph.models.gan import evaluation, kept
from artgraph.nodes import model_files
from artgraph.nodes.gan import train_gan


@pytest.fixture(autouse=True)
def quick(monkeypatch, one_thread):
    monkeypatch.setattr(kept, "FINE", 2)
    monkeypatch.setattr(evaluation, "DRAWN", 8)


def dataset(count=8):
    images, labels = pictures(count, 2)
    return Dataset(images, labels, ("a", "b"), tuple(f"p{i}" for i in range(count)))


def train(shelf, *, steps=5, at_step=0):
    lines, warnings = [], []
    ctx = Context(checkpoint=shelf, log=lines.append, warn=warnings.append)
    trained = train_gan(dataset(), method="classic", batch=4, steps=steps, at_step=at_step, ctx=ctx)
    return trained, lines, warnings


def test_an_earlier_step_has_its_own_weights_and_the_same_table():
    shelf = Shelf()
    last, lines, _ = train(shelf)
    early, _, warnings = train(shelf, at_step=3)
    table = last.progress.columns
    assert table["features"] == ["base/classifier_64"] * 3
    assert table["kept"] == ["yes", "yes", "no"]
    assert {*table["verdict"]} <= {"best", "as good", "worse"}
    assert [line for line in lines if line.startswith("by base/classifier_64, the pictures of")]
    assert {name: cells[:2] for name, cells in table.items() if name != "verdict"} == {
        name: cells for name, cells in early.progress.columns.items() if name != "verdict"
    }
    assert early.curves == last.curves
    assert warnings[0].startswith("step 3 is not kept, so this is the GAN at step 2 - ")
    assert early.gan.state.keys() == last.gan.state.keys()
    assert any(not torch.equal(w, last.gan.state[name]) for name, w in early.gan.state.items())


def test_a_training_without_kept_steps_is_an_error_with_advice():
    with pytest.raises(
        NodeError, match=r"keeps no step.* - set `at_step` to 0, or `steps` to 2 or"
    ):
        train(Shelf(), steps=1, at_step=1)


def test_the_shipped_classifier_summarises_pictures_of_any_size():
    classifier = model_files.shipped_classifier()
    summary = StageMeans(classifier.network(), classifier.height)
    vectors = [summary(torch.zeros(2, 3, *size)) for size in ((32, 32), (16, 48), (256, 256))]
    assert {v.shape for v in vectors} == {(2, 352)}
    file = Path(model_files.__file__).parents[1] / "graphs" / "base" / "classifier_64.safetensors"
    assert hashlib.sha256(file.read_bytes()).hexdigest()[:12] == "15431c6c3804", (
        "the figures of train_gan are measured with this file: raise the version of train_gan"
    )
