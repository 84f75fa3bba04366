"""The nodes that repaint: masks, colours, dreams, restylers, and what they refuse."""

from __future__ import annotations

import pytest
import torch

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.models import Classifier, Restyler
from artgraph.models.training.rng import rng
from artgraph.nodes.model_files import read_model, shipped_classifier

pytestmark = pytest.mark.usefixtures("one_thread")
NODES = load_nodes()


def run(node, inputs, **widgets):
    spec = NODES[node]
    values, wrong = spec.check(widgets)
    assert not wrong
    return spec(inputs, values, Context.quiet())


def pictures(count=1, height=32, width=40, seed=0):
    return torch.rand(count, height, width, 3, generator=rng(seed))


def restyled_by_style(mask=None, **widgets):
    inputs = {"content": pictures(2), "style": pictures(seed=1)}
    if mask is not None:
        inputs["mask"] = mask
    return run("style_transfer", inputs, steps=4, **widgets)["image"]


def test_an_empty_mask_changes_no_bit():
    assert torch.equal(restyled_by_style(torch.zeros(1, 32, 40)), pictures(2))


def test_a_mask_chooses_pictures_and_places():
    mask = torch.zeros(2, 32, 40)
    mask[1, :, 20:] = 1
    result, whole = restyled_by_style(mask), restyled_by_style()
    assert torch.equal(result[0], pictures(2)[0])
    assert torch.equal(result[1, :, :20], pictures(2)[1, :, :20])
    assert (result[1, :, 20:] - whole[1, :, 20:]).abs().mean() < 0.02
    assert torch.equal(restyled_by_style(torch.ones(1, 32, 40)), whole)


def test_a_mask_is_resized_and_blends():
    half = restyled_by_style(torch.full((1, 8, 8), 0.5))
    expected = (pictures(2) + restyled_by_style()) / 2
    torch.testing.assert_close(half, expected, rtol=0, atol=1e-4)


def test_the_colours_of_the_content_stay():
    content = pictures(2) * 0.4 + 0.3
    inputs = {"content": content, "style": pictures(seed=1) * 0.4 + 0.3}
    result = run("style_transfer", inputs, steps=4, colours="content")["image"]
    weights = torch.tensor([0.299, 0.587, 0.114])
    ours, theirs = (x - (x * weights).sum(3, keepdim=True) for x in (content, result))
    assert (ours - theirs).abs().max() < 1e-5
    assert (content - result).abs().mean() > 0.02


def test_features_keep_what_the_content_shows():
    inputs = {"content": pictures(), "style": pictures(seed=1)}
    classifier = shipped_classifier()
    plain = run("style_transfer", inputs, steps=4)["image"]
    kept = run("style_transfer", {**inputs, "classifier": classifier}, steps=4)["image"]
    assert not torch.equal(plain, kept)
    free = run("style_transfer", inputs, steps=4, strength=1.0)["image"]
    inputs["classifier"] = classifier
    assert torch.equal(run("style_transfer", inputs, steps=4, strength=1.0)["image"], free)


@pytest.mark.parametrize(
    ("inputs", "what"),
    [
        ({"content": (2,), "style": (3,)}, r"2 \(content\) and 3 \(style\) can't be paired"),
        ({"content": (1, 8), "style": (1,)}, "at least 16 px"),
        ({"content": (1, 3000, 2000), "style": (1,)}, "2000 x 3000 pixels is too large"),
    ],
)
def test_style_transfer_refuses_what_does_not_fit(inputs, what):
    with pytest.raises(NodeError, match=what):
        run("style_transfer", {k: pictures(*v) for k, v in inputs.items()}, steps=1)


def test_a_dream_of_strength_0_changes_no_bit():
    image = pictures(2)
    assert torch.equal(run("deep_dream", {"image": image}, strength=0.0)["image"], image)
    film = run("dream_film", {"image": image[:1]}, strength=0.0, frames=2, zoom=1.0, turn=0.0)
    torch.testing.assert_close(film["image"], image[:1].expand(2, -1, -1, -1), rtol=0, atol=1e-5)


def test_a_dream_of_a_class_is_recognised_as_this_class():
    image = pictures(1, 64, 64) * 0.2 + 0.4
    found = {}
    for name in ("truchet", "voronoi"):
        dream = run("deep_dream", {"image": image}, what=name, steps=20)["image"]
        classifier = shipped_classifier()
        table = run("classify", {"classifier": classifier, "image": dream})["table"]
        found[name] = table.columns[f"p({name})"][0]
        assert table.columns["class"] == [name]
    assert min(found.values()) > 0.5


def test_visualisations_are_named():
    found = run("feature_visualisation", {}, what="classes", size=32, steps=2)
    assert len(found["image"]) == 8
    assert found["table"].columns["what"][0] == "mondrian"
    found = run("feature_visualisation", {}, what="2, 5-6", level=1, size=32, steps=2)
    assert found["table"].columns["what"] == ["map 2", "map 5", "map 6"]


@pytest.mark.parametrize(
    ("node", "widgets", "what"),
    [
        ("deep_dream", {"what": "cats"}, "no class 'cats', only mondrian"),
        ("deep_dream", {"what": "1-9999"}, "not within the feature maps"),
        ("deep_dream", {"level": 7}, "3 levels of feature maps, not 7"),
        ("dream_film", {"frames": 3, "level": 7}, "3 levels"),
    ],
)
def test_dreams_refuse_what_the_network_does_not_have(node, widgets, what):
    with pytest.raises(NodeError, match=what):
        run(node, {"image": pictures()}, **widgets)


