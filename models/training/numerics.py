"""Where a model computes and in which precision: device, mixed precision, threads.

Torch is imported inside the methods, so that a plan can name its numerics without torch.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

Precision = Literal["float32", "bfloat16"]
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


@dataclass(frozen=True)
class Numerics:
    """What decides the bits of a computation, besides its code and its inputs.

    `precision` is that of matrix products and convolutions under autocast; weights, optimiser
    states and losses stay in float32. `compiled`: whether networks are compiled for training.
    """

    device: str = "cpu"
    precision: Precision = "float32"
    threads: int = 1
    compiled: bool = False

    @classmethod
    def of(cls, device: str) -> Numerics:
        """The precision that pays on `device` (cpu, cuda, cuda:1, mps), and all its threads."""
        if device == "cpu":
            return cls(device, "bfloat16" if _cpu_has_bfloat16() else "float32", _threads())
        return cls(device, "bfloat16" if device.startswith("cuda") else "float32")

    def name(self) -> str:
        """The part of a cache key that says which bits to expect."""
        kind = self.device.split(":")[0]
        threads = f"/{self.threads}" if kind == "cpu" else ""
        return f"{kind}/{self.precision}{threads}" + ("/compiled" if self.compiled else "")

    def apply(self) -> None:
        """Set torch's process-wide switches: thread count and deterministic algorithms."""
        import torch

        if self.device.startswith("cuda"):  # cuBLAS reads it when it first works
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        if self.device == "cpu":
            torch.set_num_threads(self.threads)
            _keep_freed_memory()
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)
        # With it, every empty tensor would first be filled with NaN, which only debugging needs.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]

    def release(self) -> None:
        """Give memory that no tensor uses back to the device, before the next model comes."""
        import gc

        import torch

        gc.collect()
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
        elif self.device == "cpu" and (trim := of_libc("malloc_trim")):
            trim(0)

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """Mixed precision where this machine gains by it, else nothing."""
        import torch

        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.split(":")[0], torch.bfloat16)

    def place(self, module: torch.nn.Module) -> torch.nn.Module:
        """Move a network to the device, its convolutions in channels-last order."""
        import torch

        return module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def compile(self, module: torch.nn.Module) -> torch.nn.Module:
        """The same network, its blocks compiled when they are first used, where that is on.

        Each block for itself: like blocks share their code, so the first step is sooner done.
        Code is made for each shape, lest the bits depend on which shape came first.
        """
        if self.compiled:
            import torch

            # a block's code may be wanted at each level of a network, to train and to draw
            torch._dynamo.config.recompile_limit = 64
            for block in [*_blocks(module)] or [module]:
                block.compile(dynamic=False)
        return module

    def put(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor on the device; the processor does not wait until it is there."""
        return sent(tensor, self.device)

    def keep(self, data: torch.Tensor) -> torch.Tensor:
        """Training data where its batches are quickest to get: in a GPU's memory, if it has room.

        Room is half the memory that no tensor uses; a memory map stays one otherwise.
        """
        if not self.device.startswith("cuda"):
            return data
        import torch

        free, _ = torch.cuda.mem_get_info(self.device)
        return data.to(self.device) if data.nbytes <= free // 2 else data

    def take(self, data: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Those rows (numbers on the processor) of data that `keep` keeps, on the device."""
        if data.device.type == "cpu":
            return self.put(data[rows])
        return data[self.put(rows)]


def sent(tensor: torch.Tensor, device: str | torch.device) -> torch.Tensor:
    """The tensor on a device; where that is CUDA, the processor does not wait until it is there.

    Elsewhere it does: MPS would read memory that may be freed (PyTorch's issue 189690).
    """
    cuda = str(device).startswith("cuda")
    if cuda and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=cuda)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device or the machine had too little memory; torch has no one error for it."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(
        words in text for words in ("out of memory", "can't allocate memory")
    )


def _blocks(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """The outermost parts of a network that are not torch's own, which it would not compile."""
    for part in module.children():
        if type(part).__module__.startswith("torch."):
            yield from _blocks(part)
        else:
            yield part


def _keep_freed_memory() -> None:
    """Let the C library keep what one step frees for the next, where it is glibc.

    Given back to the system, each page would be asked for and cleared again: 7 to 10 % of a step.
    """
    if mallopt := of_libc("mallopt"):
        mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the largest it takes
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


def of_libc(name: str) -> Callable[..., int] | None:
    """A function of the C library; None where it has none of that name."""
    import ctypes

    try:
        return getattr(ctypes.CDLL(None), name)  # type: ignore[no-any-return]
    except (OSError, TypeError, AttributeError):  # TypeError: on Windows
        return None


def _threads() -> int:
    """OMP_NUM_THREADS where it is set, as torch has it, else one a core that we may use."""
    wish = os.environ.get("OMP_NUM_THREADS", "")
    if wish.isdigit() and int(wish) > 0:
        return int(wish)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def _cpu_has_bfloat16() -> bool:
    """True where the processor multiplies bfloat16 faster than float32.

    That is by AMX, or by AVX-512 on those before AVX512-FP16 came; later ones leave it to AMX, and
    where a virtual machine hides that, they are slower in bfloat16 (0.6 of float32's speed).
    """
    try:
        flags = set(Path("/proc/cpuinfo").read_text(errors="replace").split())
    except OSError:
        return False
    return "amx_bf16" in flags or ("avx512_bf16" in flags and "avx512_fp16" not in flags)
