"""The order of pictures in shards: shuffled by the seed, window by window."""

import torch

from artgraph.models.training.sampler import Sampler
from artgraph.models.training.windows import StreamSampler, Windows, sampler_of


class Pictures:
    """Pictures in shards, of which only the order matters."""

    def __init__(self, count, chunk, window):
        self.chunks, self.window = torch.arange(0, count, chunk), window
        self.expected = []

    def expect(self, windows):
        self.expected.append([rows.tolist() for rows in windows])

    def found(self):
        return None

    def add_found(self, found):
        pass


def drawn(pictures, rows, batch, steps, seed=0):
    sampler = StreamSampler(Windows(pictures, rows, seed), batch)
    return [sampler.indices(step).tolist() for step in steps]


def test_each_epoch_contains_every_picture_once_in_another_order():
    rows = torch.tensor([row for row in range(100) if row % 7])
    order = [row for step in drawn(Pictures(100, 8, 20), rows, 5, range(36)) for row in step]
    first, second = order[: len(rows)], order[len(rows) : 2 * len(rows)]
    assert sorted(first) == sorted(second[: len(rows)]) == rows.tolist()
    assert first != second
    assert first != sorted(first)


def test_the_order_depends_on_the_seed_and_the_window_alone():
    rows = torch.arange(100)
    one = drawn(Pictures(100, 8, 20), rows, 16, range(20))
    assert one == drawn(Pictures(100, 8, 20), rows.flip(0), 16, range(20))
    assert one != drawn(Pictures(100, 8, 20), rows, 16, range(20), seed=1)
    assert one != drawn(Pictures(100, 8, 40), rows, 16, range(20))


def test_a_later_step_needs_only_its_own_window():
    rows = torch.arange(1000)
    pictures = Pictures(1000, 10, 50)
    late = drawn(pictures, rows, 16, [130])[0]
    assert late == drawn(Pictures(1000, 10, 50), rows, 16, range(131))[130]
    assert len(pictures.expected) == 1
    now, following = pictures.expected[0]
    assert len(now) + len(following) <= 2 * (50 + 10)
    assert set(late) <= {*now, *following}
    assert now == sorted(now)


def test_pictures_are_drawn_while_they_are_expected():
    pictures = Pictures(200, 8, 24)
    sampler = StreamSampler(Windows(pictures, torch.arange(200), 3), 10)
    for step in range(60):
        rows = sampler.indices(step).tolist()
        # A step that begins in one window and ends in the next has both of them before.
        there = {row for windows in pictures.expected[-2:] for rows in windows for row in rows}
        assert set(rows) <= there


def test_pictures_in_memory_are_drawn_as_before():
    images, rows = torch.zeros(30, 2, 2, 3, dtype=torch.uint8), torch.arange(30)
    sampler = sampler_of(images, rows, 7, 5)
    assert isinstance(sampler, Sampler)
    assert sampler.indices(4).equal(Sampler(rows, 7, 5).indices(4))
