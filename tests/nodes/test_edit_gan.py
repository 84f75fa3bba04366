"""Bent, blended and pruned GANs: of all methods, with alpha, not square, grown, and saved."""

import pytest
import torch
from bending import NODES, drawn, gan, image, run, trained_on
from gans import METHODS, train
from gans import quick as quick

from artgraph.contract.errors import InputError, NodeError
from artgraph.contract.values.models import Gan
from artgraph.models.gan import bends
from artgraph.models.gan.api import GanConfig
from artgraph.models.training.rng import rng
from artgraph.nodes.model_files import read_model, shipped_gans

ONE_SIDED = ("mirror", "negate", "threshold", "ripple")
OPERATIONS = NODES["bend"].widgets["operation"].choices
KINDS = ("square", "wide", "alpha", "grown")


def kinds():
    return [(m, k) for m in METHODS for k in KINDS if k != "grown" or m == "projected"]


def changed(first, second):
    return not torch.equal(first, second)


@pytest.mark.parametrize(("method", "kind"), kinds())
def test_a_bend_changes_pictures_of_every_gan_and_strength_0_nothing(method, kind):
    model = gan(method, kind)
    before = image(model)
    bent = run("bend", {"gan": model}, operation="negate", strength=0.8, levels="all")["gan"]
    assert changed(image(bent), before)
    assert image(bent).shape == before.shape
    assert image(bent).isfinite().all()
    for operation in OPERATIONS:
        same = run("bend", {"gan": model}, operation=operation, strength=0.0)["gan"]
        assert same.config == model.config
        assert "bends" not in same.config
        assert same.digest() == model.digest()


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("level", ["1", "2"])
def test_every_operation_works_in_both_directions(operation, level):
    model = gan("projected", "wide")
    before = image(model)
    seen = [before]
    for strength in (0.4, 0.9) if operation in ONE_SIDED else (-0.9, -0.4, 0.4, 0.9):
        bent = run("bend", {"gan": model}, operation=operation, strength=strength, levels=level)
        picture = image(bent["gan"])
        assert picture.isfinite().all()
        assert torch.equal(picture, image(bent["gan"]))
        assert all(changed(picture, other) for other in seen)
        seen.append(picture)


def test_a_bent_gan_is_saved_loaded_bent_again_and_trained(tmp_path):
    model = gan("projected")
    bent = run("bend", {"gan": model}, operation="rotate", strength=0.5, levels="coarse")["gan"]
    twice = run("bend", {"gan": bent}, operation="blur", strength=0.5, levels="fine")["gan"]
    assert [bend["operation"] for bend in twice.config["bends"]] == ["rotate", "blur"]
    assert changed(image(twice), image(bent))
    files = run("save_model", {"model": twice}, name="bent")["files"]
    path = tmp_path / "bent.safetensors"
    path.write_bytes(files.files["bent.safetensors"])
    loaded = read_model(path).gan
    assert loaded.config == twice.config
    assert torch.equal(image(loaded), image(twice))
    decoded = Gan.decode(Gan.encode(twice)[0], None)
    assert decoded.config == twice.config
    start = (GanConfig.from_dict(twice.config), twice.state)
    done = train(trained_on(32, 32, 3, 2), torch.arange(8) % 2, ("a", "b"), 2, start=start)
    assert done.config.bends == start[0].bends
    assert all(value.isfinite().all() for value in done.state.values())


def test_only_the_chosen_feature_maps_are_bent():
    model, seen = gan("projected"), {}
    for name, chosen in {"whole": "all", "some": "2-3, 5"}.items():
        bent = run(
            "bend", {"gan": model}, operation="amplify", strength=1.0, levels="1", channels=chosen
        )["gan"]
        network = bent.network()
        network.bends.register_forward_hook(
            lambda _, inputs, out, name=name: seen.update({(name, inputs[1]): (inputs[0], out)})
        )
        network(torch.randn(1, network.config.latent_dim, generator=rng(1)), torch.eye(2)[:1])
    before, after = seen["some", 0]
    assert torch.equal(after[:, [1, 2, 4]], 4 * before[:, [1, 2, 4]])
    others = [c for c in range(16) if c not in (1, 2, 4)]
    assert torch.equal(after[:, others], before[:, others])
    assert torch.equal(seen["whole", 0][1], 4 * seen["whole", 0][0])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_many_pictures_are_bent_in_parts_to_the_same_bits(operation, monkeypatch):
    maps = torch.randn(5, 4, 12, 10, generator=rng(2))
    bent = bends.Bends((bends.Bend(operation, 0.7, 0, (0, 2, 3)),))
    whole = bent(maps, 0)
    assert bent(maps, 1) is maps
    assert torch.equal(whole[:, 1], maps[:, 1])
    assert changed(whole, maps)
    monkeypatch.setattr(bends, "PART", 2 * maps[0, :3].numel())
    assert torch.equal(bent(maps, 0), whole)


