"""A stand-in for a CUDA GPU: refuses what CUDA refuses, and counts what the processor waits for.

`with StandIn(FOLDER) as gpu:` makes torch (2.13, a build for the CPU) believe that there is a GPU.
A tensor on it reports `device="cuda:0"` and contains a CPU tensor, with which the CPU computes.
There are `count` such GPUs, and each thread has a current one.
`gpu.tally` counts by the lines of the files in FOLDER. Enter it before networks are made, and leave
it at the end of the process. Threads that start later have it too, child processes do not.

It refuses, as CUDA does: operands on two devices, the generator of another device, `numpy()`, a
device that does not exist, results above `most` bytes (OutOfMemoryError; copies may be larger), and
float64 if `doubles` is False. It warns of algorithms that should be deterministic but are not. It
counts launches, the bytes that they touch, copies to the GPU, and waits: blocking copies, values
that are read, masks, `nonzero`. `largest` is the size of the largest result in bytes. If `calls` is
a list, each launch is added to it, with its numbers and the shapes of its tensors.
It shows nothing about speed, memory in use, a GPU's bits, and copies that should be waited for, nor
about cuDNN, fused attention, Triton, torch.compile and streams. One launch here may be several
there (sort, index_put). CUDA graphs are in stand_in_graphs.py. `tensor.pin_memory()` works,
`empty(pin_memory=True)` does not.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import stand_in_graphs
import torch
from fake_device import register_cuda
from nested import leaves, mapped
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

WAITS = {"_local_scalar_dense", "equal", "nonzero", "masked_select", "_unique2", "bincount"}
INDEXING = {"index", "index_put", "index_put_", "_unsafe_index", "_unsafe_index_put"}
MIXING = INDEXING | {"where", "fill_", "masked_fill", "masked_fill_"}  # accept 0-dim CPU operands
NO_KERNEL = {"detach", "alias", "_unsafe_view", "lift_fresh", "_local_scalar_dense"}
VARYING = {"_adaptive_avg_pool2d_backward", "adaptive_max_pool2d_backward", "cumsum", "median"}
VARYING |= {"grid_sampler_2d_backward", "nll_loss2d_forward", "histc", "put_"}
VARYING |= {f"reflection_pad{n}d_backward" for n in (1, 2, 3)}
VARYING |= {f"upsample_{n}_backward" for n in ("linear1d", "bilinear2d", "bicubic2d")}
BLAS = {"mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "dot"}  # vary without cuBLAS's setting
SKIPPED = ("/.venv/", "/numerics.py", "/inputs.py", "/stand_in_cuda.py")  # copy for other lines


class GpuTensor(torch.Tensor):
    """A tensor that reports to be on the GPU; `_host` is the CPU tensor that it really is."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __new__(cls, host: torch.Tensor, device: torch.device) -> GpuTensor:
        shape = host.shape, host.stride(), host.storage_offset()
        self = torch.Tensor._make_wrapper_subclass(cls, *shape, dtype=host.dtype, device=device)
        self._host = host
        return self

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return StandIn.current.__torch_dispatch__(func, types, args, kwargs)

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def data_ptr(self) -> int:
        return self._host.data_ptr()


class Generator(torch._C.Generator):
    """A generator of any device; torch passes it on as another object."""

    devices: dict[int, torch.device] = {}  # noqa: RUF012
    device = property(lambda self: self.devices[self._cdata])

    def __new__(cls, device: Any = "cpu") -> Generator:
        self = super().__new__(cls, "cpu")
        cls.devices[self._cdata] = torch.device(device)
        return self


class Current(threading.local):
    """The number of the current GPU of each thread."""

    number = 0


