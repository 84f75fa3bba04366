"""Which device a run computes on. Torch is not imported to find out."""

from __future__ import annotations

import importlib.util
import platform
import re
import sys
from pathlib import Path

from ..models.numerics import Numerics
from ..nodes.errors import GraphError


def numerics_for(device: str) -> Numerics:
    """The numerics of `--device`: auto, cpu, cuda, cuda:N or mps.

    Raises: GraphError for another name, or a device that is not there.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,2})?|mps", device):
        raise GraphError(f"--device {device}: no such device - use auto, cpu, cuda, cuda:1 or mps")
    available = _available()
    if device == "auto":
        device = available
    elif device != "cpu" and not device.startswith(available):
        raise GraphError(f"--device {device}: there is none that torch can use - use --device cpu")
    return Numerics.of(device)


def _available() -> str:
    """Cuda or mps where the machine has one and the installed torch is built for it."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return "cpu"
    libraries = Path(spec.origin).parent / "lib"
    if sys.platform == "darwin":
        return "mps" if platform.machine() == "arm64" else "cpu"
    if sys.platform == "win32":
        driver = Path("C:/Windows/System32/nvcuda.dll").exists()
        return "cuda" if driver and (libraries / "torch_cuda.dll").exists() else "cpu"
    driver = Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()
    return "cuda" if driver and (libraries / "libtorch_cuda.so").exists() else "cpu"
