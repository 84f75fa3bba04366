"""Pictures that belong together, and a choice of pictures that does not separate them."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

_AT_ONCE = 1 << 22  # bytes of pictures that are read at a time


def groups_of(images: Tensor, groups: Tensor | None) -> Tensor:
    """Returns the group of each picture, int64 (N,): the row number of its first picture.

    Identical pictures are in one group, and so are pictures with the same number in `groups`. Two
    groups that contain the same picture become one.

    images: uint8 (N, H, W, 3 or 4), a tensor or a `PictureBatch`. The colours of clear pixels do
            not count.
    """
    first = list(range(len(images)))

    def root(row: int) -> int:
        while first[row] != row:
            first[row] = first[first[row]]
            row = first[row]
        return row

    seen: dict[bytes | int, int] = {}
    numbers = [] if groups is None else groups.tolist()
    count = max(1, _AT_ONCE // math.prod(images.shape[1:]))
    digests = (_digest(picture) for part in images.split(count) for picture in part)
    for row, digest in enumerate(digests):
        keys: list[bytes | int] = [digest, *numbers[row : row + 1]]
        for key in keys:
            one, other = root(row), root(seen.setdefault(key, row))
            first[max(one, other)] = min(one, other)
    return torch.tensor([root(row) for row in range(len(images))], dtype=torch.int64)


def together(groups: Tensor) -> str:
    """Returns a line about the pictures that are in a group with others; empty if none is."""
    sizes = [size for size in Counter(groups.tolist()).values() if size > 1]
    if not sizes:
        return ""
    kinds = "1 group" if len(sizes) == 1 else f"{len(sizes)} groups"
    return f"{sum(sizes)} pictures are identical or of one source, so {kinds} of them stay together"


def choose_per_class(
    labels: Tensor,
    groups: Tensor,
    wanted: Callable[[int], int],
    random: Callable[[int], torch.Generator],
) -> Tensor:
    """Choose a number of pictures of each class, but only whole groups.

    Groups are chosen in random order if they fit into the number. If none fits, the smallest one
    is chosen. At least one picture of each class is not chosen. A group with pictures of several
    classes counts for all of them.

    wanted: returns how many pictures of a class to choose, for the size of the class.
    random: returns the generator for a class.

    Returns a mask (N,).
    """
    classes = labels.tolist()
    members: dict[int, Counter[int]] = {}  # pictures of each class in a group
    for label, group in zip(classes, groups.tolist(), strict=True):
        members.setdefault(group, Counter())[label] += 1
    sizes, left = Counter(classes), Counter(classes)  # `left`: pictures that are not chosen
    chosen: set[int] = set()

    def may_choose(group: int) -> bool:
        counts = members[group].items()
        return group not in chosen and all(left[label] > count for label, count in counts)

    for label in sorted(sizes):
        count = wanted(sizes[label])
        if count <= 0:
            continue
        own = [group for group, counts in members.items() if label in counts]
        order = torch.randperm(len(own), generator=random(label)).tolist()
        shuffled = [own[place] for place in order]
        for group in shuffled:
            room = count - (sizes[label] - left[label])
            if members[group][label] <= room and may_choose(group):
                chosen.add(group)
                left.subtract(members[group])
        if left[label] == sizes[label]:  # all groups are larger than `count`
            smallest = min(
                filter(may_choose, shuffled), key=lambda g: members[g][label], default=-1
            )
            if smallest >= 0:
                chosen.add(smallest)
                left.subtract(members[smallest])
    return torch.tensor([group in chosen for group in groups.tolist()])


def _digest(picture: Tensor) -> bytes:
    if picture.shape[2] == 4:
        picture = picture * (picture[..., 3:] > 0)
    return hashlib.blake2b(picture.numpy().tobytes(), digest_size=16).digest()
