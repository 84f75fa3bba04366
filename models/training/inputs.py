"""What a training step gets from the processor: chosen pictures, random numbers and rates.

A step gathers all of it before it computes, so that one copy to the GPU is enough. The operations
that follow are then the same in every step.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from .numerics import to_device

Inputs = TypeVar("Inputs")
Number = float | Tensor  # a float on the processor, a tensor without dimensions on CUDA
Index = Tensor | tuple[Tensor, ...]
ALIGNMENT = 16  # bytes; more than any element needs


def send(inputs: Inputs, device: str | torch.device) -> Inputs:
    """Returns the same nested tuples, lists and dicts, with all tensors on the device.

    To CUDA, all tensors are copied as one block of pinned memory, for which the processor does not
    wait. There the floats become tensors too, since they may change from step to step.
    """
    if not str(device).startswith("cuda"):
        moved = tree_map(lambda x: to_device(x, device) if isinstance(x, Tensor) else x, inputs)
        return cast("Inputs", moved)
    leaves, structure = tree_flatten(inputs)
    leaves = [torch.tensor(x) if isinstance(x, float) else x for x in leaves]
    tensors = [x for x in leaves if isinstance(x, Tensor)]
    parts = [_padded_bytes(x) for x in tensors]
    block = to_device(torch.cat(parts), device)
    sent = iter(zip(tensors, block.split([len(part) for part in parts]), strict=True))
    leaves = [_as_before(*next(sent)) if isinstance(x, Tensor) else x for x in leaves]
    return cast("Inputs", tree_unflatten(leaves, structure))


def _padded_bytes(tensor: Tensor) -> Tensor:
    """Returns the bytes of a tensor, with zeros up to a multiple of ALIGNMENT."""
    flat = tensor.contiguous().view(-1).view(torch.uint8)
    return torch.cat([flat, flat.new_zeros(-len(flat) % ALIGNMENT)])


def _as_before(tensor: Tensor, padded: Tensor) -> Tensor:
    """Returns the bytes that `_padded_bytes` returned with the type and shape of the tensor."""
    return padded[: tensor.nbytes].view(tensor.dtype).view(tensor.shape)


def selection(data: Tensor, index: Index) -> Any:
    """Returns what to send for `data[index]`: the index if the data is on a GPU, else the rows."""
    return index if data.is_cuda else data[index]


def selected(data: Tensor, sent: Any) -> Tensor:
    """Returns `data[index]` on the device, from what `selection` returned and `send` sent."""
    rows: Tensor = data[sent] if data.is_cuda else sent
    return rows
