"""Operations whose usual CUDA kernels are slow or do not repeat to the bit, written differently.

On the processor each function calls torch's own operation, so that results there stay the same.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Returns scaled dot-product attention of tensors (N, heads, places, width).

    On CUDA, the backward passes of the fused kernels add in any order, so a training uses plain
    matrix products. The maps here are small.
    """
    if query.is_cuda and torch.is_grad_enabled():
        return plain_attention(query, key, value)
    return F.scaled_dot_product_attention(query, key, value)


def attention_by_products(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Returns attention as two matrix products, with other last bits than `attention`.

    With the products, a generator of 64 px and its gradient need a quarter less time on a processor
    than with torch's fused kernel for bfloat16.
    """
    scaled = query * query.shape[-1] ** -0.5
    result: Tensor = (scaled @ key.transpose(-1, -2)).softmax(-1) @ value
    return result


def plain_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Returns the bits of torch's attention with `sdpa_kernel(SDPBackend.MATH)`.

    That context changes a switch of the whole process, which other threads use for other GPUs.
    """
    kind = query.device.type
    if torch.is_autocast_enabled(kind):
        lower = torch.get_autocast_dtype(kind)
        query, key, value = (x.to(lower) for x in (query, key, value))
    with torch.autocast(kind, enabled=False):
        result: Tensor = torch.ops.aten._scaled_dot_product_attention_math(query, key, value)[0]
    return result


def enlarged(x: Tensor) -> Tensor:
    """Returns maps (N, C, 2 H, 2 W): maps (N, C, H, W), enlarged by bilinear interpolation.

    On a GPU, with deterministic algorithms, torch does this by indexing, and by sorting in the
    backward pass.
    """
    if x.is_cpu:
        return F.interpolate(x, scale_factor=2, mode="bilinear")
    return enlarged_by_shifts(x)


def enlarged_by_shifts(x: Tensor) -> Tensor:
    """Returns what `enlarged` does, in channels-last order, as weighted sums of shifted maps.

    A new pixel is a quarter of a pixel away from the nearest old one, so in each direction it is
    3/4 of that pixel and 1/4 of the next one. Pixels of the border are repeated.
    """
    x = x.permute(0, 2, 3, 1)
    for dim in (1, 2):
        last = x.shape[dim] - 1
        before = torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 0, last)], dim)
        after = torch.cat([x.narrow(dim, 1, last), x.narrow(dim, last, 1)], dim)
        halves = [torch.lerp(x, other, 0.25) for other in (before, after)]
        x = torch.stack(halves, dim + 1).flatten(dim, dim + 1)
    return x.permute(0, 3, 1, 2)


def reflected(x: Tensor, reach: int) -> Tensor:
    """Returns maps (N, C, H, W), padded by reflection with `reach` pixels on each side.

    The backward pass of torch's padding on CUDA adds in any order.
    """
    if not x.is_cuda:
        return F.pad(x, [reach] * 4, mode="reflect")
    return reflected_by_flips(x, reach)


def reflected_by_flips(x: Tensor, reach: int) -> Tensor:
    """Returns what `reflected` does, as mirrored borders joined to the maps."""
    for dim in (2, 3):
        first = x.narrow(dim, 1, reach).flip(dim)
        last = x.narrow(dim, x.shape[dim] - 1 - reach, reach).flip(dim)
        x = torch.cat([first, x, last], dim)
    return x


def sampled(x: Tensor, grid: Tensor) -> Tensor:
    """Returns maps (N, C, h, w): those of x (N, C, H, W) at places of a grid (1, h, w, 2).

    As torch's grid_sample: bilinear, with reflected borders, and -1 to 1 are the outer borders. Its
    backward pass on CUDA adds in any order.
    """
    if x.is_cpu:
        return F.grid_sample(
            x, grid.expand(len(x), -1, -1, -1), padding_mode="reflection", align_corners=False
        )
    return sampled_by_index(x, grid)


def sampled_by_index(x: Tensor, grid: Tensor) -> Tensor:
    """Returns what `sampled` does, as a weighted sum of the four nearest pixels."""
    result, flat = torch.zeros((), device=x.device), x.flatten(2)
    (left, across), (top, down) = (
        _between(grid[0, ..., axis], x.shape[3 - axis]) for axis in (0, 1)
    )
    for row, height in ((top, 1 - down), (top + 1, down)):
        for column, width in ((left, 1 - across), (left + 1, across)):
            rows, columns = row.clamp(max=x.shape[2] - 1), column.clamp(max=x.shape[3] - 1)
            pixels = flat.index_select(2, (rows * x.shape[3] + columns).flatten())
            result = result + pixels.view(*x.shape[:2], *row.shape) * (height * width)
    return result


def _between(places: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Returns the pixel before each place in -1..1, and the distance to it; borders reflect."""
    away = ((places + 1) * side / 2).abs() % (2 * side)
    inside = (torch.where(away > side, 2 * side - away, away) - 0.5).clamp(0, side - 1)
    first = inside.floor()
    return first.long(), inside - first
