"""What a training step gets from the processor: chosen pictures, random numbers and rates.

A step gathers all of it before it computes, so that one copy to the GPU is enough. The operations
that follow are then the same in every step.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    leaves = _views(leaves, block.split([len(part) for part in parts]))
    return cast("Inputs", tree_unflatten(leaves, structure))


class FixedPlace:
    """A place in a GPU's memory for the inputs of a step; `tensors` are the inputs in it.

    The inputs of a step are copied from pinned memory, for which the processor does not wait: there
    are two buffers, so that it can fill one while the GPU still reads the other.
    """

    def __init__(self, inputs: Any, device: str | torch.device) -> None:
        """`inputs` are on the processor; all later ones must have the same shapes and types."""
        leaves, structure = tree_flatten(inputs)
        samples = [torch.tensor(x) if isinstance(x, float) else x for x in leaves]
        sizes = [len(_padded_bytes(x)) for x in samples if isinstance(x, Tensor)]
        memory = torch.zeros(sum(sizes), dtype=torch.uint8)
        self._block = memory.to(device)
        self._buffers = [memory.pin_memory(), memory.pin_memory()]
        self._copied = [torch.cuda.Event(), torch.cuda.Event()]
        on_device, *here = (
            _views(samples, block.split(sizes)) for block in (self._block, *self._buffers)
        )
        self._here, self._turn = here, 0
        self.tensors = tree_unflatten(on_device, structure)

    def fill(self, inputs: Any) -> None:
        """Copy the inputs of a step, which are on the processor, to the place."""
        turn = self._turn = 1 - self._turn
        self._copied[turn].synchronize()  # of the last copy but one, so it has usually finished
        for leaf, place in zip(tree_flatten(inputs)[0], self._here[turn], strict=True):
            if isinstance(leaf, float):
                place.fill_(leaf)
            elif isinstance(leaf, Tensor):
                place.copy_(leaf)
        self._block.copy_(self._buffers[turn], non_blocking=True)
        self._copied[turn].record()


def _views(samples: list[Any], parts: Iterable[Tensor]) -> list[Any]:
    """Returns the parts with the types and shapes of the tensors; other samples as they are."""
    rest = iter(parts)
    return [_as_before(x, next(rest)) if isinstance(x, Tensor) else x for x in samples]


def form(inputs: Any) -> tuple[Any, ...]:
    """Returns all that is equal for inputs that fit in the same `FixedPlace`."""
    leaves, structure = tree_flatten(inputs)
    forms = [(x.shape, x.dtype) if isinstance(x, Tensor) else x for x in leaves]
    return structure, *(None if isinstance(x, float) else x for x in forms)


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
