"""Pictures that belong together are never separated."""

import torch

from artgraph.contract.context import Context
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.dataset import Dataset
from artgraph.models.groups import choose_per_class, groups_of, together

NODES = load_nodes()


def pictures(count, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 16, 16, 3), dtype=torch.uint8, generator=random)


def choose(labels, groups, share, seed=0):
    return choose_per_class(
        labels,
        groups,
        lambda size: round(share * size),
        lambda label: torch.Generator().manual_seed(100 * seed + label),
    )


def test_identical_pictures_and_groups_that_share_one_become_one_group():
    images = pictures(6)
    images[4] = images[1]
    assert groups_of(images, None).tolist() == [0, 1, 2, 3, 1, 5]
    groups = torch.tensor([7, 7, 8, 9, 9, 3])  # 0-1 and 3-4 are groups, and 1 equals 4
    assert groups_of(images, groups).tolist() == [0, 0, 2, 0, 0, 5]


def test_only_whole_groups_are_chosen_and_each_class_keeps_pictures():
    for seed in range(20):
        random = torch.Generator().manual_seed(seed)
        labels = torch.randint(0, 4, (60,), generator=random)
        groups = torch.randint(0, 25, (60,), generator=random)  # most have several classes
        chosen = choose(labels, groups, 0.3, seed)
        assert chosen.any()
        assert not set(groups[chosen].tolist()) & set(groups[~chosen].tolist())
        assert set(labels[~chosen].tolist()) == set(labels.tolist())


def test_the_smallest_group_is_chosen_if_all_are_larger_than_the_share():
    labels, groups = torch.zeros(20, dtype=torch.int64), torch.tensor([0] * 9 + [1] * 6 + [2] * 5)
    assert choose(labels, groups, 0.1).nonzero()[:, 0].tolist() == [15, 16, 17, 18, 19]
    assert not choose(labels, torch.zeros(20, dtype=torch.int64), 0.5).any()


def test_single_pictures_are_chosen_as_before_groups_existed():
    labels = torch.randint(0, 5, (200,), generator=torch.Generator().manual_seed(1))
    chosen = choose(labels, torch.arange(200), 0.2)
    for label in range(5):
        members = (labels == label).nonzero()[:, 0]
        order = torch.randperm(len(members), generator=torch.Generator().manual_seed(label))
        expected = members[order[: round(0.2 * len(members))]]
        assert chosen[members].nonzero().flatten().tolist() == sorted(
            (members[:, None] == expected).any(1).nonzero().flatten().tolist()
        )


def test_split_dataset_and_held_out_keep_copies_together():
    images = pictures(24).repeat_interleave(4, 0)  # four copies of each, labels without meaning
    labels = (torch.arange(24) % 2).repeat_interleave(4)
    names = tuple(f"{row}.png" for row in range(96))
    dataset = Dataset(images, labels, ("a", "b"), names)
    lines = []
    split = NODES["split_dataset"].function(
        dataset, fraction=0.25, seed=1, ctx=Context(log=lines.append)
    )
    train, test = ({bytes(i.numpy()) for i in part.images} for part in split)
    assert test
    assert not train & test
    assert lines == [together(groups_of(images, None))]
    assert "96 pictures" in lines[0]
    trained = NODES["train_classifier"].function(
        dataset, steps=60, batch=16, held_out=0.25, seed=0, ctx=Context.quiet()
    )
    assert trained.report.columns["value"][0] < 0.8, "accuracy on labels without meaning"


def test_groups_survive_the_store_and_a_subset():
    dataset = Dataset(pictures(3), torch.zeros(3, dtype=torch.int64), ("a",), ("x", "y", "z"))
    meta, buffers = Dataset.encode(dataset)
    assert set(meta) == {"classes", "names"}, "without groups, the form is that of older versions"
    assert set(buffers) == {"images", "labels"}
    grouped = Dataset(*list(vars(dataset).values())[:4], torch.tensor([5, 5, 1]))
    meta, buffers = Dataset.encode(grouped)

    class Stored:
        def tensor(self, name):
            return buffers[name]

    assert Dataset.decode(meta, Stored()).groups.tolist() == [5, 5, 1]
    assert grouped.subset(torch.tensor([2, 0])).groups.tolist() == [1, 5]


def test_the_colours_of_clear_pixels_do_not_matter():
    images = torch.cat([pictures(1).expand(3, -1, -1, -1), torch.full((3, 16, 16, 1), 255)], 3)
    images = images.byte()
    images[:2, 4:, :, 3] = 0
    images[1, 4:, :, :3] = 9
    assert groups_of(images, None).tolist() == [0, 0, 2]
