"""Trainings on pictures in shards: the same bits after an interruption, and few reads."""

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from packing import write_tar
from sharding import samples, served, stream, write_shards
from shelf import Shelf, training_run

from artgraph.contract.errors import InputError
from artgraph.contract.shards import Shards, remember
from artgraph.contract.values.alpha import flat
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.shard_list import list_shards
from artgraph.contract.values.whole import unread
from artgraph.models.classifier.trainee import ClassifierSettings, train_classifier
from artgraph.models.gan.api import GanSettings, train_gan
from artgraph.models.gan.batches import Batches, TrainingSet
from artgraph.models.training.windows import sampler_of
from artgraph.models.vae.api import VaeSettings, train_vae
from artgraph.nodes.gan import shipped_judge
from artgraph.pictures.sources import shard_files

pytestmark = pytest.mark.usefixtures("one_thread")


def stream_again(dataset, address):
    """The same data set at another address."""
    meta, buffers = Dataset.encode(dataset)
    remember(meta["stream"]["source"], Shards(address))

    class Blob:
        def tensor(self, name):
            return buffers[name]

    meta["stream"]["shards"] = [[*shard[:2], "md5 known"] for shard in meta["stream"]["shards"]]
    return Dataset.decode(meta, Blob())


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


def test_a_training_goes_on_after_the_network_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_files, "_TRIES", (0.1, 0.2))  # seconds
    folder = write_shards(tmp_path / "d", 2, 200, size=(32, 32))
    names = "s-{000..001}.tar"
    with served(folder) as server:
        server.failures = 1  # while the shards are listed, which is tried again
        shelf = Shelf()
        classifier(stream(server.address, names, size=32, buffer=1)[0], shelf, 3)
        assert server.failures == 0
        server.failures = 10_000
        failing, _ = stream(folder, size=32, buffer=1)
        failing = stream_again(failing, server.address)
        with pytest.raises(InputError) as error:
            classifier(failing, shelf, 6)
        assert "s-00" in error.value.what
        assert "can't be read: 503" in error.value.what
        assert "a training continues from its last checkpoint" in error.value.advice
        server.failures = 0
        there = classifier(stream_again(failing, server.address), shelf, 6)
    ours = classifier(stream(folder, size=32, buffer=1)[0], Shelf(), 6)
    assert all(there.state[name].equal(ours.state[name]) for name in ours.state)


def test_a_server_that_sends_only_whole_files(tmp_path):
    folder = write_shards(tmp_path / "d", 2, 20)
    rows = torch.tensor([0, 39, 20, 7])
    with served(folder, sends_parts=False) as server:
        there, _ = stream(server.address, "s-{000..001}.tar")
        pictures = there.images[rows]
    assert pictures.equal(stream(folder)[0].images[rows])


def test_shards_in_s3(tmp_path, monkeypatch):
    from moto.server import ThreadedMotoServer

    folder = write_shards(tmp_path / "d", 2, 20)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    try:
        import s3fs

        bucket = s3fs.S3FileSystem(skip_instance_cache=True)
        bucket.mkdir("pictures")
        bucket.put(str(folder), "pictures/set", recursive=True)
        dataset, _ = stream("s3://pictures/set")
        ours, _ = stream(folder)
        rows = torch.arange(40)
        assert dataset.images[rows].equal(ours.images[rows])
        assert list(dataset.names) == list(ours.names)
        before = list_shards(Shards("s3://pictures/set")).digest
        bucket.pipe_file("pictures/set/s-000.tar", (folder / "s-001.tar").read_bytes())
        assert list_shards(Shards("s3://pictures/set")).digest != before
        dataset.images._few.clear()
        dataset.images._reader()._files._stamps["s-000.tar"] = ("etag", -100.0)  # checked long ago
        with pytest.raises(InputError, match=r"the shard s-000\.tar has changed"):
            dataset.images[rows]
        with pytest.raises(InputError, match=r"'s3://pictures/nothing': it does not exist"):
            stream("s3://pictures/nothing")
    finally:
        server.stop()


def test_missing_credentials_are_said_at_once(monkeypatch):
    import s3fs

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    again = SimpleNamespace(sleep=lambda seconds: pytest.fail("it tries again"))
    monkeypatch.setattr(shard_files, "time", again)  # other threads may sleep
    s3fs.S3FileSystem.clear_instance_cache()  # one of another test has credentials
    with pytest.raises(InputError, match=r"can't be read: .*credentials") as error:
        stream("s3://pictures/set")
    assert "such as AWS_ACCESS_KEY_ID" in error.value.advice


def test_several_devices_read_the_same_pictures_and_report_what_is_damaged(tmp_path):
    write_tar(tmp_path / "d.tar", samples(0, 40, size=(32, 32)) | {"00006.png": b"damaged"})
    settings = ClassifierSettings(seed=3, batch=16, method="classic", augment=False)
    found = []
    for devices in (1, 2):
        data = flat(stream(tmp_path, size=32, alpha="keep")[0])
        run = replace(training_run(), devices=devices)
        done = train_classifier(data.images, data.labels, data.classes, settings, run, steps=3)
        found.append((done.curves["loss"], unread(data)))
    (alone, line), (together, same) = found
    assert together == pytest.approx(alone, rel=1e-4)
    assert same == line
    assert line.startswith("1 picture can't be read, and is replaced")
