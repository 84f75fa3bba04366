"""The evaluations of a training: the table over the steps, and the warnings."""

from __future__ import annotations

import math
import threading
from dataclasses import replace

import pytest
import torch
from gans import JUDGE, pictures, train
from shelf import PLAIN, Shelf

from artgraph.models.gan import evaluation, kept
from artgraph.models.gan import projected_features as gan_features
from artgraph.models.gan import watch as watch_module
from artgraph.models.gan.batches import TrainingSet
from artgraph.models.gan.evaluation import Evaluation
from artgraph.models.gan.kept import is_look
from artgraph.models.gan.watch import Watch
from artgraph.models.kernel_distances import HALVES
from artgraph.models.training.rng import rng
from artgraph.pictures.styles import render

pytestmark = pytest.mark.usefixtures("one_thread")

STYLES = ("mondrian", "truchet")


def art(count, seed):
    """Pictures of two styles in turn, uint8 (N, 32, 32, 3), and their classes."""
    painted = [torch.from_numpy(render(STYLES[i % 2], i, 32, 32, seed)) for i in range(count)]
    return torch.stack(painted), torch.arange(count) % 2


def warnings(found):
    return Watch(None, 0, PLAIN, JUDGE).warnings(found)


def evaluate(drawn, step=1000, count=60, flip=True):
    """Evaluates a training on `count` pictures whose generator returns pictures of `drawn`."""
    images, labels = art(count, 1)
    watch = Watch(TrainingSet(images, labels, 2, flip), 0, PLAIN, JUDGE)

    def draw(classes):
        seen = [0, 0]
        rows = []
        for number in classes.tolist():
            mine = drawn[0][drawn[1] == number]
            rows.append(mine[seen[number] % len(mine)])
            seen[number] += 1
        return torch.stack(rows)

    return watch.measure(step, draw)


def test_new_pictures_of_the_same_kind_are_as_good_as_real_ones():
    found = evaluate(art(60, 2))
    assert abs(found.distance) < 0.05
    assert 0 < found.floor < 0.05
    assert found.recall > 0.5
    assert found.diversity == pytest.approx(1, abs=0.15)
    assert found.layouts == pytest.approx(1, abs=0.15)
    assert found.novelty == pytest.approx(1, abs=0.2)
    assert 0.8 < found.usual < min(1, found.novelty), "other real pictures are new enough"
    assert warnings(found) == {}


def test_a_collapse_is_reported():
    found = evaluate(art(2, 2))
    assert found.diversity == found.least == 0
    assert found.distance > 10 * found.floor
    assert [*warnings(found)] == ["collapsed"]
    (text,) = warnings(found).values()
    assert "almost the same" in text
    assert "\n" not in text
    assert warnings(evaluate(art(2, 2), step=10)) == {}


def test_one_class_that_collapsed_is_reported():
    images, labels = art(60, 2)
    same = torch.where((labels == 1)[:, None, None, None], images[1], images)
    found = evaluate((same, labels))
    assert found.least == 0
    assert found.diversity == pytest.approx(0.5, abs=0.1)
    assert [*warnings(found)] == ["narrow"]


@pytest.mark.parametrize("flip", [True, False])
def test_layouts_that_repeat_in_other_colours_are_reported(flip):
    images, labels = art(12, 2)
    factors = torch.rand(5, 1, 1, 1, 3, generator=rng(0)) + 0.4
    tinted = (images * factors).clamp(0, 255).byte().flatten(0, 1)
    found = evaluate((tinted, labels.repeat(5)), flip=flip)
    assert found.layouts < 0.4
    assert found.diversity > 0.8
    assert [*warnings(found)] == ["repeated"]
    copies = evaluate(((art(60, 1)[0] * 0.5).byte(), labels.repeat(5)), flip=flip)
    assert copies.novelty < 0.3, "in other colours, too"
    assert copies.layouts == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("flip", [True, False])
def test_copies_are_reported_also_mirrored_ones(flip):
    images, labels = art(60, 1)
    noise = torch.randint(-3, 4, images.shape, generator=rng(0))
    noisy = (images + noise).clamp(0, 255).byte()
    mirrored = (noisy.flip(2), labels)
    assert evaluate((noisy, labels), flip=flip).novelty < 0.3
    assert [*warnings(evaluate((noisy, labels), flip=flip))] == ["copied"]
    assert (evaluate(mirrored, flip=flip).novelty < 0.3) == flip


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_handful_of_pictures_gives_the_metrics_that_it_can(count):
    images, labels = art(count, 1)
    watch = Watch(TrainingSet(images, labels % 1, 1, mirror=True), 0, PLAIN, JUDGE)
    found = watch.measure(300, lambda classes: images[torch.arange(len(classes)) % count])
    assert found.novelty == pytest.approx(0) or count == 1
    for figure in (found.distance, found.floor, found.interval):
        assert math.isnan(figure) == (count < 4)
    assert found.diversity == pytest.approx(1 - 1 / count, abs=0.02) or count == 1


