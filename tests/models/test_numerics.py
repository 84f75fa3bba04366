"""Torch's process-wide switches, precisions and errors of memory, on each device."""

import json
import os
import subprocess
import sys

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from artgraph.models.training import numerics
from artgraph.models.training.numerics import Numerics, is_out_of_memory, to_device

SWITCHES = """
import json, os, torch
from artgraph.models.training.numerics import Numerics
Numerics.of({device!r}).apply()
print(json.dumps([
    os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    torch.backends.cudnn.allow_tf32,
    torch.backends.cuda.matmul.allow_tf32,
    torch.are_deterministic_algorithms_enabled(),
    torch.cuda.is_initialized(),
]))
"""


@pytest.mark.parametrize(
    ("device", "user", "expected"),
    [
        ("cuda:0", None, [":4096:8", False, False, True, False]),
        ("cuda:0", ":16:8", [":16:8", False, False, True, False]),
        ("cpu", None, [None, True, False, True, False]),
    ],
)
def test_switches_are_set_before_cuda_starts(device, user, expected):
    """The first two are those of cuBLAS and TF32. The user's own setting of cuBLAS remains."""
    environment = {k: v for k, v in os.environ.items() if k != "CUBLAS_WORKSPACE_CONFIG"}
    environment |= {"CUBLAS_WORKSPACE_CONFIG": user} if user else {}
    code = "torch.backends.cuda.matmul.allow_tf32 = True\n" if device != "cpu" else ""
    code = SWITCHES.format(device=device).replace("Numerics.of", code + "Numerics.of")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected


def test_the_key_says_how_float32_is_computed():
    assert Numerics("cuda:1", "float32").name() == "cuda/float32/ieee"
    assert Numerics("cuda", "bfloat16").name() == "cuda/bfloat16/ieee"
    assert Numerics("cpu", "bfloat16", 4).name() == "cpu/bfloat16/4"
    assert Numerics("mps").name() == "mps/float32"


def test_bfloat16_needs_an_nvidia_gpu_that_has_it():
    assert Numerics.of("cuda:0", (7, 5)).precision == "float32"
    assert Numerics.of("cuda:0", (8, 0)).precision == "bfloat16"
    assert Numerics.of("cuda").precision == "bfloat16"
    assert Numerics.of("mps").precision == "float32"


LIBC = """
import ctypes
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from artgraph.models.training.numerics import Numerics
if {applied}:
    Numerics("cuda:0").apply()
libc = ctypes.CDLL(None)
class Facts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost")]
libc.mallinfo2.restype = Facts
torch.set_num_threads(1)
large = torch.empty(24 << 20, dtype=torch.uint8)
print(libc.mallinfo2().hblks)
"""


@pytest.mark.skipif(numerics.libc_function("mallinfo2") is None, reason="needs glibc 2.33")
def test_freed_memory_is_reused_on_a_gpu_too():
    """The processor prepares the batches. glibc maps a large block of its own, unless told not."""
    mapped = []
    for applied in (False, True):
        code = LIBC.format(applied=applied)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        mapped.append(int(done.stdout))
    assert mapped[1] < mapped[0]


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 2 GiB",
        "MPS backend out of memory (MPS allocated: 9.01 GB)",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_an_error_of_memory_is_recognised(text):
    assert is_out_of_memory(RuntimeError(text))


@pytest.mark.parametrize(
    "text", ["CUBLAS_STATUS_EXECUTION_FAILED", "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"]
)
def test_other_errors_are_not_errors_of_memory(text):
    assert not is_out_of_memory(RuntimeError(text))


def test_memory_of_a_mac_is_returned(monkeypatch):
    """Only a Mac has the function that torch calls: count the calls of torch's own."""
    calls = []
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: calls.append("mps"))
    Numerics("cpu").release()
    assert calls == []
    Numerics("mps").release()
    assert calls == ["mps"]


class Copies(TorchDispatchMode):
    """Notes for each copy between devices whether it blocks."""

    def __init__(self):
        super().__init__()
        self.blocking = []

    def __torch_dispatch__(self, function, types, values=(), options=None):
        if function is torch.ops.aten._to_copy.default:
            self.blocking.append(not (options or {}).get("non_blocking"))
        return function(*values, **(options or {}))


def test_copies_to_other_devices_than_cuda_block():
    """On a Mac, a copy that does not block may read memory that was freed meanwhile."""
    with Copies() as copies:
        assert to_device(torch.zeros(3), "meta").device.type == "meta"
    assert copies.blocking == [True]


def test_a_first_picture_loads_no_compiler():
    """torch would load TorchInductor and sympy, which takes over a second."""
    script = (
        "import sys\n"
        "from artgraph.models.blocks import blank\n"
        "from artgraph.models.training.numerics import Numerics\n"
        "from torch import nn\n"
        "Numerics().apply()\n"
        "blank(lambda: nn.Conv2d(3, 4, 3))\n"
        "print({'torch._inductor', 'sympy'} & sys.modules.keys())\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert found.stdout == "set()\n", found.stderr
