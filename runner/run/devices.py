"""The device on which a run computes, found without importing torch."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from ...contract.errors import GraphError
from ...models.training.numerics import Numerics


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
    device, _, compiled = device.partition("+")
    available = _available()
    if device == "auto":
        device = available
    elif device != "cpu" and not device.startswith(available):
        raise GraphError(f"--device {device}: torch cannot use it here", "use --device cpu")
    if compiled and not _compiler():
        raise GraphError(
            f"--device {device}+compile: there is no C++ compiler",
            "install g++ or clang, or remove +compile",
        )
    return replace(Numerics.of(device), compiled=bool(compiled))


def _compiler() -> str | None:
    """Returns the path of a C++ compiler that torch would find, if there is one."""
    names = [os.environ.get("CXX"), "cl"] if sys.platform == "win32" else [os.environ.get("CXX")]
    paths = (shutil.which(name) for name in (*names, "g++", "clang++") if name)
    return next((path for path in paths if path), None)


def _available() -> str:
    """Returns cuda or mps if the machine has one and the installed torch supports it, else cpu."""
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