def test_evaluations_are_due_at_steps_that_do_not_depend_on_the_last_one():
    due = [step for step in range(1, 2001) if is_look(step)]
    assert due == [*range(100, 1001, 100), 1500, 2000]


def test_the_table_is_part_of_the_checkpoint_and_ends_with_the_last_step(monkeypatch):
    monkeypatch.setattr(gan_features, "STEPS", 2)
    monkeypatch.setattr(evaluation, "COMPARED", 8)
    monkeypatch.setattr(kept, "FINE", 2)
    images, labels = pictures(10, 2)
    whole = train(images, labels, 2, 5)
    shelf = Shelf()
    short = train(images, labels, 2, 3, shelf)
    assert short.extra.progress["step"] == [2, 3]
    resumed = train(images, labels, 2, 5, shelf).extra.progress
    assert str(resumed) == str(whole.extra.progress), "step 2 is 2, and not 2.0"
    assert whole.extra.progress["step"] == [2, 4, 6]  # with a cool-down step
    assert {name: column[0] for name, column in whole.extra.progress.items()} == {
        name: column[0] for name, column in short.extra.progress.items()
    }


def test_evaluations_of_older_versions_are_left_out_with_a_line():
    watch, drawn = watched(PLAIN)
    watch.load_state_dict({"looks": torch.zeros(3, 7)})
    assert [line[:33] for line in watch.news()] == ["the evaluations before this step "]
    watch.load_state_dict({"evaluations": torch.zeros(3, 8 + HALVES)})  # without `usual`
    assert [line[:33] for line in watch.news()] == ["the evaluations before this step "]
    assert watch.finish(300, drawn, []).progress["step"] == [300]


