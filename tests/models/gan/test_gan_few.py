"""What helps GANs on few pictures: distances that vary less, and pictures without a fine grid."""

from __future__ import annotations

import pytest
import torch
from gans import pictures, quick, train  # noqa: F401 - fixtures
from torch.nn import functional as F

from artgraph.models.gan.api import GanConfig
from artgraph.models.gan.batches import GROUP
from artgraph.models.gan.energy import PATCH, PLACES, class_energy, draw_pixels, energy
from artgraph.models.gan.projected_networks import without_stripes
from artgraph.models.gan.start import is_striped
from artgraph.models.training.rng import rng


def draws(count, *counters):
    return torch.randn(count, 5, generator=rng(0, *counters))


def test_the_distance_of_a_class_is_that_of_a_group_if_there_is_only_one():
    fakes, reals = draws(GROUP, 1), draws(GROUP, 2)
    one = class_energy(fakes, reals, torch.ones(GROUP, 1))
    assert one.item() == pytest.approx(energy(fakes, reals, 1).item(), abs=1e-6)


def test_only_pictures_of_one_class_are_compared():
    classes = F.one_hot(torch.tensor([0, 1] * GROUP)).float()
    far = 9 * classes[:, :1]
    right = class_energy(draws(8, 1) + far, draws(8, 2) + far, classes)
    swapped = class_energy(draws(8, 1) + far, draws(8, 2) + 9 - far, classes)
    assert swapped > right + 5


def test_what_a_picture_learns_depends_less_on_the_others_of_the_batch():
    ones, first = torch.ones(8 * GROUP, 1), torch.ones(1, 5)

    def gradients(distance):
        """Returns the gradients of the same picture in 40 batches."""
        found = []
        for i in range(40):
            picture = first.clone().requires_grad_()
            fakes = torch.cat([picture, draws(8 * GROUP, 1, i)[1:]])
            distance(fakes, draws(8 * GROUP, 2, i)).backward()
            found.append(picture.grad)
        return torch.cat(found)

    by_group = gradients(lambda x, y: energy(x, y, 1))
    by_class = gradients(lambda x, y: class_energy(x, y, ones))
    assert by_class.std(0).mean() < 0.5 * by_group.std(0).mean()
    torch.testing.assert_close(by_class.mean(0), by_group.mean(0), atol=0.005, rtol=0)


def test_patches_of_pixels_are_squares_anywhere_in_the_picture():
    chosen = draw_pixels((20, 9), rng(0))
    assert chosen.shape == (PLACES, PATCH**2)
    rows, columns = chosen // 9, chosen % 9
    assert rows.max() < 20
    for places in (rows.view(-1, PATCH, PATCH), columns.view(-1, PATCH, PATCH).mT):
        assert (places - places[:, :1, :1] == torch.arange(PATCH)[:, None]).all()
    assert {*(rows[:, 0] % PATCH).tolist()} == {*range(PATCH)}
    assert {*columns[:, 0].tolist()} == {*range(9 - PATCH + 1)}


def test_only_the_finest_stripes_are_removed():
    x = torch.arange(16)
    for period, kept in ((2, 0.0), (4, 0.75), (16, 0.99)):
        wave = torch.cos(2 * torch.pi * x / period).expand(1, 1, 16, 16)
        for stripes in (wave, wave.mT):
            inner = (without_stripes(stripes) - kept * stripes)[..., 2:-2, 2:-2]
            assert inner.abs().max() < 0.01
    flat = torch.full((1, 3, 5, 7), 0.3)
    torch.testing.assert_close(without_stripes(flat), flat)


def smooth_pictures(count, classes):
    images, labels = pictures(count, classes)
    coarse = F.interpolate(images[:, ::8, ::8].permute(0, 3, 1, 2).float(), 32, mode="bilinear")
    return coarse.permute(0, 2, 3, 1).byte(), labels


def test_a_gan_that_continues_on_smooth_pictures_draws_no_fine_stripes():
    first = train(*smooth_pictures(12, 2), 2, 1)
    assert not first.config.smooth, "nothing changes from scratch"
    assert is_striped(pictures(12, 2)[0])
    assert not train(*pictures(12, 2), 2, 1, start=first[:2]).config.smooth
    second = train(*smooth_pictures(12, 2), 2, 1, start=first[:2])
    assert second.config.smooth
    assert GanConfig.from_dict(second.config.to_dict()) == second.config
    older = {k: v for k, v in second.config.to_dict().items() if k != "smooth"}
    assert not GanConfig.from_dict(older).smooth, "as it was made"


class Watching(torch.nn.Module):
    """A network of four maps that keeps the pictures that it saw."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(x)
        return [F.avg_pool2d(x, 2**k) for k in (1, 2, 3, 4)]


def test_a_further_network_sees_half_of_the_pictures_and_none_is_augmented():
    network, (images, labels) = Watching(), pictures(6, 1, 128)
    train(images, labels, 1, 1, further=network, augment="on", mirror=False)
    known = {tuple(image.flatten().tolist()) for image in images}
    reals = network.seen[-1]
    assert not reals.requires_grad
    assert len(reals) == 4
    seen = ((reals.float() + 1) * 127.5).round().long().permute(0, 2, 3, 1).flatten(1)
    assert {tuple(row) for row in seen.tolist()} <= known


def test_a_further_network_sees_small_pictures_enlarged():
    network = Watching()
    train(*pictures(6, 1), 1, 1, further=network)
    assert {tuple(x.shape[2:]) for x in network.seen} == {(128, 128)}
