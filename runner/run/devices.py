"""The devices of this machine, found without importing torch."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...models.training.numerics import Numerics
from .driver import Driver, Gpu, free_memory, nvidia_driver

# For which compute capabilities PyTorch is built, by the oldest version of CUDA with these limits:
# the oldest one, and the first that is too new. The texts are the versions of CUDA to install.
_BUILDS = {
    (13, 0): ((7, 5), (99, 0), "13"),
    (12, 8): ((7, 0), (99, 0), "12.8"),
    (12, 0): ((5, 0), (10, 0), "12.6"),
    (11, 0): ((3, 5), (10, 0), "11.8"),
}


@dataclass(frozen=True)
class Device:
    """A device of this machine.

    model:    the name that its maker gave it.
    numerics: its name in torch and the fastest precision.
    memory:   bytes in total, 0 if it is unknown.
    problem:  why torch can't use it, or None.
    advice:   what to do against the problem.
    bus:      the PCI address of an NVIDIA GPU.
    kind:     what the bits of its results depend on; GPUs of one kind compute the same bits.
    """

    model: str
    numerics: Numerics
    memory: int = 0
    problem: str | None = None
    advice: str = ""
    bus: str = ""
    kind: str = ""

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


def all_devices() -> list[Device]:
    """Returns the devices of this machine, also GPUs that torch can't use."""
    return [*gpus(), processor()]


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
    kind = f"{gpu.name}, compute capability {_dotted(gpu.capability)}"
    return Device(gpu.name, numerics, gpu.memory, problem, advice, gpu.bus, kind)


def _obstacle(gpu: Gpu, driver: Driver, torch: Torch) -> tuple[str | None, str]:
    """Returns why torch can't use a GPU, and what to do, or None and an empty text.

    A driver supports all versions of CUDA with its own major version or an older one.
    """
    if torch.cuda is None:
        return f"torch {torch.version} was built without CUDA", "install torch for CUDA"
    built = _version(torch.cuda)
    if driver.cuda[0] < built[0]:
        return (
            f"torch needs CUDA {torch.cuda}, and the NVIDIA driver supports {_dotted(driver.cuda)}",
            f"update the driver or install torch for CUDA {driver.cuda[0]}",
        )
    limits = next((limits for version, limits in _BUILDS.items() if version <= built), None)
    if limits is None or limits[0] <= gpu.capability < limits[1]:
        return None, ""
    reason, limit = "at least", limits[0]
    if gpu.capability >= limits[1]:
        reason, limit = "less than", limits[1]
    names = (
        name
        for version, (low, high, name) in _BUILDS.items()
        if low <= gpu.capability < high and version[0] <= driver.cuda[0]
    )
    name = next(names, None)
    return (
        f"torch for CUDA {torch.cuda} needs compute capability {reason} {_dotted(limit)}, and this"
        f" GPU has {_dotted(gpu.capability)}",
        f"install torch for CUDA {name}" if name else "use another GPU",
    )


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)


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
    folder = root / "sys/class/kfd/kfd/topology/nodes"
    nodes = sorted(folder.glob("*/properties"), key=lambda path: int(path.parent.name))
    found = [dict(re.findall(r"^(\w+) (\d+)$", node.read_text(), re.M)) for node in nodes]
    facts = [node for node in found if node.get("simd_count", "0") != "0"]  # else a processor
    kinds = [
        f"AMD GPU, version {node.get('gfx_target_version')}, {node['simd_count']} SIMD units"
        for node in facts
    ]
    return [
        Device("AMD GPU", Numerics.of(f"cuda:{number}"), 0, problem, advice, kind=kind)
        for number, kind in enumerate(kinds)
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


def _system_memory() -> tuple[int, int]:
    """Returns the total and the free memory in bytes, or zeros if the system does not report it."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0, 0
