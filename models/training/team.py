"""What the processes of one training share, if several train one model (see parallel.py).

Each process has all pictures, draws all random numbers of a step, and computes with its part of the
pictures. A loss is divided by the number of pictures of all processes, so that the sum of their
gradients is the gradient of the whole batch, also if the parts have different sizes. What a step
computes from several pictures is treated as follows.

- Groups of the same class (standard deviations, energy distances) are never divided.
- Batch norms use the sums over all processes (`share_norms`).
- Distances between all pictures of a class are computed from the gathered vectors (`gathered`).
- Lengths of gradients, and the certainty of a critic, are computed from sums (`norm`, `mean`).
- Gradient penalties belong to single pictures, and mixed pictures are mixed before they are
  divided.

In an ordinary training the only process has all pictures, and each of these functions returns what
it received.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from .diverged import UnsuitableError

Value = TypeVar("Value")

# Longer than the first process is busy alone, while the others wait. A process that ends is noticed
# at once, by the process that started it.
_TIMEOUT = timedelta(hours=2)


class _Place(NamedTuple):
    """The number of a process, and how many there are."""

    number: int
    size: int


_place = _Place(0, 1)


class Part(NamedTuple):
    """Pictures of a slice of a batch that one process computes with.

    number: number of the slice.
    batch:  these pictures in the batch.
    inner:  these pictures in the slice.
    whole:  number of pictures of the slice.
    here:   these pictures among all pictures of the process.
    """

    number: int
    batch: slice
    inner: slice
    whole: int
    here: slice

    @property
    def size(self) -> int:
        """Number of pictures."""
        size: int = self.batch.stop - self.batch.start
        return size


def join(number: int, count: int, device: str, store: Path) -> None:
    """Become process `number` of `count`, which meet at the file `store`."""
    import torch.distributed as dist

    global _place
    backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
    meeting = dist.FileStore(str(store), count)  # type: ignore[attr-defined]
    dist.init_process_group(backend, store=meeting, rank=number, world_size=count, timeout=_TIMEOUT)
    _place = _Place(number, count)


def count() -> int:
    """Returns how many processes train the model."""
    return _place.size


def is_first() -> bool:
    """Returns whether this process reports, evaluates and saves checkpoints."""
    return _place.number == 0


def parts(slices: Iterable[slice], group: int = 1, together: bool = False) -> list[Part]:
    """Returns the parts of these slices that this process computes with; none is empty.

    group:    number of consecutive pictures that are not divided.
    together: whether all processes must have a part of each slice, because they compute something
              together for each.

    Raises: UnsuitableError if there are fewer groups than processes.
    """
    cut = [*slices]
    sizes = [_own(number, part, group) for number, part in enumerate(cut)]
    for process in range(_place.size):
        each = [_own(number, part, group, process) for number, part in enumerate(cut)]
        if not (all if together else any)(own.stop > own.start for own in each):
            fewest = min(-(-(part.stop - part.start) // group) for part in cut)
            most = fewest if together else -(-cut[-1].stop // group)
            unit = f"groups of {group} pictures" if group > 1 else "pictures"
            raise UnsuitableError(
                f"devices is {_place.size}, but only {most} {unit} can be divided among them",
                f"set devices to at most {most}, or make `batch` larger",
            )
    found: list[Part] = []
    start = 0
    for number, (part, own) in enumerate(zip(cut, sizes, strict=True)):
        size = own.stop - own.start
        if size:
            batch = slice(part.start + own.start, part.start + own.stop)
            here = slice(start, start + size)
            found.append(Part(number, batch, own, part.stop - part.start, here))
            start += size
    return found


def _own(number: int, part: slice, group: int, process: int | None = None) -> slice:
    """Returns which pictures of slice `number` a process computes with; perhaps none.

    Each slice begins with another process, so that all have about as many pictures of a step.
    """
    process = _place.number if process is None else process
    size = part.stop - part.start
    groups, turn = -(-size // group), (process - number) % _place.size
    first, last = (groups * at // _place.size * group for at in (turn, turn + 1))
    return slice(min(first, size), min(last, size))


def own_rows(data: Value, own: list[Part]) -> Value:
    """Returns nested tuples of tensors with the rows of this process's pictures of a batch."""
    if _place.size == 1:
        return data
    from torch.utils._pytree import tree_map

    rows = torch.cat([torch.arange(p.batch.start, p.batch.stop) for p in own])

    def chosen(item: Any) -> Any:
        return item[rows.to(item.device)] if isinstance(item, Tensor) else item

    return tree_map(chosen, data)  # type: ignore[no-any-return]


