"""A CUDA device without CUDA, for the C++ side of torch 2.13 in a build for the CPU."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import torch


def register_cuda() -> Any:
    """Make C++ use torch's own fake device guard for CUDA, and believe that CUDA is available.

    Returns what must stay in memory, because C++ has pointers to it.
    Raises: RuntimeError if the installed torch is not the one that this is made for.
    """
    if not torch.__version__.startswith("2.13.") or torch.version.cuda is not None:
        raise RuntimeError(f"the stand-in needs torch 2.13 for the CPU, not {torch.__version__}")
    folder, pointer = Path(torch.__file__).parent / "lib", ctypes.c_void_p
    core, cpu = (ctypes.CDLL(str(folder / f"lib{name}.so")) for name in ("c10", "torch_cpu"))
    answers = [ctypes.CFUNCTYPE(ctypes.c_int8, pointer)(lambda _, a=a: a) for a in (0, 1)]
    no, yes = (ctypes.cast(answer, pointer).value for answer in answers)
    table = (pointer * 64)(*[no] * 64)
    guard = pointer(ctypes.addressof(table))
    guards = (pointer * 2).in_dll(core, "_ZN3c104impl26device_guard_impl_registryE")
    guards[1] = ctypes.addressof(guard)  # it counts 0 devices, so torch replaces it by its fake one
    torch._C._ensureCUDADeviceGuardSet()
    cpu._ZN2at6detail12getCUDAHooksEv.restype = pointer
    hooks = pointer.from_address(cpu._ZN2at6detail12getCUDAHooksEv())
    functions = (pointer * 98)(*(pointer * 98).from_address(hooks.value - 16))
    functions[2 + 2], functions[2 + 4] = yes, no  # isBuilt, hasPrimaryContext in torch 2.13
    hooks.value = ctypes.addressof(functions) + 16
    return answers, table, guard, functions
