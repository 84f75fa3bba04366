"""Trainings on pictures in shards: the same bits after an interruption, and few reads."""

import pytest
import torch
from sharding import served, stream, write_shards
from shelf import Shelf, training_run

from artgraph.models.classifier.trainee import ClassifierSettings, train_classifier
from artgraph.models.gan.api import GanSettings, train_gan
from artgraph.models.gan.batches import Batches, TrainingSet
from artgraph.models.training.windows import sampler_of
from artgraph.models.vae.api import VaeSettings, train_vae
from artgraph.nodes.gan import shipped_judge

pytestmark = pytest.mark.usefixtures("one_thread")


def classifier(data, shelf, steps):
    settings = ClassifierSettings(seed=3, batch=16)
    run = training_run(shelf)
    return train_classifier(data.images, data.labels, data.classes, settings, run, steps=steps)


def vae(data, shelf, steps):
    return train_vae(data.images, VaeSettings(seed=3, batch=8), training_run(shelf), steps=steps)


def gan(data, shelf, steps):
    settings = GanSettings(seed=3, method="classic", batch=8)
    run, judge = training_run(shelf), shipped_judge("cpu")
    more = {"steps": steps, "judge": judge}
    return train_gan(data.images, data.labels, data.classes, settings, run, **more)


@pytest.mark.parametrize("train", [classifier, vae, gan])
def test_a_resumed_training_has_the_same_bits(train, tmp_path):
    folder = write_shards(tmp_path / "d", 2, 20, size=(32, 32))

    def data():
        dataset = stream(folder, size=32)[0]
        dataset.images.window = 12
        dataset.images.chunks = torch.arange(0, 40, 4)
        return dataset

    whole = train(data(), Shelf(), 5)
    shelf = Shelf()
    train(data(), shelf, 3)
    resumed = train(data(), shelf, 5)
    assert whole.state.keys() == resumed.state.keys()
    assert all(whole.state[name].equal(resumed.state[name]) for name in whole.state)


def test_a_resumed_training_reads_its_windows_only(tmp_path):
    folder = write_shards(tmp_path / "d", 4, 300, size=(32, 32))
    size = sum(path.stat().st_size for path in folder.iterdir())
    with served(folder) as server:
        dataset, _ = stream(server.address, "s-{000..003}.tar", size=32, buffer=1)
        settings = {"batch": 16, "seed": 0}
        data = TrainingSet(dataset.images, dataset.labels, 2, mirror=False)
        dataset.images.expect([])
        server.sent = 0
        batches = Batches(data, **settings)
        chosen, _ = batches.reals(40)
        assert len(chosen.pictures) == 16
        dataset.images.expect([])
        assert 0 < server.sent < size / 2
    ours = stream(folder, size=32, buffer=1)[0].images
    there, _ = Batches(TrainingSet(ours, dataset.labels, 2, mirror=False), **settings).reals(40)
    assert there.pictures.equal(chosen.pictures)


def test_groups_of_a_gan_have_one_class_and_come_from_a_window(tmp_path):
    folder = write_shards(tmp_path / "d", 1, 400, classes=("a",) * 99 + ("rare",), size=(8, 8))
    dataset, _ = stream(folder, size=8)
    dataset.images.window = 100
    batches = Batches(TrainingSet(dataset.images, dataset.labels, 2, mirror=False), 8, 0)
    for step in range(4):
        _, labels = batches.reals(step)
        assert sorted(labels.view(-1, 4).unique(dim=1).flatten().tolist()) == [0, 1]
    window = batches._windows.at(0)
    near = batches._members_at(0)[0]
    assert set(near.tolist()) <= set(window.rows.tolist())


def test_held_out_pictures_are_few_and_of_each_class(tmp_path):
    dataset, _ = stream(write_shards(tmp_path / "d", 1, 200, size=(32, 32)), size=32)
    result = classifier(dataset, Shelf(), 2)
    assert result.extra.labels.bincount().tolist() == [10, 10]


def test_a_small_data_set_is_in_memory_once(tmp_path):
    dataset, _ = stream(write_shards(tmp_path / "d", 1, 40, size=(8, 8)), size=8)
    sampler = sampler_of(dataset.images, torch.arange(40), 16, 0)
    first = [dataset.images[sampler.indices(step)] for step in range(6)]
    one, other = dataset.images._windows
    assert one is other
    assert len({p.numpy().tobytes() for part in first for p in part}) == 40


def test_memory_is_only_for_windows(tmp_path):
    dataset, _ = stream(write_shards(tmp_path / "d", 2, 500, size=(32, 32)), size=32, buffer=1)
    assert dataset.images.window == (1 << 19) // (32 * 32 * 3)
    classifier(dataset, Shelf(), 3)
    there = sum(window.pixels.nbytes for window in dataset.images._windows)
    assert there <= (1 << 20) + 2 * 64 * 32 * 32 * 3
    assert torch.equal(dataset.images[torch.tensor([5])], dataset.images[torch.tensor([5])])
