"""The devices of this machine, and the one that a run uses, found without importing torch."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
import warnings
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ...contract.errors import GraphError
from ...models.training.numerics import Numerics
from .driver import Driver, Gpu, free_memory, nvidia_driver

# The oldest compute capability for which a major version of CUDA can build programs.
_OLDEST = {11: (3, 5), 12: (5, 0), 13: (7, 5)}


@dataclass(frozen=True)
class Device:
    """A device of this machine.

    model:    the name that its maker gave it.
    numerics: its name in torch and the fastest precision.
    memory:   bytes in total, 0 if it is unknown.
    problem:  why torch can't use it, or None.
    advice:   what to do against the problem.
    bus:      the PCI address of an NVIDIA GPU.
    """

    model: str
    numerics: Numerics
    memory: int = 0
    problem: str | None = None
    advice: str = ""
    bus: str = ""

    @property
    def name(self) -> str:
        """The name that `--device` accepts: cuda:0, mps or cpu."""
        return self.numerics.device

    def free(self) -> int | None:
        """Returns the bytes of free memory, or None if they are unknown."""
        if self.bus:
            return free_memory(self.bus)
        return (_system_memory()[1] or None) if self.memory else None


@dataclass(frozen=True)
class Torch:
    """The installed torch.

    cuda, hip: the versions of CUDA and of HIP (AMD's ROCm) for which it was built, or None.
    """

    version: str = ""
    cuda: str | None = None
    hip: str | None = None


def numerics_for(device: str) -> Numerics:
    """Returns the numerics of `--device`: auto, cpu, cuda, cuda:N or mps, optionally `+compile`.

    Raises: GraphError if the name is unknown, the device is not available or, for `+compile`,
    there is no C++ compiler.
    """
    if not re.fullmatch(r"(auto|cpu|cuda(:[0-9]{1,2})?|mps)(\+compile)?", device):
        raise GraphError(
            f"--device {device}: unknown device",
            "use auto, cpu, cuda, cuda:1 or mps, or one of these with +compile",
        )
    name, _, compiled = device.partition("+")
    chosen = preferred() if name == "auto" else _named(name)
    if compiled and not _compiler():
        raise GraphError(
            f"--device {device}: there is no C++ compiler",
            "install g++ or clang, or remove +compile",
        )
    return replace(chosen.numerics, compiled=bool(compiled))


def all_devices() -> list[Device]:
    """Returns the devices of this machine, also GPUs that torch can't use."""
    return [*gpus(), processor()]


def preferred(*, warn: bool = True) -> Device:
    """Returns the device of `--device auto`: the first GPU that torch can use, else the processor.

    warn: if there are GPUs, but torch can use none of them, warn once and say why.
    """
    found = gpus()
    if usable := [gpu for gpu in found if gpu.problem is None]:
        return usable[0]
    if found and warn:
        _warn_once(f"{found[0].model} is not used: {found[0].problem} - {found[0].advice}")
    return processor()


@cache
def _warn_once(message: str) -> None:
    warnings.warn(message, stacklevel=2)


def _named(name: str) -> Device:
    """Returns the device of this name; `cuda` is the first GPU. Raises: GraphError."""
    if name == "cpu":
        return processor()
    found = gpus()
    wanted = "cuda:0" if name == "cuda" else name
    chosen = next((gpu for gpu in found if gpu.name == wanted), None)
    if chosen is None:
        usable = [gpu.name for gpu in found if gpu.problem is None]
        raise GraphError(
            f"--device {name}: there is no such device", "use " + " or ".join([*usable, "cpu"])
        )
    if chosen.problem is not None:
        raise GraphError(f"--device {name}: {chosen.problem}", f"{chosen.advice}, or use cpu")
    return chosen


def gpus(torch: Torch | None = None, root: Path = Path("/")) -> list[Device]:
    """Returns the GPUs of this machine, also those that torch can't use.

    torch: the installed one if it is None.
    root:  the folder that contains `dev` and `sys`, for GPUs of AMD.
    """
    torch = torch or installed_torch()
    if sys.platform == "darwin":
        if platform.machine() != "arm64":
            return []
        return [Device("Apple GPU", Numerics.of("mps"), _system_memory()[0])]
    if torch.hip is not None:
        return _amd_gpus(root)
    driver = nvidia_driver()
    if driver is None:
        return []
    if driver.problem is not None:
        broken = f"the NVIDIA driver does not start ({driver.problem})"
        return [
            Device(
                "NVIDIA GPU",
                Numerics.of("cuda:0"),
                problem=broken,
                advice="restart the computer or install the driver again",
            )
        ]
    return [_nvidia_gpu(number, gpu, driver, torch) for number, gpu in enumerate(driver.gpus)]


def _nvidia_gpu(number: int, gpu: Gpu, driver: Driver, torch: Torch) -> Device:
    problem, advice = _obstacle(gpu, driver, torch)
    numerics = Numerics.of(f"cuda:{number}", gpu.capability)
    return Device(gpu.name, numerics, gpu.memory, problem, advice, gpu.bus)


def _obstacle(gpu: Gpu, driver: Driver, torch: Torch) -> tuple[str | None, str]:
    """Returns why torch can't use a GPU, and what to do, or None and an empty text.

    A driver supports all versions of CUDA with its own major version or an older one.
    """
    if torch.cuda is None:
        return f"torch {torch.version} was built without CUDA", "install torch for CUDA"
    needed, supported = int(torch.cuda.split(".")[0]), driver.cuda[0]
    if supported < needed:
        return (
            f"torch needs CUDA {torch.cuda}, and the NVIDIA driver supports {_dotted(driver.cuda)}",
            f"update the driver or install torch for CUDA {supported}",
        )
    oldest = _OLDEST.get(needed, (0, 0))
    if gpu.capability < oldest:
        return (
            f"CUDA {torch.cuda} needs compute capability {_dotted(oldest)}, and this GPU has "
            f"{_dotted(gpu.capability)}",
            f"install torch for CUDA {needed - 1}",
        )
    return None, ""


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def _amd_gpus(root: Path) -> list[Device]:
    """Returns AMD's GPUs, which torch calls cuda. Linux lists them beside the processors."""
    door = root / "dev" / "kfd"
    if not door.exists():
        return []
    problem, advice = None, ""
    if not os.access(door, os.R_OK | os.W_OK):
        problem, advice = f"no permission to use {door}", "join the group render"
    nodes = (root / "sys/class/kfd/kfd/topology/nodes").glob("*/properties")
    count = sum(
        re.search(r"^simd_count [1-9]", node.read_text(), re.M) is not None for node in nodes
    )
    return [
        Device("AMD GPU", Numerics.of(f"cuda:{number}"), problem=problem, advice=advice)
        for number in range(count)
    ]


def processor() -> Device:
    """Returns the processor as a device."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*: (.+)", text, re.M)
    model = found[1] if found else platform.processor() or platform.machine()
    return Device(model, Numerics.of("cpu"), _system_memory()[0])


@cache
def installed_torch() -> Torch:
    """Returns the installed torch, as its file version.py describes it."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return Torch()
    text = (Path(spec.origin).parent / "version.py").read_text()
    values = dict(re.findall(r"^(__version__|cuda|hip)\b[^=\n]*= *['\"](.+)['\"]", text, re.M))
    return Torch(values.get("__version__", ""), values.get("cuda"), values.get("hip"))


def _compiler() -> str | None:
    """Returns the path of a C++ compiler that torch would find, if there is one."""
    names = [os.environ.get("CXX"), "cl"] if sys.platform == "win32" else [os.environ.get("CXX")]
    paths = (shutil.which(name) for name in (*names, "g++", "clang++") if name)
    return next((path for path in paths if path), None)


def _system_memory() -> tuple[int, int]:
    """Returns the total and the free memory in bytes, or zeros if the system does not report it."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0, 0