class _Sum(torch.autograd.Function):
    """The sum over all processes. The gradient of a summand is the sum of all gradients."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return _added(tensor)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _added(gradients[0])


def _added(tensor: Tensor) -> Tensor:
    import torch.distributed as dist

    total = tensor.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total


def summed(tensor: Tensor) -> Tensor:
    """Returns the sum of the tensors of all processes, through which gradients pass."""
    if _place.size == 1:
        return tensor
    return _Sum.apply(tensor)  # type: ignore[no-any-return, no-untyped-call]


def sum_gradients(module: nn.Module) -> None:
    """Replace the gradients of a network by their sums over all processes."""
    if _place.size == 1:
        return
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    total = _added(torch.cat([gradient.reshape(-1) for gradient in gradients]))
    sums = total.split([gradient.numel() for gradient in gradients])
    torch._foreach_copy_(gradients, [s.view(g.shape) for s, g in zip(sums, gradients, strict=True)])


def summed_metrics(metrics: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Returns the sums of metrics over all processes."""
    if _place.size == 1:
        return metrics
    values = _added(torch.stack([value.detach().float() for value in metrics.values()]))
    return dict(zip(metrics, values.unbind(), strict=True))


def mean(values: Tensor) -> Tensor:
    """Returns the mean of the values of all processes."""
    if _place.size == 1:
        return values.mean()
    total = values.new_empty(2)
    total[0], total[1] = values.sum(), values.numel()
    total = _added(total)
    return total[0] / total[1]


def norm(gradient: Tensor, share: float) -> Tensor:
    """Returns the length of the gradient of a mean over the pictures of all processes.

    gradient: that of the mean over the pictures of this process, of which it has the share `share`.

    If there are several processes, all such lengths of a step are scaled by the same factor.
    """
    if _place.size == 1:
        return gradient.norm()  # type: ignore[no-any-return]
    return _added((share * gradient).square().sum()).sqrt()


def gathered(rows: Tensor, first: int, count: int) -> Tensor:
    """Returns `count` rows of all processes; those of this one begin at number `first`.

    Gradients pass to all processes.
    """
    if _place.size == 1:
        return rows
    behind = count - first - len(rows)
    blanks = [0, 0] * (rows.ndim - 1)
    return summed(nn.functional.pad(rows, [*blanks, min(first, count), max(behind, 0)])[:count])


def from_first(function: Callable[[], Value]) -> Value:
    """Returns what the function returns in the first process; only that one calls it."""
    if _place.size == 1:
        return function()
    import torch.distributed as dist

    box: list[Any] = [function() if is_first() else None]
    dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]  # type: ignore[no-any-return]


def from_all(value: Value) -> list[Value]:
    """Returns the values of all processes, in their order."""
    if _place.size == 1:
        return [value]
    import torch.distributed as dist

    values: list[Any] = [None] * _place.size
    dist.all_gather_object(values, value)
    return values


def copy_from_first(network: nn.Module) -> None:
    """Set the weights of a network to those in the first process."""
    if _place.size == 1:
        return
    import torch.distributed as dist

    for value in network.state_dict().values():
        copy = value.detach().contiguous()
        dist.broadcast(copy, src=0)
        value.copy_(copy)


def share_norms(network: nn.Module) -> bool:
    """Make the batch norms of a network use the pictures of all processes.

    Returns whether it has any, so that all processes must compute with it at the same time.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if _place.size > 1:
        for module in norms:
            module.__class__ = SharedNorm
    return bool(norms)


class SharedNorm(nn.BatchNorm2d):
    """A batch norm whose statistics are those of all processes, computed in float32."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        values, shape = x.float(), (1, -1, 1, 1)
        own = values.new_full((1,), values.numel() / values.shape[1])
        sums = summed(torch.cat([values.sum((0, 2, 3)), own]))
        number = sums[-1].detach()
        mean = sums[:-1] / number
        centred = values - mean.view(shape)
        variance = summed(centred.square().sum((0, 2, 3))) / number
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            assert self.momentum is not None
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * number / (number - 1), self.momentum)
            self.num_batches_tracked.add_(1)
        scale = (variance + self.eps).rsqrt() * self.weight
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)