class StandIn(TorchDispatchMode):
    """`count` GPUs that do not exist. While `strict` is True, a wait is an error.

    `now.number` is the current GPU of a thread.
    """

    current: Any = None

    def __init__(self, root: Path, count: int = 1, most: int = 2**62, doubles: bool = True) -> None:
        super().__init__()
        self.root, self.count, self.most, self.doubles = f"{root.absolute()}/", count, most, doubles
        self.tally, self.strict, self.largest, self.pinned = Counter[str](), False, 0, set[Any]()
        self.calls: Any = None
        self.now = Current()
        self.graphs = stand_in_graphs.Graphs(self)

    def __enter__(self) -> StandIn:
        if StandIn.current is None:
            StandIn.current, self.kept = self, register_cuda()
            _patch(self)
        torch._C._set_only_lift_cpu_tensors(True)  # so that torch.tensor(..., device=) is a copy
        return super().__enter__()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Returns False, since to keep dynamo out costs as much as an operation."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do one operation as CUDA would, or refuse it."""
        name, given = func.overloadpacket.__name__, leaves((args, kwargs := kwargs or {}))
        tensors = [x for x in given if isinstance(x, torch.Tensor)]
        ours = [x for x in tensors if isinstance(x, GpuTensor)]
        device = self.device(kwargs.get("device") or (ours[0].device if ours else "cpu"))
        for random in (x for x in given if isinstance(x, torch._C.Generator)):
            kind = Generator.devices.get(random._cdata, random.device).type
            if kind != (here := device.type):
                raise RuntimeError(f"Expected a '{here}' device type for generator, not '{kind}'")
        if not ours and device.type != "cuda":
            self.graphs.check_free(func, args)
            return func(*args, **kwargs)
        self._check(func, name, args, kwargs, tensors, device)
        hosts = mapped(GpuTensor, lambda x: x._host, (args, kwargs))
        hosts[1].update({"device": torch.device("cpu")} if "device" in kwargs else {})
        result = self.graphs.run(func, *hosts)
        if device.type != "cuda":  # a copy from the GPU, or a new CPU tensor like one of the GPU
            return result
        self._count(func, name, hosts, result)
        known = {id(x._host): x for x in ours}  # operations in place return their operands
        return mapped(torch.Tensor, lambda x: self._wrapped(x, known, device), result)

    def device(self, name: Any) -> torch.device:
        device = torch.device(name)
        if device.type != "cuda":
            return device
        number = self.now.number if device.index is None else device.index
        if number >= self.count:
            raise torch.AcceleratorError("CUDA error: invalid device ordinal")
        return torch.device("cuda", number)

    def exchange(self, number: int) -> int:
        """Make a GPU the current one unless the number is negative. Returns the one before."""
        before, self.now.number = self.now.number, number if number >= 0 else self.now.number
        return before

    def wait(self, why: str) -> None:
        self.graphs.forbid(why)
        self.graphs.in_flight.clear()
        if self.strict:
            raise RuntimeError(f"called a synchronizing CUDA operation: {why} at {self._where()}")
        self.tally.update({"waits": 1, f"wait: {why} at {self._where()}": 1})

    def _wrapped(self, host: torch.Tensor, known: dict[int, Any], device: torch.device) -> Any:
        if id(host) in known:
            return known[id(host)]
        if host.dtype == torch.float64 and not self.doubles:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return GpuTensor(host, device)

    def _check(self, func: Any, name: str, args: Any, kwargs: Any, given: Any, device: Any) -> None:
        """Refuse mixed devices, count waits, and warn of results that vary."""
        if name in ("_to_copy", "copy_"):
            source, to = (args[1], args[0].device) if name == "copy_" else (args[0], device)
            blocks = not kwargs.get("non_blocking", name == "copy_" and args[2:] == (True,))
            if to.type == "cuda" and not isinstance(source, GpuTensor):
                self._send(source, "pinned" if source.is_pinned() else "unpinned", blocks)
            elif to.type != "cuda" and blocks:
                self.wait("a copy from the GPU")
            return
        if name in INDEXING:
            for index in (x for x in args[1] if x is not None):
                if not isinstance(index, GpuTensor):
                    self._send(index, "an index, unpinned", True)
                elif index.device != args[0].device:
                    raise RuntimeError("indices should be either on cpu or on the indexed device")
                elif index.dtype in (torch.bool, torch.uint8):
                    self.wait("a mask as index")
            given = [x for x in given if all(x is not index for index in args[1])]
        mixes = torch.Tag.pointwise in func.tags or name in MIXING or name.startswith("_foreach")
        devices = {str(x.device) for x in given if isinstance(x, GpuTensor) or x.ndim or not mixes}
        if len(devices) > 1:
            raise RuntimeError(f"Expected all tensors to be on the same device: {devices}, {name}")
        if name in WAITS or (name == "repeat_interleave" and len(args) == 1):
            self.wait(name)
        varies = name in VARYING or (name in BLAS and "CUBLAS_WORKSPACE_CONFIG" not in os.environ)
        if varies and torch.are_deterministic_algorithms_enabled():
            warnings.warn(f"{name} does not have a deterministic implementation", stacklevel=3)

    def _send(self, source: torch.Tensor, how: str, blocks: bool) -> None:
        text = f"copy: {how}, {'' if blocks else 'non-'}blocking at {self._where()}"
        self.tally.update({"copies": 1, "bytes sent": source.nbytes, text: 1})
        if how != "pinned":
            self.graphs.forbid(f"a copy ({how})")
        if blocks:
            self.wait("a copy to the GPU")
        elif how == "pinned":
            self.graphs.in_flight.append(StorageWeakRef(source.untyped_storage()))

    def _where(self) -> str:
        frame: Any = sys._getframe(1)
        while frame is not None:
            file = frame.f_code.co_filename
            if file.startswith(self.root) and not any(part in file for part in SKIPPED):
                return f"{file[len(self.root) :]}:{frame.f_lineno}"
            frame = frame.f_back
        return ""

    def _count(self, func: Any, name: str, given: Any, result: Any) -> None:
        """Count a launch, if this operation is one; raises OutOfMemoryError."""
        alias = func._schema.returns[0].alias_info if func._schema.returns else None
        if (alias is not None and not alias.is_write) or name in NO_KERNEL or "empty" in name:
            return
        given, made = leaves(given), [x for x in leaves(result) if hasattr(x, "nbytes")]
        tensors = [*made, *(x for x in given if hasattr(x, "nbytes"))]
        touched = sum(min(x.nbytes, x.untyped_storage().nbytes()) for x in tensors)
        self.tally.update({"launches": 1, "bytes touched": touched})
        if self.calls is not None:
            self.calls.append(
                (name, *(tuple(x.shape) if hasattr(x, "shape") else x for x in given))
            )
        size = max((x.nbytes for x in made if name != "_to_copy"), default=0)
        if size > self.most:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size} bytes")
        self.largest = max(self.largest, size)


