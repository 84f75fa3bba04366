import math
import random

import numpy as np
import pytest
import torch

from artgraph.contract.errors import NodeError
from artgraph.contract.values.kinds import Table
from artgraph.nodes.table import plot_table
from artgraph.pictures.axes import number_text, numbers, smooth, tick_texts, ticks
from artgraph.pictures.plot import suitable_kind

NAMES = ["mondrian", "rothko", "voronoi"]
CURVES = {"step": [10, 20, 30, 40], "loss": [4.0, 2.0, 1.0, 0.5], "accuracy": [0.1, 0.5, None, 0.9]}
BARS = {"metric": ["accuracy", *NAMES], "value": [0.9, 1.0, 0.8, 0.0]}
CONFUSION = {"true class": NAMES, "mondrian": [9, 0, 1], "rothko": [0, 7, 1], "voronoi": [0, 3, 8]}


def plot(columns, kind="auto", only="", title="", width=480, height=320):
    return plot_table(
        Table(columns), kind=kind, columns=only, title=title, width=width, height=height
    )


def has_colour(image, text, tolerance=0.06):
    colour = torch.tensor([int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return bool(((image - colour).abs().amax(-1) < tolerance).any())


NOTED = {"step": [1, 2], "loss": [0.5, 0.25], "verdict": ["worse", "best"]}


@pytest.mark.parametrize(
    ("columns", "kind"),
    [(CURVES, "curves"), (NOTED, "curves"), (BARS, "bars"), (CONFUSION, "confusion")],
)
def test_the_kind_is_seen_from_the_table(columns, kind):
    assert suitable_kind(columns, "step") == kind
    image = plot(columns)
    assert image.shape == (1, 320, 480, 3)
    assert image.dtype == torch.float32
    assert torch.equal(image, plot(columns, kind))
    assert has_colour(image, "#2f6fb0")
    assert image.mean() > 0.5


def test_class_scores_are_bars_of_the_numbers_behind_the_text():
    table = {"image": [0, 1], "class": ["a", "b"], "probability": [0.9, 0.6]}
    swapped = table | {"image": [700, -3]}
    assert torch.equal(plot(table), plot(swapped))


def test_a_title_and_smooth_edges():
    assert not torch.equal(plot(BARS), plot(BARS, title="A title"))
    assert len(plot(CURVES).view(-1, 3).unique(dim=0)) > 20


def test_chosen_columns():
    assert torch.equal(plot(CURVES, only="loss"), plot({k: CURVES[k] for k in ("step", "loss")}))
    with pytest.raises(NodeError, match="no column 'fid' - choose from step, loss"):
        plot(CURVES, only="fid")


@pytest.mark.parametrize(
    ("columns", "kind", "words"),
    [
        ({}, "auto", "empty"),
        ({"step": [], "loss": []}, "auto", "empty"),
        ({"step": [1, 2]}, "curves", "besides `step`"),
        ({"a": ["x"]}, "bars", "numbers"),
        ({"a": [1]}, "confusion", "class names"),
        ({"a": ["x"], "b": ["y"]}, "confusion", "counts"),
        ({"a": ["x"]}, "confusion", "counts"),
        ({"a": ["x"] * 500, "b": [1] * 500}, "bars", "500 bars don't fit"),
        ({str(i): [1] for i in range(30)}, "curves", "30 columns"),
        ({"c": NAMES * 40} | {str(i): [1] * 120 for i in range(120)}, "confusion", "don't fit"),
    ],
)
def test_what_cannot_be_drawn_is_said(columns, kind, words):
    with pytest.raises(NodeError, match=words):
        plot(columns, kind)


@pytest.mark.parametrize(
    "values",
    [
        [5],
        [5, 5, 5],
        [0, 0],
        [None, None],
        [math.nan, 1.0, math.inf, 2.0],
        [1e300, 1, -1e300],
        [1e29, -1e29],
        [1e-12, 2e-12],
        [1e6, 1e6 + 1e-7],
        [-3, -2],
        [math.sin(i / 9) for i in range(3000)],
    ],
)
@pytest.mark.parametrize("kind", ["curves", "bars", "confusion"])
def test_odd_numbers(values, kind):
    values = values[:15] if kind != "curves" else values
    texts = {} if kind == "curves" else {"name": [f"n{i}" for i in range(len(values))]}
    assert plot(texts | {"loss": values}, kind).isfinite().all()


@pytest.mark.parametrize("size", [(200, 160), (1200, 130)])
@pytest.mark.parametrize("columns", [BARS, CONFUSION])
def test_small_and_narrow_plots(columns, size):
    assert plot(columns, width=size[0], height=size[1]).shape[1:3] == (size[1], size[0])


def test_long_names():
    columns = {"class": ["a" * 500, "b\nc"], "value": [1, 2]}
    assert plot(columns, title="t" * 200).shape == (1, 320, 480, 3)
    plot({"true": ["x" * 99, "y" * 99], "x" * 99: [1, 2], "y" * 99: [3, 4]})


def test_ticks_hold_all_values_and_are_round():
    rng = random.Random(0)
    for _ in range(500):
        values = [rng.uniform(-1, 1) * 10 ** rng.uniform(-6, 6) for _ in range(rng.randint(1, 4))]
        marks = ticks(values, rng.randint(2, 8))
        slack = (marks[1] - marks[0]) * 1e-5
        assert marks[0] - slack <= min(values) <= max(values) <= marks[-1] + slack
        assert 2 <= len(marks) <= 14
        assert (
            len(set(tick_texts(marks))) == len(marks) or marks[-1] - marks[0] < abs(marks[0]) * 1e-4
        )


@pytest.mark.parametrize(
    ("marks", "texts"),
    [
        ([0, 1000, 2000], ["0", "1k", "2k"]),
        ([0.0, 0.25, 0.5], ["0.00", "0.25", "0.50"]),
        ([0, 500_000, 1_000_000], ["0", "0.5M", "1.0M"]),
        ([-2.0, 0.0, 2.0], ["-2", "0", "2"]),
        ([0, 20_000], ["0", "20k"]),
    ],
)
def test_tick_texts(marks, texts):
    assert tick_texts(marks) == texts


def test_number_texts():
    assert [number_text(n) for n in (3.0, 12_000.0, 0.98765, 1234.5)] == [
        "3",
        "12,000",
        "0.988",
        "1234",
    ]


def test_cells_that_are_no_numbers():
    assert numbers([1, 2.5, None, "x", math.nan, math.inf]) == [1, 2.5, None, None, None, None]


def test_smoothing_keeps_a_line_and_calms_noise():
    line = [(float(i), 2.0 * i) for i in range(200)]
    assert np.allclose(smooth(line)[50:150], line[50:150])
    noise = list(enumerate(np.random.default_rng(0).normal(size=1000)))
    assert np.std([y for _, y in smooth(noise)]) < 0.3
