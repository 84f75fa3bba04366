"""How far a node is, in words, and how long the rest takes."""

from dataclasses import replace

import pytest
from gans import JUDGE, pictures, quick  # noqa: F401 - fixture
from shelf import training_run

from artgraph.contract.quantities import duration
from artgraph.models.gan import projected_features
from artgraph.models.gan.api import GanSettings, train_gan
from artgraph.models.training.stages import STEP, Stage
from artgraph.runner.run.pace import Pace, progress_line


def moved(pace, now, *steps, total):
    """Returns the seconds that are left after each of `steps`: (seconds since the last, done)."""
    left = []
    for seconds, done in steps:
        now += seconds
        pace.move(done, total, now)
        left.append(pace.left and round(pace.left))
    return left


def test_the_rest_is_estimated_from_the_speed_in_the_second_half():
    pace = Pace(trains=True, now=100)
    steps = ((1, 40), (20, 40), (5, 45), (14, 49), (200, 80), (11, 99), (11, 100))
    left = moved(pace, 100, *steps, total=100)
    assert left[:2] == [None, None], "it resumed at step 40, so its speed is not known yet"
    assert 100 <= left[3] <= 300
    assert left[-2] <= 10
    assert left[-1] == 0
    slow = [(0, 0), (100, 0.2), (100, 0.4), *[(20, 10 * n) for n in range(1, 20)]]
    left = moved(Pace(trains=True, now=0), 0, *slow, total=1000)
    assert left[-1] == 1620, "the slow start no longer counts"
    assert duration(7265) == "2 h 1 min"


def test_stages_are_counted_in_their_own_words():
    pace = Pace(trains=True, now=0)
    pace.set_stages([Stage("learning: step", 900, 30), Stage(STEP, 60, 60), Stage("end", 12, 12)])
    words = []
    for now in range(1, 103):
        pace.move(now, 102, now)
        words.append(progress_line(pace.words, pace.left))
    assert words[9] == "learning: step 300 of 900 · 1 min 32 s left"
    assert words[39] == "step 10 of 60 + 12 to settle · 1 min 2 s left"
    assert words[95] == "end 6 of 12 · 6 s left"
    assert pace.step_seconds == 1


def test_a_node_without_stages_counts_steps_or_per_cent():
    for trains, words in ((True, "step 3 of 10"), (False, "30 %")):
        pace = Pace(trains, now=0)
        pace.move(3, 10, 1)
        assert pace.words == words


def test_the_first_network_of_a_gan_has_its_share_of_the_progress(monkeypatch):
    monkeypatch.setattr(projected_features, "STEPS", 4)
    seen, stages = [], []
    run = training_run(progress=lambda done, total, preview=None: seen.append(done / total))
    run = replace(run, stages=stages.extend)
    settings = GanSettings(seed=0, batch=8)
    images, labels = pictures(24, 2)
    train_gan(images, labels, ("a", "b"), settings, run, steps=5, judge=JUDGE)
    assert [stage.number for stage in stages[1:]] == [5, 1]
    shares = [stage.work / sum(s.work for s in stages) for stage in stages]
    assert seen == pytest.approx(
        [shares[0] * n / 4 for n in range(1, 5)]
        + [shares[0] + shares[1] * n / 5 for n in range(1, 6)]
        + [1]
    )
