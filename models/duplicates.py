"""Finds pictures of a set that are the same picture: cropped, flipped, recoloured or recompressed.

For each picture, the most similar ones are found with short descriptors, and each such pair is then
laid over each other (see registration.py). The descriptor is a map of edges: it does not depend on
the colours, and a flip only changes the signs of some of its numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from .registration import register

EDGE = 32  # edge in pixels of the squares that are compared
CELLS = 8  # cells of a descriptor, across and down
CANDIDATES = 8  # pictures that are compared with each picture in detail
PART = 1024  # pairs that are compared at a time
LIKELY = 3  # of these, how many are compared if the search is quick
_SHORTLIST = 32  # pictures whose windows are examined if the search is quick
_LEAST = 0.65  # smallest cosine of descriptors of pictures that are compared then
_QUERIES = 256  # pictures whose shortlists are in memory at a time
_CELLS_AT_ONCE = 1 << 24  # similarities that are computed at a time
_READ_AT_ONCE = 1 << 24  # bytes of pictures, as float32, that are in memory at a time
FLIPS = ((1, 1), (-1, 1), (1, -1), (-1, -1))  # signs: across, down
_ZOOM, _OFFSET, _SHIFT = 0.93, 0.07, 0.12
# Windows in which a picture is searched: scale, shift across and down.
WINDOWS = (
    (1.0, 0.0, 0.0),
    *((_ZOOM, x, y) for x in (-_OFFSET, _OFFSET) for y in (-_OFFSET, _OFFSET)),
    *((1 / _ZOOM, x, y) for x in (-_OFFSET, _OFFSET) for y in (-_OFFSET, _OFFSET)),
    *((1.0, x, y) for x, y in ((_SHIFT, 0.0), (-_SHIFT, 0.0), (0.0, _SHIFT), (0.0, -_SHIFT))),
)


class Pictures(Protocol):
    """Pictures, uint8 (N, H, W, C), of which a part is in memory at a time, or a tensor of them."""

    @property
    def shape(self) -> Sequence[int]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        """Returns the pictures with these row numbers, int64 (M,)."""


class Pairs(NamedTuple):
    """Pairs of pictures that may be the same.

    rows:       (K, 2), the first row number is the smaller one.
    similarity: (K,) in 0..1; see `_similarity`.
    changes:    K texts that say how the second picture differs, such as "flipped, recoloured".
    """

    rows: Tensor
    similarity: Tensor
    changes: list[str]


def squares(images: Tensor) -> Tensor:
    """Returns the colours of pictures (N, H, W, C) uint8 at EDGE px, (N, 3, E, E) in 0..1."""
    planes = images[..., :3].permute(0, 3, 1, 2).float().div_(255)
    size = (EDGE, EDGE)
    return F.interpolate(planes, size, mode="bilinear", antialias=True, align_corners=False)


class _Squares:
    """The colours of pictures at EDGE px, by row numbers.

    Those of large pictures are computed once and stay in memory. Small ones are read each time,
    since they are as quickly read as stored colours would be, and need no memory then.
    """

    def __init__(self, images: Pictures) -> None:
        self._images = images
        size = math.prod(images.shape[1:])
        self._count = max(1, min(256, _READ_AT_ONCE // (4 * size)))  # pictures read at a time
        is_small = size <= 4 * 3 * EDGE * EDGE
        self._stored = None if is_small else self._read(torch.arange(len(images)))

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, rows: Tensor) -> Tensor:
        return self._read(rows) if self._stored is None else self._stored[rows]

    def _read(self, rows: Tensor) -> Tensor:
        # The layout is that of `squares`, because last bits of the fits depend on it.
        found = torch.empty(len(rows), EDGE, EDGE, 3).permute(0, 3, 1, 2)
        for part, target in zip(rows.split(self._count), found.split(self._count), strict=True):
            target.copy_(squares(self._images[part]))
        return found

    def descriptors(self) -> Tensor:
        """Returns the descriptors of all pictures, (4, N, D)."""
        found = torch.empty(len(FLIPS), len(self), 3 * CELLS * CELLS)
        for rows, target in zip(
            torch.arange(len(self)).split(256), found.split(256, 1), strict=True
        ):
            target.copy_(describe(edge_maps(self[rows])))
        return found


def edge_maps(pictures: Tensor) -> Tensor:
    """Returns the structure tensor of pictures (N, 3, E, E) as three maps, (N, 3, E, E).

    The colours are whitened before, so a linear change of the colours hardly changes the maps
    (Di Zenzo 1986, "A note on the gradient of a multi-image").
    """
    padded = F.pad(_whitened(pictures), (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    return torch.stack([across.square().sum(1), down.square().sum(1), (across * down).sum(1)], 1)


def _whitened(pictures: Tensor) -> Tensor:
    pixels = pictures.flatten(2).double()
    pixels = pixels - pixels.mean(2, keepdim=True)
    spread = pixels @ pixels.mT / pixels.shape[2]
    floor = 4e-4 + 0.03 * spread.diagonal(dim1=1, dim2=2).sum(1)
    values, axes = torch.linalg.eigh(spread + floor[:, None, None] * torch.eye(3))
    root = (axes * values.rsqrt()[:, None]) @ axes.mT
    whitened: Tensor = (root @ pixels).float().view(pictures.shape)
    return whitened


def describe(maps: Tensor, window: tuple[float, float, float] = WINDOWS[0]) -> Tensor:
    """Returns descriptors of length 1, (4, N, D): a block for each entry of FLIPS.

    A flip across changes the sign of the blocks with -1 in the first place, and a flip down that of
    the blocks with -1 in the second place.
    """
    scale, x, y = window
    matrix = torch.tensor([[scale, 0, x], [0, scale, y]]).expand(len(maps), 2, 3)
    size = [len(maps), 1, 2 * CELLS, 2 * CELLS]
    grid = F.affine_grid(matrix, size, align_corners=False)
    smooth = F.avg_pool2d(F.pad(maps, (1, 1, 1, 1), mode="replicate"), 3, 1)
    cells = F.grid_sample(smooth, grid, padding_mode="border", align_corners=False)
    cells = F.avg_pool2d(cells, 2)
    cells = cells.sign() * cells.abs().sqrt()
    mean = cells.mean((2, 3), keepdim=True)
    mean[:, 2] = 0  # the sign of this map depends on the flip
    cells = cells - mean
    own = torch.tensor([1.0, 1.0, -1.0]).view(1, 3, 1, 1)
    blocks = []
    for across, down in FLIPS:
        part = (cells + across * own * cells.flip(3)) / 2
        part = (part + down * own * part.flip(2)) / 2
        blocks.append(part.flatten(1))
    joined = torch.stack(blocks)
    return joined / joined.square().sum((0, 2), keepdim=True).sqrt().clamp(min=1e-6)


def _likeness(queries: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the largest cosine over the flips, and the number of the flip, both (Q, N)."""
    return _best_flip(a @ b.T for a, b in zip(queries, known, strict=True))


