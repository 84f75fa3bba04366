"""The device, the precision and the number of threads that a model computes with.

Torch is imported inside the methods, so that planning a run does not import it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

Precision = Literal["float32", "bfloat16"]
BFLOAT16_CAPABILITY = (8, 0)  # older NVIDIA GPUs only emulate bfloat16, and cuDNN lacks it
OUT_OF_MEMORY = (  # from allocators, cuBLAS, cuDNN 8 and cuDNN 9, in small letters
    "out of memory",
    "can't allocate memory",
    "status_alloc_failed",
    "allocation_failed",
)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # parameters of mallopt in glibc's malloc.h
capturing = threading.RLock()  # held while a CUDA graph is captured: one at a time in a process


@dataclass(frozen=True)
class Numerics:
    """What the bits of a result depend on, besides the code and the inputs.

    `precision` is that of matrix products and convolutions under autocast. Weights, optimiser
    states and losses stay in float32. If `compiled` is True, networks are compiled for training.
    If `graphs` is True, a training replays its steps as a CUDA graph, with the same bits.
    """

    device: str = "cpu"
    precision: Precision = "float32"
    threads: int = 1
    compiled: bool = False
    graphs: bool = False

    @classmethod
    def of(cls, device: str, capability: tuple[int, int] = BFLOAT16_CAPABILITY) -> Numerics:
        """Returns the fastest precision on `device` (cpu, cuda, cuda:1, mps), with all threads.

        `capability` is the compute capability of an NVIDIA GPU.
        """
        if device == "cpu":
            return cls(device, "bfloat16" if _cpu_has_bfloat16() else "float32", _threads())
        fast = device.startswith("cuda") and capability >= BFLOAT16_CAPABILITY
        return cls(device, "bfloat16" if fast else "float32")

    def option(self) -> str:
        """Returns the name that `--device` accepts for these numerics, such as cuda:0+graphs."""
        return (
            self.device + ("+compile" if self.compiled else "") + ("+graphs" if self.graphs else "")
        )

    def name(self) -> str:
        """Returns the part of a cache key for the device, the precision and the threads.

        On CUDA, `ieee` means that float32 is not rounded to TF32, NVIDIA's format of 19 bits.
        """
        kind = self.device.split(":")[0]
        more = {"cpu": f"/{self.threads}", "cuda": "/ieee"}.get(kind, "")
        return f"{kind}/{self.precision}{more}" + ("/compiled" if self.compiled else "")

    def apply(self) -> None:
        """Set torch's process-wide switches: threads, deterministic algorithms and TF32."""
        import torch

        if self.device.startswith("cuda"):
            # cuBLAS needs it for deterministic results, and reads it when it starts
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cuda.matmul.allow_tf32 = False
        if self.device == "cpu":
            torch.set_num_threads(self.threads)
        _reuse_freed_memory()
        torch.backends.cudnn.benchmark = False
        if self.compiled:
            torch.use_deterministic_algorithms(True, warn_only=True)
        else:  # the same for all else than TorchInductor, which it does not import: that takes 1 s
            torch.set_deterministic_debug_mode("warn")
        # Deterministic algorithms also fill every empty tensor with NaN; only debugging needs that.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Make a GPU the current one of this thread, which also does all backward passes.

        Some functions of torch use the current GPU, which is the first one in a new thread.
        Otherwise torch has a thread of its own for the backward passes on each GPU. If a gradient
        is derived again, the order in which its parts are added depends on what both threads did
        before.
        """
        if self.device == "cpu":
            yield
            return
        import torch

        cuda = self.device.startswith("cuda")
        selected = torch.cuda.device(self.device) if cuda else contextlib.nullcontext()
        with selected, torch.autograd.set_multithreading_enabled(False):
            yield

    def release(self) -> None:
        """Return memory that no tensor uses to the system, before another model needs it.

        On CUDA, torch does so for all GPUs at once.
        """
        import gc

        import torch

        gc.collect()
        if self.device.startswith("cuda"):
            empty_cuda_cache()
        elif self.device == "mps":
            torch.mps.empty_cache()
        elif self.device == "cpu" and (trim := libc_function("malloc_trim")):
            trim(0)

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """Returns a context of mixed precision; it does nothing if `precision` is float32.

        On a GPU it does not remember weights in bfloat16: all threads share that memory, and each
        empties it, so the sums of gradients would depend on the nodes on other GPUs.
        """
        import torch

        if self.precision == "float32":
            return contextlib.nullcontext()
        kind = self.device.split(":")[0]
        return torch.autocast(kind, torch.bfloat16, cache_enabled=kind == "cpu")

    def place(self, module: torch.nn.Module) -> torch.nn.Module:
        """Move a network to the device, with its convolutions in channels-last order."""
        import torch

        return module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def compile(self, module: torch.nn.Module) -> torch.nn.Module:
        """Returns the same network; if `compiled` is True, its blocks compile on first use.

        Each block compiles on its own: equal blocks share their code, so the first step takes less
        time. Shapes are not dynamic: each has its own code, so that the bits do not depend on
        which shape came first.
        """
        if self.compiled:
            import torch

            # A block may need code for each level of a network, for training and for evaluation.
            # Newer versions of torch call it recompile_limit, and know both names.
            torch._dynamo.config.cache_size_limit = 64
            # Its advice to use TF32 contradicts `apply`, which forbids TF32.
            warnings.filterwarnings("ignore", "TensorFloat32 tensor cores")
            for block in [*_blocks(module)] or [module]:
                block.compile(dynamic=False)
        return module

    def to_device(self, tensor: torch.Tensor) -> torch.Tensor:
        """Returns the tensor on the device (see the function `to_device`)."""
        return to_device(tensor, self.device)

    def preload(self, data: torch.Tensor) -> torch.Tensor:
        """Returns training data in a GPU's memory, if half of the free memory is enough for it.

        Otherwise the data is unchanged, perhaps a memory map. `take` reads batches from either.
        """
        import torch

        if not self.device.startswith("cuda") or not isinstance(data, torch.Tensor):
            return data
        free, _ = torch.cuda.mem_get_info(self.device)
        return data.to(self.device) if data.nbytes <= free // 2 else data

    def take(self, data: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Returns rows of preloaded data on the device; `rows` are indices on the processor."""
        if data.device.type == "cpu":
            return self.to_device(data[rows])
        return data[self.to_device(rows)]


