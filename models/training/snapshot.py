"""Copies of everything that a training changes on its device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from .loop import Stateful

_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes of an element


class Snapshot:
    """The tensors of networks, averages and optimisers at one moment, and which are trained."""

    def __init__(self, stateful: Mapping[str, Stateful]) -> None:
        self._copies = [(n, t, t.detach().clone()) for n, t in changing_tensors(stateful)]
        self._trained = [(p, p.requires_grad) for p in _parameters(stateful)]
        self._optimisers = [(o, set(o.state)) for o in _optimisers(stateful)]

    @torch.no_grad()
    def restore(self) -> None:
        """Restore all of it, also after a step that did not finish. There are no gradients then."""
        for _, tensor, copy in self._copies:
            tensor.detach().copy_(copy)
        for parameter, trained in self._trained:
            parameter.requires_grad_(trained).grad = None
        for optimiser, known in self._optimisers:
            for new in optimiser.state.keys() - known:
                del optimiser.state[new]

    def difference(self) -> str | None:
        """Returns the name of a tensor whose bits are different now, or None; waits for a GPU."""
        return next((n for n, tensor, copy in self._copies if not same_bits(tensor, copy)), None)


def changing_tensors(stateful: Mapping[str, Stateful]) -> Iterator[tuple[str, Tensor]]:
    """Yields the tensors on the device that training changes, by name."""
    for name, item in stateful.items():
        if isinstance(item, nn.Module):
            for key, tensor in (*item.named_parameters(), *item.named_buffers()):
                yield f"{name}.{key}", tensor
        elif isinstance(item, torch.optim.Optimizer):
            for index, slots in enumerate(item.state.values()):
                for key, value in slots.items():
                    yield f"{name}.{index}.{key}", value


def places(stateful: Mapping[str, Stateful]) -> list[int]:
    """Returns the addresses of the tensors that training changes."""
    found = []
    for item in stateful.values():
        if isinstance(item, nn.Module):
            for module in item.modules():
                own = (*module._parameters.values(), *module._buffers.values())
                found += [tensor.data_ptr() for tensor in own if tensor is not None]
        elif isinstance(item, torch.optim.Optimizer):
            found += [v.data_ptr() for slots in item.state.values() for v in slots.values()]
    return found


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Returns whether two tensors of the same type have the same bits, NaN and -0 included."""
    bits = _BITS[a.element_size()]
    return torch.equal(a.detach().view(bits), b.detach().view(bits))


def _parameters(stateful: Mapping[str, Stateful]) -> Iterator[nn.Parameter]:
    for item in stateful.values():
        if isinstance(item, nn.Module):
            yield from item.parameters()


def _optimisers(stateful: Mapping[str, Stateful]) -> Iterator[torch.optim.Optimizer]:
    for item in stateful.values():
        if isinstance(item, torch.optim.Optimizer):
            yield item