def _best_flip(parts: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Returns the largest cosine over the flips from those of the blocks, and the flip's number."""
    even, one, other, both = parts
    # With signs s and t for the flips: even + s one + t other + s t both.
    upper, lower = other + both, other - both
    kept, flipped = even + one + upper.abs(), even - one + lower.abs()
    number = torch.where(flipped > kept, 1 + 2 * (lower < 0), 2 * (upper < 0))
    return torch.maximum(kept, flipped), number.byte()


class _Candidates(NamedTuple):
    first: Tensor
    second: Tensor
    flip: Tensor
    window: Tensor


def candidates(small: _Squares, progress: Callable[[float, float], None]) -> _Candidates:
    """Returns pairs of pictures with similar descriptors: `second` in a window is like `first`.

    The cost grows with the square of the number of pictures, but is small: a matrix product.
    """
    known = small.descriptors()
    count = min(CANDIDATES, len(small) - 1)
    rows = max(1, _CELLS_AT_ONCE // len(small))
    found = []
    for start in range(0, len(small), rows):
        own = torch.arange(start, min(start + rows, len(small)))
        maps = edge_maps(small[own])
        best = torch.full((len(own), len(small)), -1.0)
        flip = torch.zeros(best.shape, dtype=torch.uint8)
        window = torch.zeros(best.shape, dtype=torch.uint8)
        for number, place in enumerate(WINDOWS):
            like, flips = _likeness(describe(maps, place), known)
            better = like > best
            best = torch.where(better, like, best)
            flip = torch.where(better, flips, flip)
            window.masked_fill_(better, number)
        best[torch.arange(len(own)), own] = -2.0
        chosen = best.topk(count, 1).indices
        found.append(
            _Candidates(
                chosen.flatten(),
                own[:, None].expand_as(chosen).flatten(),
                flip.gather(1, chosen).flatten(),
                window.gather(1, chosen).flatten(),
            )
        )
        progress(start + len(own), len(small))
    return _Candidates(*map(torch.cat, zip(*found, strict=True)))


def _likely_candidates(small: _Squares, progress: Callable[[float, float], None]) -> _Candidates:
    """Returns fewer pairs than `candidates`, in much less time.

    Only pictures that are similar as a whole are examined in windows. In 400 procedural pictures
    that were changed once or twice, among 1,200, the right one was always on this shortlist, and
    then in 99.5 % among the first `LIKELY`.
    """
    known = small.descriptors()
    count = min(_SHORTLIST, len(small) - 1)
    rows = max(1, _CELLS_AT_ONCE // 16 // len(small))
    found = []
    done = 0
    for own in torch.arange(len(small)).split(_QUERIES):
        maps = edge_maps(small[own])
        shortlist = torch.cat([_most_similar(known, part, count) for part in own.split(rows)])
        listed = known[:, shortlist]  # (4, Q, S, D)
        likes, flips = [], []
        for place in WINDOWS:
            queries = describe(maps, place)[..., None]
            like, flip = _best_flip((listed @ queries)[..., 0])
            likes.append(like)
            flips.append(flip)
        best, window = torch.stack(likes).max(0)
        flip = torch.stack(flips).gather(0, window[None])[0]
        row, place_ = (best >= _LEAST).nonzero(as_tuple=True)
        order = best.argsort(1, descending=True).argsort(1)  # the rank of each
        first = order[row, place_] < LIKELY
        row, place_ = row[first], place_[first]
        chosen = shortlist[row, place_]
        found.append(_Candidates(chosen, own[row], flip[row, place_], window[row, place_]))
        done += len(own)
        progress(done, len(small))
    return _Candidates(*map(torch.cat, zip(*found, strict=True)))


def _most_similar(known: Tensor, own: Tensor, count: int) -> Tensor:
    """Returns the row numbers of the pictures that are most similar to some, (Q, count)."""
    whole, _ = _likeness(known[:, own], known)
    whole[torch.arange(len(own)), own] = -2.0
    return whole.topk(count, 1).indices


def near_duplicates(
    images: Pictures,
    least: float,
    progress: Callable[[float, float], None],
    quick: bool = False,
) -> Pairs:
    """Returns the pairs of pictures with a similarity of at least `least`, the most similar first.

    images: uint8 (N, H, W, C). Identical pictures should be removed before.
    quick:  compare only pictures that are probably the same, which takes a fraction of the time.
    """
    if len(images) < 2:
        return Pairs(torch.zeros(0, 2, dtype=torch.int64), torch.zeros(0), [])
    small = _Squares(images)
    search = _likely_candidates if quick else candidates
    found = search(small, lambda done, total: progress(0.4 * done / total, 1))
    best: dict[tuple[int, int], tuple[float, str]] = {}
    for start in range(0, len(found.first), PART):
        part = _Candidates(*(column[start : start + PART].long() for column in found))
        similarity, changes = _compare(small, part)
        pairs = torch.stack([part.first, part.second], 1).sort(1).values.tolist()
        for pair, value, change in zip(pairs, similarity.tolist(), changes, strict=True):
            key = (pair[0], pair[1])
            if value >= least and value > best.get(key, (0.0, ""))[0]:
                best[key] = value, change
        progress(0.4 + 0.6 * min(1.0, (start + PART) / len(found.first)), 1)
    ordered = sorted(best, key=lambda pair: (-best[pair][0], pair))
    return Pairs(
        torch.tensor(ordered, dtype=torch.int64).view(-1, 2),
        torch.tensor([best[pair][0] for pair in ordered]),
        [best[pair][1] for pair in ordered],
    )


def _compare(small: _Squares, pairs: _Candidates) -> tuple[Tensor, list[str]]:
    """Returns the similarity of pairs of pictures, and in what they differ."""
    windows = torch.tensor(WINDOWS)[pairs.window]
    place = torch.stack([windows[:, 0].log(), windows[:, 0].log(), windows[:, 1], windows[:, 2]], 1)
    first, second = _flipped(small[pairs.first], pairs.flip), small[pairs.second]
    # A grey picture can be explained by a coloured one, but not the other way round.
    swapped = _colourfulness(first) > _colourfulness(second)
    inverse = torch.cat([-place[:, :2], -place[:, 2:] / place[:, :2].exp()], 1)
    place = torch.where(swapped[:, None], inverse, place)
    chosen = swapped[:, None, None, None]
    fit = register(torch.where(chosen, second, first), torch.where(chosen, first, second), place)
    recoloured = fit.colours - fit.plain
    moved = fit.place.abs().amax(1)
    changes = []
    for flip, colour, distance in zip(
        pairs.flip.tolist(), recoloured.tolist(), moved.tolist(), strict=True
    ):
        words = ["flipped"] * (flip > 0) + ["cropped or shifted"] * (distance > 0.03)
        words += ["recoloured"] * (colour > 0.02)
        changes.append(", ".join(words) or "nearly identical")
    return _similarity(*fit), changes


def _similarity(
    place: Tensor, colours: Tensor, plain: Tensor, detail: Tensor, overlap: Tensor
) -> Tensor:
    """Returns how similar pictures are, 0..1, from a `Fit`.

    It is a mean of what is explained of the colours and of the details. Different pictures with a
    simple layout fit too if enough is changed, so a change of colours, of the scale and of the
    proportions lowers it. The factors were found by logistic regression on 2,000 procedural
    pictures, 480 of which were changed once and 480 twice.
    """

    def bits(explained: Tensor) -> Tensor:
        return -(1 - explained).clamp(1e-3, 1).log()

    zoom, stretch = (place[:, 0] + place[:, 1]).abs() / 2, (place[:, 0] - place[:, 1]).abs()
    score = 0.6 * bits(colours) + bits(detail)
    score -= 3.5 * (colours - plain).clamp(0, 0.4) + 2 * zoom + stretch
    similarity = (1 - (-score.clamp(min=0) / 1.6).exp()) * (overlap > 0.5)
    return (similarity * 1000).round() / 1000


def _flipped(pictures: Tensor, flip: Tensor) -> Tensor:
    flipped = pictures.clone()
    across, down = flip % 2 == 1, flip >= 2
    flipped[across] = flipped[across].flip(3)
    flipped[down] = flipped[down].flip(2)
    return flipped


def _colourfulness(pictures: Tensor) -> Tensor:
    """Returns the variance of the colours (N,) without that of the brightness."""
    pixels = pictures.flatten(2)
    pixels = pixels - pixels.mean(2, keepdim=True)
    return (pixels - pixels.mean(1, keepdim=True)).square().sum((1, 2))