def _patch(gpu: StandIn) -> None:
    """Replace the functions of torch that would look for a real GPU."""
    move, run, future = torch.nn.Module.to, threading.Thread.run, torch.__future__
    moving = threading.Lock()  # since the switch of `future` is for all threads

    def to(module: torch.nn.Module, *args: Any, **kwargs: Any) -> torch.nn.Module:
        """Replace the data of parameters, which stay the same objects, as on a real GPU."""
        device = torch._C._nn._parse_to(*args, **kwargs)[0]
        now = {str(x.device) for x in (*module.parameters(), *module.buffers())}
        if device is not None and now <= {str(gpu.device(device))}:
            return module if device.type == "cuda" else move(module, *args, **kwargs)
        with moving:
            future.set_swap_module_params_on_conversion(True)
            move(module, *args, **kwargs)
            future.set_swap_module_params_on_conversion(False)
        return module

    def pin_memory(tensor: torch.Tensor, *_: Any) -> torch.Tensor:
        gpu.pinned.add(StorageWeakRef((copy := tensor.clone()).untyped_storage()))
        return copy

    def run_with(thread: threading.Thread) -> None:
        with gpu:
            run(thread)

    torch.nn.Module.to, threading.Thread.run = to, run_with
    torch.Generator, torch.Tensor.pin_memory = Generator, pin_memory
    torch.Tensor.is_pinned = lambda x, *_: StorageWeakRef(x.untyped_storage()) in gpu.pinned
    for name in ("torch.optim.optimizer", "torch.utils._foreach_utils"):
        sys.modules[name]._foreach_supported_types.append(GpuTensor)  # else they go one by one
    answers: dict[str, Any] = {"get_device_capability": (9, 0)}
    answers |= dict.fromkeys(("is_available", "is_initialized", "is_bf16_supported"), True)
    answers |= {"_lazy_init": None}
    answers |= dict.fromkeys(("memory_reserved", "memory_allocated"), 0)
    for name, answer in answers.items():
        setattr(torch.cuda, name, lambda *_, answer=answer, **__: answer)
    torch.cuda.device_count, torch.cuda.current_device = lambda: gpu.count, lambda: gpu.now.number
    torch.cuda._exchange_device = torch.cuda._maybe_exchange_device = gpu.exchange
    torch.cuda.set_device = lambda device: gpu.exchange(gpu.device(device).index) and None
    stand_in_graphs.patch(gpu.graphs)
    torch.cuda.mem_get_info = lambda device="cuda": (gpu.device(device), (80 << 30,) * 2)[1]
    torch.cuda.synchronize = lambda *_: gpu.wait("torch.cuda.synchronize")
    torch.cuda.set_sync_debug_mode = lambda mode: setattr(gpu, "strict", mode in ("error", 2))
