"""What benchmarks/quality.py does with few pictures: sets, figures, budgets and blind samples."""

import json

import pytest
import torch
from PIL import Image

KINDS = {"Food": 12, "Tools": 9}


@pytest.fixture
def files(tmp_path):
    """Pictures of two kinds, each in a grey of its own, on a transparent ground."""
    found, grey = {}, 0
    for kind, count in KINDS.items():
        place = tmp_path / "given" / kind
        place.mkdir(parents=True)
        for number in range(count):
            grey += 10
            picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
            picture.paste((grey, grey, grey, 255), (16, 16, 48, 48))
            picture.save(place / f"{number:02}.png")
        found[kind] = sorted(place.iterdir())
    return found


def greys(images):
    return images[:, 32, 32, 0].tolist()


def test_a_seed_draws_which_pictures_are_learned(benchmarks, files, tmp_path):
    from quality_packages import divide

    counts = {"Food": 5, "Tools": 3}
    first, again, other = (divide(files, counts, tmp_path / "set", seed) for seed in (0, 0, 1))
    assert (len(first.learned), len(first.unseen)) == (8, 13)
    assert sorted(greys(first.learned) + greys(first.unseen)) == list(range(10, 211, 10))
    assert torch.equal(first.learned, again.learned)
    assert set(greys(first.learned)) != set(greys(other.learned))
    assert (first.learned[:, 0, 0] == 255).all(), "the ground is white"
    written = {kind: len([*(tmp_path / "set" / kind).iterdir()]) for kind in KINDS}
    assert written == counts, "pictures of an earlier seed are removed"


def test_a_wide_picture_is_whole_and_in_the_middle(benchmarks, tmp_path):
    from quality_packages import in_front_of_white

    Image.new("RGB", (200, 100), "black").save(tmp_path / "wide.png")
    picture = in_front_of_white(tmp_path / "wide.png")
    assert picture.size == (64, 64)
    rows = [picture.getpixel((32, y))[0] for y in range(64)]
    assert rows == [255] * 16 + [0] * 32 + [255] * 16


def test_novelty_of_copies_and_of_unseen_pictures(benchmarks):
    from quality_imagenet import Comparison

    random = torch.Generator().manual_seed(1)
    learned, unseen, fresh = (
        torch.randn(count, 16, generator=random).double() for count in (30, 100, 400)
    )
    comparison = Comparison(learned, unseen)
    new = comparison.figures(fresh)
    assert 0.9 < new["by chance from"] < new["novelty"] < 1.1
    simple = comparison.figures(fresh / 2)
    assert simple["over unseen"] < 0.9, "simple pictures are nearer to all others"
    assert simple["novelty"] > simple["by chance from"], "so they are no copies"
    mixed = comparison.figures(torch.cat([fresh[:360], learned, learned[:10]]))
    assert mixed["novelty"] < mixed["by chance from"], "a tenth are copies"
    assert new["copies"] < 0.05
    assert new["distance"] == pytest.approx(0, abs=0.1)
    assert new["recall"] > 0.8
    copied = comparison.figures(learned.repeat(4, 1) + 0.01)
    assert copied["novelty"] < 0.1
    assert copied["copies"] == 1
    assert comparison.figures(fresh + 2)["distance"] > 1


def test_steps_of_a_budget(benchmarks):
    from quality_recipe import Recipe

    recipe = Recipe("ours", pace=0.5)
    assert recipe.steps(5) == 500, "600 with those of the settling"
    assert recipe.steps(10) == 1000
    assert Recipe("ours", pace=0.5, before=60).steps(5) == 400


def test_a_recipe_wires_only_what_it_uses(benchmarks, tmp_path):
    from quality_recipe import MINE_ONLY, NOT_PRETRAINED, OURS, training

    wires = [
        set(training(recipe, tmp_path, 10, 0)["gan"]["from"])
        for recipe in (OURS, NOT_PRETRAINED, MINE_ONLY)
    ]
    assert wires == [{"dataset", "start", "classifier"}, {"dataset", "start"}, {"dataset"}]


def test_right_guesses_are_counted(benchmarks, tmp_path, capsys):
    from quality_blind import print_score, score_blind

    answers = {
        "01": {"category": "Food & Drink", "sheet": "a"},
        "02": {"category": "Objects", "sheet": "a"},
        "03": {"category": "Objects", "sheet": "b"},
        "04": {"category": "Animals & Nature", "sheet": "b"},
    }
    guesses = {"01": "food", "02": "Objects", "03": "Food & Drink", "04": ""}
    assert score_blind(guesses, answers) == {"a": 1, "b": 0, "all": 0.5}
    with pytest.raises(SystemExit, match="there is no sample 05"):
        score_blind({"05": "food"}, answers)
    for name, content in (("guesses", {"01": "food"}), ("answers", answers)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    assert print_score(tmp_path / "guesses.json", tmp_path / "answers.json") == 1
    assert capsys.readouterr().out.splitlines()[-1] == "all: 25% right"
