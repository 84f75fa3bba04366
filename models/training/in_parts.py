"""Processing many pictures in parts that fit into memory."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .loop import Progress
from .numerics import empty_cuda_cache, is_out_of_memory

_PAUSE = 0.2  # shortest time in seconds between two reports within a part


def in_parts(
    function: Callable[..., Tensor],
    *tensors: Tensor,
    batch: int,
    progress: Progress | None = None,
    network: nn.Module | None = None,
) -> Tensor:
    """Returns the joined results of `function`, called as by `each_part`.

    progress: called after each part with the number of rows that are done, so that it can stop.
    network:  what computes. Then `progress` is also called before its layers, so that a part of
              large pictures can be stopped soon.
    """
    results: list[Tensor] = []
    done = 0

    def report() -> None:
        if progress is not None:
            progress(done, len(tensors[0]))

    with before_layers(None if progress is None else network, report):
        for result in each_part(function, *tensors, batch=batch):
            results.append(result)
            done += len(result)
            report()
    return torch.cat(results)


@contextmanager
def before_layers(network: nn.Module | None, report: Callable[[], None]) -> Iterator[None]:
    """Call `report` before the layers of a network, but not more often than every 0.2 seconds.

    It is also called before the gradients of layers are computed. `report` may raise to stop both.
    """
    last = time.monotonic()

    def check(*_: object) -> None:
        nonlocal last
        if time.monotonic() - last > _PAUSE:
            last = time.monotonic()
            report()

    def check_backward(_module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, torch.Tensor) and output.requires_grad:
            output.register_hook(check)

    modules = [] if network is None else [*network.modules()]
    hooks = [module.register_forward_pre_hook(check) for module in modules]
    hooks += [module.register_forward_hook(check_backward) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def each_part(function: Callable[..., Tensor], *tensors: Tensor, batch: int) -> Iterator[Tensor]:
    """Yields the results of `function`, called with `batch` rows of each tensor at a time.

    If memory runs out, it warns and continues with half as many rows. On some devices the last bits
    of a row depend on how many rows are computed together.
    """
    start = 0
    while start < len(tensors[0]):
        try:
            result = function(*(tensor[start : start + batch] for tensor in tensors))
        except (MemoryError, RuntimeError) as error:
            if batch == 1 or not is_out_of_memory(error):
                raise
        else:
            start += batch
            yield result
            continue
        batch //= 2  # not in `except`: the error still references its tensors there
        if torch.cuda.is_available():
            empty_cuda_cache()
        warnings.warn(f"out of memory; continuing with {batch} pictures at a time", stacklevel=2)