def test_groups_of_feature_maps_are_all_maps_once():
    model, lines, found = gan("projected"), [], []
    for cluster in (1, 2, 3):
        bent = run(
            "bend",
            {"gan": model},
            log=lines,
            levels="1",
            clusters=3,
            cluster=cluster,
            channels="3-16",
        )["gan"]
        found.append(bent.config["bends"][0]["channels"])
    assert sorted(c for group in found for c in group) == list(range(2, 16))
    assert len(found[0]) >= len(found[1]) >= len(found[2]) > 0
    assert lines[0] == (
        f"groups of feature maps of level 1: {', '.join(str(len(f)) for f in found)}; number 1 is"
        " bent"
    )


@pytest.mark.parametrize(
    ("widgets", "message"),
    [
        ({"levels": "4"}, r"4 is not within the levels, 1 to 2 - set `levels` to coarse"),
        ({"levels": "some"}, r"'some' does not name a level - set `levels`"),
        ({"levels": "middle"}, r"this GAN has no middle level, only coarse and fine - set"),
        ({"levels": "1", "channels": "9-17"}, r"9-17 is not within the feature maps, 1 to 16"),
        ({"levels": "1", "cluster": 2}, r"there is no group 2 of 1 - raise `clusters`"),
        (
            {"levels": "1", "operation": "mirror", "strength": -0.5},
            r"strength must be from 0 to 1 for mirror, not -0.5 - set `strength` to 0",
        ),
    ],
)
def test_a_wrong_bend_is_an_error_with_advice(widgets, message):
    with pytest.raises(NodeError, match=message):
        run("bend", {"gan": gan("projected")}, **widgets)


def test_a_gan_has_64_bends_at_most():
    model = gan("projected")
    for _ in range(32):
        model = run("bend", {"gan": model}, levels="all", strength=0.1)["gan"]
    with pytest.raises(NodeError, match=r"number of bends must be .* 64, not 65 - bend a GAN that"):
        run("bend", {"gan": model}, strength=0.1)
    assert image(model).isfinite().all()


@pytest.mark.parametrize(
    "wrong_bends",
    [
        3,
        ["x"],
        [{"operation": "exec", "strength": 0.5, "level": 0, "channels": [0]}],
        [{"operation": "blur", "strength": float("nan"), "level": 0, "channels": [0]}],
        [{"operation": "blur", "strength": 0.5, "level": 9, "channels": [0]}],
        [{"operation": "blur", "strength": 0.5, "level": 0, "channels": [99]}],
        [{"operation": "blur", "strength": 0.5, "level": 0, "channels": [1, 1]}],
        [{"operation": "blur", "strength": 0.5, "level": 0, "channels": [0], "code": "x"}],
        [{"operation": "blur", "strength": 0.5, "level": 0, "channels": [0]}] * 65,
    ],
)
def test_a_file_with_another_bend_is_not_a_model(wrong_bends, tmp_path):
    model = gan("projected")
    wrong = Gan({**model.config, "bends": wrong_bends}, model.state)
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(run("save_model", {"model": wrong}, name="m")["files"].files["m.safetensors"])
    with pytest.raises(InputError, match=r"wrong.safetensors is not a valid gan: "):
        read_model(path)


