"""Advice: which base, which features and how many steps, from the pictures, the time and speed."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.registry import load_nodes
from artgraph.models.training.numerics import Numerics
from artgraph.nodes.advice import machine_speed, training_advice
from artgraph.nodes.advice_rules import (
    BASE_MEASURED,
    FEATURES_MEASURED,
    GRID,
    RULES,
    STEP_MEASURED,
    Seen,
    Wish,
    choose,
    coarse,
)
from artgraph.nodes.art import procedural_art
from artgraph.nodes.classifier import classify, train_classifier
from artgraph.runner.store.keys import make_key

ROOT = Path(__file__).parents[2]
THINGS = Seen(30, 1, 64, 64, 0.85, 0.05, 0.8, {"gan_64": 6.5, "gan_clipart_64": 0.1})
PRINTS = Seen(60, 1, 64, 64, 0.65, 0.3, 0.0, {"gan_64": 60.0, "gan_clipart_64": 110.0})
KNOWN = Seen(2000, 8, 64, 64, 1.3, 0.1, 0.3, {"gan_64": 0.1}, frozenset({"gan_64"}))
LONG = Wish(minutes=1000, speed=100)


@pytest.mark.parametrize(
    ("seen", "base", "features", "steps"),
    [
        (KNOWN, "gan_64", False, 60),
        (replace(KNOWN, distances={"gan_64": 5.0}), "gan_64", True, 10_000),  # only the names match
        (replace(THINGS, known=frozenset({"gan_clipart_64"})), "gan_clipart_64", True, 1000),
        (PRINTS, "gan_64", False, 200),
        (replace(PRINTS, plain=0.9), "gan_64", True, 1000),  # things on a plain ground
        (THINGS, "gan_clipart_64", True, 1000),
        (replace(THINGS, pictures=456), "gan_clipart_64", True, 3000),
        (replace(THINGS, height=32, width=32, distances={}), None, True, 600),
    ],
)
def test_pictures_decide_what_is_chosen_if_there_is_time(seen, base, features, steps):
    choice = choose(seen, LONG, installed=True)
    assert (choice.base, choice.features, choice.steps) == (base, features, steps)
    assert choice.at_step == (-1 if features else 0)
    assert all(why for why, _ in choice.reasons.values())
    assert choice.reasons["steps"][1] in {rule.measured for rule in RULES}


def test_time_limits_the_steps_and_the_advice_says_how_to_go_on():
    steps = []
    for minutes in (1, 2, 5, 10, 20):
        choice = choose(THINGS, Wish(minutes, speed=100), installed=True)
        assert choice.minutes <= minutes
        assert choice.steps in GRID
        steps.append(choice.steps)
    assert steps == sorted(set(steps)), "more time, more steps"
    short = choose(THINGS, Wish(5, speed=100), installed=True)
    assert "5 minutes allow" in short.reasons["steps"][0]
    (enough,) = [int(word) for word in short.onward.split() if word.isdigit()]
    assert choose(THINGS, Wish(enough, speed=100), installed=True).steps == 1000
    quick = choose(THINGS, Wish(5, speed=400), installed=True)
    plain = choose(THINGS, Wish(5, speed=100), installed=False)
    large = choose(replace(THINGS, height=128, width=128), Wish(5, speed=100), installed=True)
    assert large.steps < short.steps < plain.steps < quick.steps


def test_what_is_set_by_hand_wins():
    wish = replace(LONG, steps=123, base="gan_64", features=False)
    choice = choose(THINGS, wish, installed=True)
    assert (choice.base, choice.features, choice.steps) == ("gan_64", False, 123)
    by_hand = {choice.reasons[name][0] for name in ("base", "features", "steps")}
    assert by_hand == {"set by hand"}
    alone = choose(THINGS, replace(LONG, mine_only=True), installed=True)
    assert (alone.base, alone.features) == (None, False)
    assert "pip install" in choose(THINGS, LONG, installed=False).reasons["features"][0]


def test_speeds_are_rounded_coarsely():
    near = {coarse(speed) for speed in (118, 128, 140)}
    assert near == {128.0}
    assert coarse(coarse(77.0)) == coarse(77.0)


def test_the_node_returns_nothing_for_mine_only_and_a_base_otherwise():
    art = procedural_art(count=12, size=64, styles="mondrian", ctx=Context.quiet())
    lines = []
    ctx = Context(log=lines.append)
    advice = training_advice(art, 100, ctx=ctx)
    assert advice.start.classes[0] == "mondrian"
    assert (advice.classifier, advice.steps) == (None, 60)
    assert advice.vae.classes
    assert [line.split(":")[0] for line in lines[:3]] == ["base", "features", "steps"]
    assert advice.table.columns["what"][:4] == ["base", "features", "steps", "at_step"]
    assert advice.summary == "Drawn after 60 steps (1 min); more steps only if you set them"
    alone = training_advice(art, 100, mine_only=True, steps=7, ctx=ctx)
    assert (alone.start, alone.classifier, alone.vae, alone.steps) == (None, None, None, 7)
    with pytest.raises(NodeError, match="neither a base nor pretrained"):
        training_advice(art, 100, mine_only=True, base="gan_64", ctx=ctx)


@pytest.mark.parametrize("count", [1, 3])
def test_hardly_any_pictures_still_get_advice(count):
    art = procedural_art(count=count, size=64, styles="hokusai", ctx=Context.quiet())
    advice = training_advice(art, 100, ctx=Context.quiet())
    assert advice.start is not None
    values = dict(zip(*(advice.table.columns[name] for name in ("what", "chosen")), strict=True))
    assert values["pictures"] == str(count)


def test_the_machine_is_measured_once_for_each_kind_of_processor(one_thread):
    speed = machine_speed(ctx=Context.quiet())
    assert speed > 0
    assert math.isclose(speed, coarse(speed))
    parts = make_key(load_nodes()["machine_speed"], {}, {}, lambda *_: "", Numerics()).parts
    assert parts["processors"]
    assert "numerics" in parts


@pytest.mark.parametrize("name", ["finetune", "style_remix"])
def test_with_mine_only_the_graphs_use_no_other_model(name):
    graph = yaml.safe_load((ROOT / "graphs" / f"{name}.yaml").read_text())
    nodes = graph["nodes"]
    assert {"load_model", "pretrained_classifier"}.isdisjoint(n["node"] for n in nodes.values())
    assert nodes["advice"]["from"]["mine_only"] == "knobs.mine_only"
    starts = {
        wire
        for node in nodes.values()
        if node["node"].startswith("train_")
        for end, wire in node["from"].items()
        if end in ("start", "classifier")
    }
    assert starts <= {"advice.start", "advice.classifier", "advice.vae"}
    assert {"advice.start", "advice.classifier"} <= starts


def test_measures_of_pictures():
    from artgraph.nodes.advice import _fine, _plain

    random = torch.Generator().manual_seed(0)
    noise = torch.randint(256, (4, 32, 32, 3), generator=random).byte()
    smooth = torch.linspace(0, 255, 32).byte()[None, :, None, None].expand(4, 32, 32, 3)
    assert _fine(noise) > 0.5 > 0.1 > _fine(smooth)
    thing = torch.full((4, 32, 32, 3), 250).byte()
    thing[:, 8:24, 8:24] = noise[:, 8:24, 8:24]
    assert (_plain(thing), _plain(noise), _plain(smooth)) == (1, 0, 0)
    assert _fine(torch.zeros(2, 32, 32, 3).byte()) == 0


def test_the_docs_show_every_rule():
    page = " ".join((ROOT / "docs" / "models.md").read_text().split())
    for rule in RULES:
        limit = f"| {rule.steps}{'' if rule.features else ', without pretrained features'} |"
        assert f"{limit} {rule.why} | {rule.measured} |" in page
    assert BASE_MEASURED in page
    assert FEATURES_MEASURED in page
    assert STEP_MEASURED in page


def test_a_folder_of_one_class_does_not_stop_a_graph_with_a_classifier(one_thread):
    art = procedural_art(count=6, size=32, styles="rothko", ctx=Context.quiet())
    warnings = []
    trained = train_classifier(art, steps=500, batch=4, ctx=Context(warn=warnings.append))
    assert ["nothing to distinguish" in line for line in warnings] == [True]
    assert trained.curves.columns["step"] == [1], "more steps would learn nothing"
    table = classify(trained.classifier, art.images[:2].float() / 255, ctx=Context.quiet())
    assert table.columns["class"] == ["rothko"] * 2