def to_device(tensor: torch.Tensor, device: str | torch.device) -> torch.Tensor:
    """Returns the tensor on a device; copying to CUDA does not block the processor.

    Copying to MPS does, because MPS might read memory that is already freed (PyTorch's issue
    189690).
    """
    cuda = str(device).startswith("cuda")
    if cuda and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=cuda)


def empty_cuda_cache() -> None:
    """Return the memory of all CUDA devices that no tensor uses to the system.

    It waits for a capture in another thread to end, because torch cannot do so meanwhile.
    """
    import torch

    with capturing:
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error means that memory ran out; torch raises several kinds of errors."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in OUT_OF_MEMORY)


def in_one_line(error: BaseException) -> str:
    """Returns the kind of an error, and the first line of its text."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]:.200}" if lines else type(error).__name__


def _blocks(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """Yield the outermost modules with weights that torch does not define.

    torch does not compile its own. A module without weights, such as bends, may be exchanged later.
    """
    for child in module.children():
        if type(child).__module__.startswith("torch."):
            yield from _blocks(child)
        elif any(True for _ in child.parameters()):
            yield child


def _reuse_freed_memory() -> None:
    """Make glibc reuse the memory that a step frees, instead of returning it to the system.

    Otherwise the system provides and clears each page anew, which takes 7 to 10 % of a step.
    """
    if mallopt := libc_function("mallopt"):
        mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the largest value that mallopt accepts
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


def libc_function(name: str) -> Callable[..., int] | None:
    """Returns a function of the C library, or None if there is none of that name."""
    import ctypes

    try:
        return getattr(ctypes.CDLL(None), name)  # type: ignore[no-any-return]
    except (OSError, TypeError, AttributeError):  # TypeError: on Windows
        return None


def _threads() -> int:
    """Returns OMP_NUM_THREADS if it is set, else the number of cores that we may use."""
    setting = os.environ.get("OMP_NUM_THREADS", "")
    return int(setting) if setting.isdigit() and int(setting) > 0 else core_count()


def core_count() -> int:
    """Returns how many cores of the processor this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def _cpu_has_bfloat16() -> bool:
    """Returns whether the processor multiplies matrices faster in bfloat16 than in float32.

    Processors with AMX do, and those with AVX512-BF16 but without AVX512-FP16. Processors with
    AVX512-FP16 need AMX for it: if a virtual machine hides AMX, bfloat16 has 0.6 of the speed of
    float32.
    """
    try:
        flags = set(Path("/proc/cpuinfo").read_text(errors="replace").split())
    except OSError:
        return False
    return "amx_bf16" in flags or ("avx512_bf16" in flags and "avx512_fp16" not in flags)