@pytest.mark.parametrize(("method", "kind"), kinds())
def test_blends_of_every_gan_are_between_both_and_at_the_ends_the_same(method, kind):
    first, second = gan(method, kind), gan(method, kind, seed=4)
    whole = dict.fromkeys(("coarse", "middle", "fine", "style"), 0.0)
    pair, warnings = {"first": first, "second": second}, []
    assert run("blend_models", pair, **whole)["gan"] is first
    assert run("blend_models", pair, **dict.fromkeys(whole, 1.0))["gan"] is second
    half = run("blend_models", pair, warn=warnings, **dict.fromkeys(whole, 0.5))["gan"]
    half.check()
    name = "generator.layers.0.weight" if method == "classic" else "generator.start.weight"
    middle = (first.state[name] + second.state[name]) / 2
    assert torch.allclose(half.state[name], middle, atol=1e-6)
    coarse = run("blend_models", pair, warn=warnings, **(whole | {"coarse": 1.0}))["gan"]
    assert torch.equal(coarse.state[name], second.state[name])
    same = [k for k, v in coarse.state.items() if torch.equal(v, first.state[k])]
    assert "critic" in {key.split(".")[0] for key in same}
    assert changed(image(coarse), image(first))
    assert warnings[0].startswith("the weights of these GANs are hardly alike (")


def test_a_blend_of_other_classes_knows_all_and_can_be_trained():
    shipped = shipped_gans()
    first, second, warnings = shipped["gan_64"], shipped["gan_clipart_64"], []
    blend = run("blend_models", {"first": first, "second": second}, warn=warnings)["gan"]
    assert not warnings
    assert blend.classes == first.classes + second.classes
    assert not torch.equal(*(drawn(blend, style=name)["image"] for name in ("rothko", "food")))
    rows = blend.state["critic.heads.0.embedding.weight"]
    assert rows.shape[0] == len(blend.classes)
    network = GanConfig.from_dict(blend.config)
    done = train(
        trained_on(64, 64, 3, 2),
        torch.arange(8) % 2,
        ("rothko", "food"),
        1,
        start=(network, blend.state),
    )
    assert done.config.classes == ("rothko", "food")


def test_a_blend_is_smooth_if_the_gan_of_its_fine_levels_is():
    first = gan("projected")
    second = Gan({**first.config, "smooth": True}, gan("projected", seed=4).state)
    for fine in (0.2, 0.8):
        blend = run("blend_models", {"first": first, "second": second}, fine=fine)["gan"]
        assert blend.config["smooth"] == (fine > 0.5)


def test_gans_of_different_shapes_or_bends_are_not_blended():
    first = gan("projected")
    with pytest.raises(NodeError, match=r"different shapes: they differ in .*size.* - blend a GAN"):
        run("blend_models", {"first": first, "second": gan("projected", "grown")})
    bent = run("bend", {"gan": first}, levels="all")["gan"]
    with pytest.raises(NodeError, match=r"have different bends - blend the GANs first"):
        run("blend_models", {"first": first, "second": bent})


@pytest.mark.parametrize("method", ["projected", "r3"])
def test_a_pruned_gan_draws_the_same_pictures_of_its_classes(method):
    model = gan(method, classes=("a", "b", "c"))
    pruned = run("prune_classes", {"gan": model}, keep="c, a")["gan"]
    assert pruned.classes == ("a", "c")
    for name in pruned.classes:
        assert torch.equal(*(drawn(m, style=name)["image"] for m in (model, pruned)))
    rows = [k for k, v in pruned.state.items() if v.shape != model.state[k].shape]
    assert len(rows) > 1
    assert all(key.endswith("embedding.weight") for key in rows)
    one = run("prune_classes", {"gan": model}, keep="b")["gan"]
    assert torch.equal(drawn(one)["image"], drawn(model, style="b")["image"])


def test_what_can_not_be_pruned_is_an_error():
    with pytest.raises(NodeError, match=r"the GAN has no class 'x'"):
        run("prune_classes", {"gan": gan("projected")}, keep="a, x")
    with pytest.raises(NodeError, match=r"`keep` names no class - name one of a, b"):
        run("prune_classes", {"gan": gan("projected")}, keep=",")
    with pytest.raises(NodeError, match=r"classic can't draw its classes separately"):
        run("prune_classes", {"gan": gan("classic")}, keep="a")


def test_truncation_reaches_2():
    model = gan("projected")
    assert torch.equal(drawn(model, 2.0)["latent"].z, 2 * drawn(model)["latent"].z)