def test_verdicts_compare_steps_with_the_same_halves():
    watch = Watch(None, 0, PLAIN, JUDGE)
    good = (0.5, 1, 1, 1, 1, 1, 0.9)
    noise = [0.1 * (-1) ** i for i in range(HALVES)]  # common to all steps

    def row(step, distance, own=0.0, **bad):
        halves = (*(distance + x + own * (-1) ** (i // 2) for i, x in enumerate(noise)),)
        return replace(Evaluation(step, distance, *good, halves), **bad)

    rows = [
        row(300, 0.30),
        row(400, 0.20),
        row(500, 0.21, own=0.01),
        row(600, 0.10, novelty=0.2),
        row(700, 0.25),
        row(800, math.nan),
    ]
    assert rows[0].interval > 0.15
    verdicts = watch._verdicts(rows)
    assert verdicts == ["worse", "best", "as good", "copied", "worse", "unknown"]
    summary = watch._summary([r.step for r in rows[:5]], verdicts[:5])
    assert summary == (
        "by textures, the pictures of step 400 are the best, and those of 500 are as good within"
        " the interval; the last step is not - set `at_step` to 400 for an earlier one"
    )
    assert watch._summary([400, 500], ["best", "as good"]).endswith("the last step is one of them")
    assert watch._summary([400], ["unknown"]) == ""


def looks(*novelties, usual=0.9):
    """Evaluations every 100 steps from step 300 on, whose distance falls with the novelty."""
    return [
        Evaluation(300 + 100 * i, 0.1 * novelty, 0.5, 1, 1, 1, 1, novelty, usual, (0.0,) * HALVES)
        for i, novelty in enumerate(novelties)
    ]


def test_copies_are_foreseen_and_the_warning_names_the_step_before():
    images, labels = art(8, 1)
    watch = Watch(TrainingSet(images, labels, 2, mirror=True), 0, PLAIN, JUDGE)

    def kinds(*novelties, **options):
        return [*watch._problems(looks(*novelties, **options))[-1]]

    assert kinds(1.1, 0.95, 0.88, 0.7) == ["copying"]
    assert kinds(1.1, 0.95, 0.92, 0.91) == [], "as new as other real pictures"
    assert kinds(1.1, 0.95, 0.85, 0.87) == [], "it does not fall"
    assert kinds(1.1, 0.89, 0.88, 0.87) == [], "it falls too slowly"
    assert kinds(0.7, 0.6, 0.45) == ["copied"], "they are copies already"
    rows = looks(1.1, 0.95, 0.88, 0.7)
    for row in rows:
        watch._add(row)
    (line,) = watch.news()
    assert line.startswith("step 600: the generated pictures are becoming copies")
    assert line.endswith("set `at_step` to 400, or add pictures")
    assert watch._verdicts(rows) == ["as good", "best", "less new", "copying"]
    found = watch.at(600, [300, 400, 500, 600])
    assert found.best == 400
    assert [text[:42] for text in found.warnings] == ["the generated pictures are becoming copies"]
    assert watch.at(600, [300, 500, 600]).best == 300, "only kept steps and the last one"
    assert watch.at(400, [400]).warnings == []


def test_with_many_pictures_the_smallest_distance_decides(monkeypatch):
    images, labels = art(8, 1)
    watch = Watch(TrainingSet(images, labels, 2, mirror=True), 0, PLAIN, JUDGE)
    rows = looks(0.95, 0.85, 0.86)
    assert watch._verdicts(rows)[0] == "best"
    monkeypatch.setattr(watch_module, "SMALL_SET", 8)
    assert watch._verdicts(rows)[1] == "best"


def test_a_warning_is_logged_once_and_returned_at_the_end(monkeypatch):
    bad = {"collapsed": "all alike"}
    monkeypatch.setattr(gan_features, "STEPS", 2)
    monkeypatch.setattr(evaluation, "COMPARED", 8)
    monkeypatch.setattr(kept, "FINE", 1)
    monkeypatch.setattr(Watch, "warnings", lambda self, row: bad if row.step > 1 else {})
    lines = []
    trained = train(*pictures(10, 2), 2, 4, log=lines.append)
    assert lines[2:] == ["step 2: all alike"]
    assert trained.extra.warnings == ["all alike"]


def test_few_pictures_and_no_start_are_logged_at_once(monkeypatch):
    monkeypatch.setattr(gan_features, "STEPS", 2)
    monkeypatch.setattr(evaluation, "COMPARED", 8)
    lines = []
    first = train(*pictures(10, 2), 2, 1, log=lines.append)
    assert lines[0].startswith("10 pictures are few")
    train(*pictures(10, 2), 2, 1, log=lines.append, start=first[:2])
    train(*pictures(200, 2), 2, 1, log=lines.append)
    assert sum("few" in line for line in lines) == 1


def test_the_first_network_can_be_stopped():
    def stop(done, total, preview=None):
        if done > 0:
            shares.append(done / total)
            raise KeyboardInterrupt

    shares = []
    with pytest.raises(KeyboardInterrupt):
        train(*pictures(8, 2), 2, 5, progress=stop)
    assert 0 < shares[0] < 1 / 5


def test_an_evaluation_documents_each_of_its_metrics():
    for name in Evaluation.__dataclass_fields__:
        assert name == "step" or f"{name}: " in Evaluation.__doc__


def test_the_processor_begins_an_evaluation_and_finishes_it():
    watch, drawn = watched(PLAIN)
    watch.evaluate(300, drawn)
    assert not comparing()
    assert [line[: len(COLLAPSE)] for line in watch.news()][:1] == [COLLAPSE]
    assert watch.news() == []


@pytest.mark.gpu
def test_a_gpu_does_not_wait_for_the_comparison_of_pictures(cuda):
    watch, drawn = watched(cuda)
    watch.evaluate(300, drawn)
    assert comparing()
    assert len(watch.state_dict()["evaluations"]) == 1, "a checkpoint contains the evaluation"
    assert [line[: len(COLLAPSE)] for line in watch.news()][:1] == [COLLAPSE]
    watch.evaluate(400, drawn)
    found = watch.finish(400, drawn, []).progress
    expected, drawn = watched(PLAIN)
    expected.evaluate(300, drawn)
    assert found["step"] == [300, 400]
    assert found["novelty"][0] == pytest.approx(
        expected.finish(300, drawn, []).progress["novelty"][0]
    )


COLLAPSE = "step 300: the training has collapsed"


def watched(numerics):
    """Returns the evaluations of a training, and a generator that always draws one picture."""
    images, labels = art(60, 1)
    watch = Watch(
        TrainingSet(images, labels, 2, mirror=True, numerics=numerics), 0, numerics, JUDGE
    )
    return watch, lambda classes: images[:1].expand(len(classes), -1, -1, -1)


def comparing():
    return [thread for thread in threading.enumerate() if thread.name.startswith("evaluation")]
