"""The operations of bends, compared with other ways to compute them; levels, blends, clusters."""

import pytest
import torch
from torch.nn import functional as F

from artgraph.models.gan.bends import Bend, Bends
from artgraph.models.gan.blending import kinship
from artgraph.models.gan.clusters import clusters_of
from artgraph.models.gan.config import GanConfig
from artgraph.models.gan.levels import group_of, level_of, read_levels, read_numbers
from artgraph.models.gan.projected_networks import ProjectedGenerator
from artgraph.models.training.rng import rng

MAPS = torch.randn(2, 3, 8, 20, generator=rng(5))
SPREAD = (MAPS - MAPS.mean((2, 3), keepdim=True)).square().mean((2, 3), keepdim=True).sqrt()
MEAN = MAPS.mean((2, 3), keepdim=True)


def bent(operation, strength, maps=MAPS):
    return Bends((Bend(operation, strength, 0, (0, 1, 2)),))(maps, 0)


EXPECTED = {
    ("rotate", 1): MAPS.flip(2, 3),
    ("rotate", -1): MAPS.flip(2, 3),
    ("shift right", 0.1): torch.cat([MAPS[..., 1:2], MAPS[..., :-1]], 3),
    ("shift right", -0.1): torch.cat([MAPS[..., 1:], MAPS[..., -2:-1]], 3),
    ("shift down", 0.5): torch.cat([MAPS[:, :, 1:3].flip(2), MAPS[:, :, :6]], 2),
    ("mirror", 1): MAPS.flip(3),
    ("mirror", 0.5): (MAPS + MAPS.flip(3)) / 2,
    ("dilate", 0.5): F.max_pool2d(MAPS, 3, 1, 1),
    ("dilate", -1): -F.max_pool2d(-MAPS, 5, 1, 2),
    ("amplify", 0.5): 2 * MAPS,
    ("amplify", -1): MAPS / 4,
    ("add", 0.5): MAPS + MAPS.square().mean((2, 3), keepdim=True).sqrt(),
    ("negate", 1): -MAPS,
    ("negate", 0.5): 0 * MAPS,
    ("threshold", 1): torch.where(MAPS > MEAN, MEAN + SPREAD, MEAN - SPREAD),
}


@pytest.mark.parametrize(("operation", "strength"), EXPECTED)
def test_an_operation_does_what_its_name_says(operation, strength):
    torch.testing.assert_close(
        bent(operation, strength), EXPECTED[operation, strength], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("strength", [-0.7, 0.3, 1])
def test_enlarging_keeps_the_middle_and_scales_a_slope(strength):
    slope = torch.arange(21).float().sub(10).expand(1, 3, 9, 21)
    found = bent("enlarge", strength, slope)
    middle = slice(8, 13) if strength < 0 else slice(1, 20)
    torch.testing.assert_close(found[..., middle], slope[..., middle] * 4.0**-strength)


@pytest.mark.parametrize(
    ("operation", "strength"), [("blur", 0.5), ("blur", -0.5), ("ripple", 0.6)]
)
def test_filters_keep_the_mean_and_change_stripes_by_their_gain(operation, strength):
    found = bent(operation, strength)
    torch.testing.assert_close(found.mean((2, 3)), MAPS.mean((2, 3)), atol=1e-5, rtol=1e-4)
    stripes = torch.cos(torch.arange(20) * 2 * torch.pi / 10).expand(1, 3, 8, 20)
    gain = {
        ("blur", 0.5): torch.tensor(-2 * (torch.pi * 0.5 * 0.1) ** 2).exp(),
        ("blur", -0.5): 1 + 2 * (1 - torch.tensor(-2 * (torch.pi * 0.1) ** 2).exp()),
        ("ripple", 0.6): torch.tensor(2 * torch.pi * 1.2 * 0.1).cos(),
    }[operation, strength]
    torch.testing.assert_close(bent(operation, strength, stripes), gain * stripes)


@pytest.mark.parametrize(
    ("count", "groups"),
    [(1, "c"), (2, "cf"), (3, "cmf"), (4, "cmmf"), (5, "ccmff"), (6, "ccmmff"), (7, "ccmmmff")],
)
def test_levels_are_coarse_middle_or_fine(count, groups):
    assert "".join(group_of(level, count)[0] for level in range(count)) == groups


def test_levels_and_channels_are_read():
    assert read_levels("coarse", 4) == [0]
    assert read_levels(" middle ", 4) == [1, 2]
    assert read_levels("2-3,1", 4) == [0, 1, 2]
    assert read_numbers("all", 3, "level") == [0, 1, 2]
    for wrong in ("", "0", "5", "3-2", "1;2", "-1", "x", "9" * 30):
        with pytest.raises(ValueError, match=r"level"):
            read_levels(wrong, 4)


def test_every_weight_has_a_level():
    config = GanConfig.default("projected", 32, ("a",)).enlarged(128)
    found = {name: level_of(name, config) for name in ProjectedGenerator(config).state_dict()}
    assert {level for level in found.values() if level is not None} == {*range(4)}
    assert found["patches.pixels.weight"] == 1
    assert found["details.1.pixels.weight"] == 3
    assert found["between.0.weight"] == 1
    assert {name.split(".")[0] for name, level in found.items() if level is None} == {
        "embedding",
        "mapping",
    }


def test_clusters_are_the_groups_of_near_points():
    random = rng(1)
    centres = 10 * torch.randn(3, 6, generator=random)
    kind = torch.tensor([0, 1, 2, 0, 0, 1, 0, 2, 1])
    points = centres[kind] + 0.1 * torch.randn(9, 6, generator=random)
    assert clusters_of(points, 3) == [[0, 3, 4, 6], [1, 5, 8], [2, 7]]
    assert clusters_of(points[:2], 5) == [[0], [1]]
    assert clusters_of(torch.zeros(4, 2), 3) == [[0, 1, 2, 3]]


def test_kinship_is_1_for_equal_weights_and_0_for_independent_ones():
    first, second = (
        {"generator.x": torch.randn(64, 32, 3, 3, generator=rng(seed))} for seed in (1, 2)
    )
    assert kinship(first, first) == pytest.approx(1)
    assert abs(kinship(first, second)) < 0.03
