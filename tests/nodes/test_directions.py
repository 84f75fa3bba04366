"""Directions of GANs of every kind, moving along them, and directions as files."""

import pytest
import torch
from bending import drawn, gan, run
from gans import METHODS
from gans import quick as quick

from artgraph.contract.errors import InputError, NodeError
from artgraph.contract.values.explored import Directions
from artgraph.contract.values.kinds import GanLatent
from artgraph.models.gan import directions
from artgraph.models.gan.api import GanConfig
from artgraph.models.gan.codes import codes_of, random_points
from artgraph.models.training.rng import rng
from artgraph.nodes.direction_files import load_directions
from artgraph.nodes.model_files import shipped_classifier


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    monkeypatch.setattr(directions, "SAMPLES", 256)


def found(model, kind, **more):
    inputs = {name: more.pop(name) for name in ("first", "second", "classifier") if name in more}
    return run("latent_directions", {"gan": model, **inputs}, kind=kind, **more)["directions"]


def moved(model, latent, along, **widgets):
    inputs = {"gan": model, "latent": latent, "directions": along}
    return run("move_latent", inputs, **widgets)["latent"]


def image(model, latent):
    return run("generate", {"gan": model, "latent": latent})["image"]


@pytest.mark.parametrize("kind", ["components", "factors", "classes"])
@pytest.mark.parametrize("method", METHODS)
def test_directions_change_pictures_and_strength_0_nothing(method, kind):
    model = gan(method)
    latent = drawn(model)["latent"]
    along = found(model, kind, count=3)
    assert along.names == (
        ("a", "b") if kind == "classes" else tuple(f"{kind[:-1]} {n}" for n in (1, 2, 3))
    )
    same = moved(model, latent, along, direction="all", strength=0.0)
    assert torch.equal(same.z, latent.z.repeat_interleave(len(along), 0))
    sheet = moved(model, latent, along, direction="all", strength=2.0, columns=3)
    pictures = image(model, sheet).unflatten(0, (len(latent.z), len(along), 3))
    if kind != "classes":  # whose strength -1 is no picture of interest
        assert torch.allclose(pictures[:, 0, 1], image(model, latent), atol=1e-5)
    for number in range(len(along)):
        assert not torch.allclose(pictures[:, number, 2], pictures[:, number, 1], atol=1e-4)
    one_way = moved(model, latent, along, strength=2.0, columns=3, both_ways=False)
    first = image(model, one_way)[::3]
    assert torch.allclose(first, image(model, latent), atol=1e-5)
    only = moved(model, latent, along, direction=along.names[-1], strength=2.0)
    assert torch.allclose(image(model, only), pictures[:, -1, 2], atol=1e-5)


def test_components_are_the_directions_of_the_largest_spread_and_have_its_length():
    model = gan("projected")
    config, network = GanConfig.from_dict(model.config), model.network()
    points = random_points(config, 256, 0)
    codes = codes_of(network, config, points.z, points.classes)
    along = found(model, "components", count=3)
    values = torch.linalg.eigvalsh(torch.cov(codes.T.double())).flip(0)[:3]
    assert torch.allclose(along.vectors.norm(dim=1).double() ** 2, values, rtol=1e-3)
    unit = torch.nn.functional.normalize(along.vectors, dim=1)
    assert torch.allclose(unit @ unit.T, torch.eye(3), atol=1e-4)


def test_factors_change_the_styles_of_their_levels_most():
    model = gan("projected")
    network = model.network()
    parts = ("levels.1", "attention.1")
    steers = [m for n, m in network.named_modules() if n.endswith("steer") and n.startswith(parts)]
    weights = torch.cat([steer.weight for steer in steers])
    weights = torch.nn.functional.normalize(weights, dim=1)
    along = torch.nn.functional.normalize(found(model, "factors", levels="fine").vectors, dim=1)
    gains = (along @ weights.T).norm(dim=1)
    assert (gains.diff() < 1e-5).all()
    other = torch.nn.functional.normalize(torch.randn(64, along.shape[1], generator=rng(2)), dim=1)
    assert ((other @ weights.T).norm(dim=1) < gains[0]).all()


def test_at_strength_1_a_code_is_at_the_mean_of_the_class_in_what_distinguishes_classes():
    codes = torch.randn(300, 10, generator=rng(5))
    labels = torch.arange(300) % 3
    codes[:, :3] += 4 * torch.eye(3)[labels]
    vectors, frame = directions.of_classes(codes, torch.eye(3)[labels])
    assert len(frame) == 1 + 2
    for number in range(3):
        changed = codes + directions.moved(codes, vectors[number], 1.0, frame)
        basis = frame[1:]
        goal = codes[labels == number].mean(0)
        assert torch.allclose((changed - goal) @ basis.T, torch.zeros(300, 2), atol=1e-4)
        rest = torch.eye(10) - basis.T @ basis
        assert torch.allclose(
            changed @ rest, codes @ rest + (goal - codes.mean(0)) @ rest, atol=1e-4
        )
        half = directions.moved(codes, vectors[number], 0.5, frame)
        assert torch.allclose(2 * half, changed - codes, atol=1e-4)