def test_a_film_needs_one_picture_and_memory():
    with pytest.raises(NodeError, match="one picture, not 2"):
        run("dream_film", {"image": pictures(2)})
    with pytest.raises(NodeError, match="more than 2 GiB"):
        run("dream_film", {"image": pictures(1, 800, 800)}, frames=1000)


def dataset(count=12, size=32, seed=0):
    images = (pictures(count, size, size, seed) * 255).byte()
    labels = torch.zeros(count, dtype=torch.int64)
    return Dataset(images, labels, ("all",), tuple(map(str, range(count))))


@pytest.fixture(scope="module")
def trained():
    inputs = {"dataset": dataset(), "styles": dataset(seed=1, size=40)}
    return run("train_restyler", inputs, steps=3, batch=4)


def test_a_restyler_repaints_pictures_of_any_size(trained):
    style = pictures(seed=3)
    for size in ((32, 32), (50, 70), (17, 90)):
        inputs = {"restyler": trained["restyler"], "image": pictures(2, *size), "style": style}
        image = run("restyle", inputs)["image"]
        assert image.shape == (2, *size, 3)
        assert image.isfinite().all()
        assert 0 <= image.min() <= image.max() <= 1
        assert torch.equal(run("restyle", inputs, strength=0.0)["image"], pictures(2, *size))
    assert [*trained["curves"].columns][:2] == ["step", "loss"]


def test_each_picture_has_its_own_style_if_there_are_many(trained):
    inputs = {"restyler": trained["restyler"], "image": pictures(2).flip(0)}
    both = run("restyle", {**inputs, "style": pictures(2, seed=3)})["image"]
    for row in range(2):
        one = {**inputs, "image": inputs["image"][row : row + 1]}
        alone = run("restyle", {**one, "style": pictures(2, seed=3)[row : row + 1]})["image"]
        assert torch.equal(alone, both[row : row + 1])
    with pytest.raises(NodeError, match="3 styles can't be used for 2 pictures"):
        run("restyle", {**inputs, "style": pictures(3)})


def test_steady_films_share_their_contrast(trained):
    still = pictures().expand(9, -1, -1, -1).clone()
    still[4, :8, :8] = 1  # something bright appears for one picture
    inputs = {"restyler": trained["restyler"], "image": still, "style": pictures(seed=3)}

    def jump(steady):
        image = run("restyle", inputs, steady=steady)["image"]
        return (image[4] - image[3])[20:, 30:].abs().mean()  # far from what appears

    assert jump(4) < 0.75 * jump(0)


def test_a_restyler_is_saved_and_loaded(trained, tmp_path):
    files = run("save_model", {"model": trained["restyler"]}, name="mine")["files"]
    path = tmp_path / "mine.safetensors"
    path.write_bytes(files.files["mine.safetensors"])
    loaded = read_model(path)
    assert loaded.classifier is None
    inputs = {"image": pictures(), "style": pictures(seed=3)}
    first, second = (
        run("restyle", {**inputs, "restyler": r})["image"]
        for r in (trained["restyler"], loaded.restyler)
    )
    assert torch.equal(first, second)


def test_a_restyler_with_wrong_weights_is_refused(trained):
    state = dict(trained["restyler"].state)
    state["enter.conv.weight"] = torch.zeros(3)
    with pytest.raises(RuntimeError, match="size mismatch"):
        Restyler(trained["restyler"].config, state).check()
    short = {k: v for k, v in trained["restyler"].state.items() if "mean" not in k}
    with pytest.raises(ValueError, match="no maps"):
        Restyler(trained["restyler"].config, short).check()


def test_a_training_continues_with_its_own_features(trained):
    inputs = {"dataset": dataset(), "start": trained["restyler"]}
    longer = run("train_restyler", inputs, steps=1, batch=4)["restyler"]
    assert longer.classifier.digest() == trained["restyler"].classifier.digest()
    assert not torch.equal(
        longer.state["enter.conv.weight"], trained["restyler"].state["enter.conv.weight"]
    )
    other = run("train_classifier", {"dataset": dataset()}, steps=1, held_out=0.0)["classifier"]
    assert isinstance(other, Classifier)
    with pytest.raises(NodeError, match="another classifier"):
        run("train_restyler", {**inputs, "classifier": other}, steps=1)


def test_a_restyler_that_is_interrupted_continues_to_the_same_bits():
    from artgraph.models.training.loop import State

    class Shelf:
        """Keeps one state."""

        def __init__(self):
            self.found: tuple[int, State] | None = None

        def load(self, at_most):
            return self.found

        def save(self, step, state):
            self.found = step, {key: value.clone() for key, value in state.items()}

    def train(ctx, steps):
        spec = NODES["train_restyler"]
        widgets, _ = spec.check({"steps": steps, "batch": 4})
        return spec({"dataset": dataset()}, widgets, ctx)["restyler"].state

    shelf = Shelf()
    train(Context(checkpoint=shelf), 2)
    resumed, whole = train(Context(checkpoint=shelf), 4), train(Context.quiet(), 4)
    assert all(torch.equal(resumed[key], value) for key, value in whole.items())
