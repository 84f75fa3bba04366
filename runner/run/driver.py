"""The NVIDIA driver: which CUDA it supports, and which GPUs it has.

ctypes asks the driver's own library, since importing torch would take seconds. The driver hides the
GPUs that CUDA_VISIBLE_DEVICES excludes.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from functools import cache

_WINDOWS = sys.platform == "win32"
_CUDA = "nvcuda.dll" if _WINDOWS else "libcuda.so.1"
_NVML = "nvml.dll" if _WINDOWS else "libnvidia-ml.so.1"
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR of cuda.h
_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE of cuda.h


@dataclass(frozen=True)
class Gpu:
    """A GPU of the driver.

    capability: its compute capability, for example (8, 6).
    memory:     bytes in total.
    bus:        its PCI address, empty if it does not have one.
    """

    name: str
    capability: tuple[int, int]
    memory: int
    bus: str


@dataclass(frozen=True)
class Driver:
    """The NVIDIA driver.

    cuda:    the newest version of CUDA that it supports.
    gpus:    its GPUs, in CUDA's order.
    problem: why it does not start, or None.
    """

    cuda: tuple[int, int] = (0, 0)
    gpus: tuple[Gpu, ...] = ()
    problem: str | None = None


class _DriverError(Exception):
    """A function of the driver failed; the text says why."""


@cache
def nvidia_driver() -> Driver | None:
    """Returns the NVIDIA driver, or None if the machine does not have one."""
    try:
        library = ctypes.CDLL(_CUDA)
    except OSError:
        return None
    try:
        code = library.cuInit(0)
        if code == _NO_DEVICE:
            return Driver()
        _check(library, code)
        version, count = ctypes.c_int(), ctypes.c_int()
        _check(library, library.cuDriverGetVersion(ctypes.byref(version)))
        _check(library, library.cuDeviceGetCount(ctypes.byref(count)))
        gpus = tuple(_gpu(library, number) for number in range(count.value))
    except (_DriverError, AttributeError) as error:  # AttributeError: a function is missing
        return Driver(problem=str(error))
    return Driver((version.value // 1000, version.value % 1000 // 10), gpus)


def _gpu(library: ctypes.CDLL, number: int) -> Gpu:
    device, memory = ctypes.c_int(), ctypes.c_size_t()
    major, minor = ctypes.c_int(), ctypes.c_int()
    name, bus = ctypes.create_string_buffer(256), ctypes.create_string_buffer(64)
    for code in (
        library.cuDeviceGet(ctypes.byref(device), number),
        library.cuDeviceGetName(name, len(name), device),
        library.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device),
        library.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device),
        library.cuDeviceTotalMem_v2(ctypes.byref(memory), device),
    ):
        _check(library, code)
    library.cuDeviceGetPCIBusId(bus, len(bus), device)
    text = name.value.decode(errors="replace")
    return Gpu(text, (major.value, minor.value), memory.value, bus.value.decode())


def _check(library: ctypes.CDLL, code: int) -> None:
    """Raise _DriverError with the driver's own text, unless the code means success."""
    if code:
        text = ctypes.c_char_p()
        library.cuGetErrorString(code, ctypes.byref(text))
        raise _DriverError((text.value or b"").decode() or f"error {code}")


class _Memory(ctypes.Structure):
    """`nvmlMemory_t` of nvml.h."""

    _fields_ = [(name, ctypes.c_ulonglong) for name in ("total", "free", "used")]


def free_memory(bus: str) -> int | None:
    """Returns the free memory of the GPU at a PCI address, or None if it is unknown.

    NVML (the NVIDIA Management Library) reports it. CUDA itself would first reserve some hundred
    MB on the GPU.
    """
    try:
        library = ctypes.CDLL(_NVML)
        handle, memory = ctypes.c_void_p(), _Memory()
        if library.nvmlInit_v2():
            return None
        try:
            found = not (
                library.nvmlDeviceGetHandleByPciBusId_v2(bus.encode(), ctypes.byref(handle))
                or library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory))
            )
        finally:
            library.nvmlShutdown()
    except (OSError, AttributeError):
        return None
    return memory.free if found else None