def test_only_the_chosen_levels_move():
    model = gan("projected")
    latent, along = drawn(model)["latent"], found(model, "components")
    coarse = moved(model, latent, along, levels="coarse")
    assert torch.equal(coarse.shift[:, 128:], torch.zeros(4, 128))
    assert torch.allclose(coarse.shift[:, :128], 2 * along.vectors[:1].expand(4, -1))
    twice = moved(model, coarse, along, levels="fine")
    whole = moved(model, latent, along)
    assert torch.allclose(image(model, twice), image(model, whole), atol=1e-5)
    other = gan("r3")
    latent, along = drawn(other)["latent"], found(other, "components")
    with pytest.raises(NodeError, match="one latent for all levels"):
        moved(other, latent, along, levels="coarse")


def test_between_leads_from_one_batch_to_the_other():
    model = gan("projected")
    first, second = (drawn(model, style=name)["latent"] for name in "ab")
    along = found(model, "between", first=first, second=second, name="to b")
    assert along.names == ("to b",)
    there = moved(model, first, along, strength=1.0)
    config, network = GanConfig.from_dict(model.config), model.network()
    goal = codes_of(network, config, second.z, second.classes).mean(0)
    begin = codes_of(network, config, first.z, first.classes).mean(0)
    assert torch.allclose(begin + there.shift[0, :128], goal, atol=1e-5)
    with pytest.raises(NodeError, match="`first` and `second`"):
        found(model, "between", first=first)


def test_a_classifier_names_directions_and_classes_that_it_never_finds_are_left_out():
    model, warnings = gan("projected"), []
    inputs = {"gan": model, "classifier": shipped_classifier()}
    along = run("latent_directions", inputs, warn=warnings, kind="classes")["directions"]
    assert set(along.names) <= set(shipped_classifier().classes)
    missing = set(shipped_classifier().classes) - set(along.names)
    assert all(any(name in line for line in warnings) for name in missing)
    single = gan("projected", classes=("a",))
    with pytest.raises(NodeError, match="only one class"):
        found(single, "classes")


def test_directions_are_chosen_by_name_and_number():
    model = gan("projected")
    latent, along = drawn(model)["latent"], found(model, "components", count=3)
    by_name = moved(model, latent, along, direction="component 3, component 1")
    by_number = moved(model, latent, along, direction="3, 1")
    assert torch.equal(by_name.shift, by_number.shift)
    assert len(by_name.z) == 8
    for wrong in ("4", "0", "smile"):
        with pytest.raises(NodeError, match="no direction"):
            moved(model, latent, along, direction=wrong)
    with pytest.raises(NodeError, match="names no direction"):
        moved(model, latent, along, direction=" , ")
    many = GanLatent(latent.z.repeat(400, 1), latent.classes.repeat(400, 1))
    with pytest.raises(NodeError, match="too many"):
        moved(model, many, along, columns=3)


def test_directions_of_another_gan_are_refused_and_those_of_a_bent_one_are_not(tmp_path):
    model, other = gan("projected"), gan("projected", seed=4)
    along = found(model, "classes")
    with pytest.raises(NodeError, match="another GAN"):
        moved(other, drawn(other)["latent"], along)
    path = tmp_path / "d.safetensors"
    path.write_bytes(
        run("save_directions", {"directions": along}, name="d")["files"].files[path.name]
    )
    bent = run("bend", {"gan": model}, operation="negate", strength=0.5)["gan"]
    for same in (model, bent):
        loaded = load_directions(same, path=path)
        assert loaded.names == along.names
        assert torch.equal(loaded.vectors, along.vectors)
        assert torch.equal(loaded.frame, along.frame)
        moved(same, drawn(same)["latent"], loaded)
    with pytest.raises(InputError, match="another GAN"):
        load_directions(other, path=path)
    saved = run("save_latents", {"model": model, "latent": drawn(model)["latent"]}, name="l")[
        "files"
    ]
    path.write_bytes(saved.files["l.safetensors"])
    with pytest.raises(InputError, match="does not contain directions"):
        load_directions(model, path=path)


@pytest.mark.parametrize(
    "wrong",
    [
        Directions(("a", "a"), torch.zeros(2, 3), ""),
        Directions(("a",), torch.zeros(2, 3), ""),
        Directions(("a",), torch.zeros(1, 3).double(), ""),
        Directions(("a",), torch.full((1, 3), float("nan")), ""),
        Directions(("a",), torch.zeros(1, 3), "", torch.zeros(2, 4)),
        Directions((), torch.zeros(0, 3), ""),
    ],
)
def test_damaged_directions_are_refused(wrong):
    with pytest.raises(ValueError, match="directions"):
        Directions.encode(wrong)


def test_the_table_names_each_move_in_the_order_of_the_latents():
    model = gan("projected")
    latent, along = drawn(model)["latent"], found(model, "components", count=2)
    inputs = {"gan": model, "latent": latent, "directions": along}
    moves = run("move_latent", inputs, direction="all", columns=3, strength=2.0)
    table = moves["table"].columns
    assert len(table["move"]) == len(moves["latent"].z) == 4 * 2 * 3
    assert table["move"][:4] == [
        "component 1 -2",
        "component 1 0",
        "component 1 +2",
        "component 2 -2",
    ]
    for row in (0, 5, 14, 23):
        alone = moved(
            model,
            GanLatent(*(x[table["latent"][row]][None] for x in (latent.z, latent.classes))),
            along,
            direction=table["direction"][row],
            strength=table["strength"][row],
        )
        shift = torch.zeros(1, 1) if alone.shift is None else alone.shift
        assert torch.allclose(moves["latent"].shift[row], shift[0], atol=1e-6)
