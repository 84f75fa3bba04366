"""The devices that `--device` names, found without importing torch."""

from __future__ import annotations

import os
import re
import shutil
import sys
import warnings
from dataclasses import replace
from functools import cache

from ...contract.errors import GraphError
from ...models.training.numerics import Numerics
from .devices import Device, gpus, processor

_NAME = r"auto|cpu|cuda(:[0-9]{1,2}|:all)?|mps"


def numerics_for(device: str) -> Numerics:
    """Returns the numerics of `--device` if it names one device (see `all_numerics_for`).

    Raises: GraphError, also if it names several devices.
    """
    found = all_numerics_for(device)
    if len(found) > 1:
        raise GraphError(f"--device {device}: only one device can be used here", "name one device")
    return found[0]


def all_numerics_for(devices: str) -> tuple[Numerics, ...]:
    """Returns the numerics of `--device`, which are equal but for the device.

    devices: auto, cpu, cuda, cuda:N or mps; several of cuda:N with commas between them; or
             cuda:all. One device may be followed by `+compile`, `+graphs` or both.

    Raises: GraphError if a name is unknown, a device is not available, the devices can't be used
    together, for `+compile` if there is no C++ compiler, and for `+graphs` if the device is not
    CUDA.
    """
    names, *extras = devices.strip().split("+")
    for number, extra in enumerate(extras):
        if extra not in ("compile", "graphs") or extra in extras[:number]:
            raise _unknown(devices, f"+{extra}")
    compiled, graphs = "compile" in extras, "graphs" in extras
    chosen = _devices([name.strip() for name in names.split(",")], devices)
    if extras and len(chosen) > 1:
        suffix = f"+{'+'.join(extras)}"
        raise GraphError(
            f"--device {devices}: {suffix} can only be used with one device",
            f"remove {suffix}, or name one device",
        )
    if compiled and not _compiler():
        raise GraphError(
            f"--device {devices}: there is no C++ compiler",
            "install g++ or clang, or remove +compile",
        )
    if graphs and not chosen[0].name.startswith("cuda"):
        raise GraphError(
            f"--device {devices}: CUDA graphs need a CUDA device, not {chosen[0].name}",
            "remove +graphs",
        )
    return tuple(replace(device.numerics, compiled=compiled, graphs=graphs) for device in chosen)


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


def every_gpu() -> tuple[list[Device], list[str]]:
    """Returns the GPUs of `--device cuda:all`, and a line about each GPU that is not among them.

    They are of the kind of the first one that torch can use, because results depend on the kind.
    """
    used: list[Device] = []
    lines: list[str] = []
    for gpu in (gpu for gpu in gpus() if gpu.name.startswith("cuda")):
        if gpu.problem is not None:
            lines.append(f"{gpu.name} is not used: {gpu.problem} - {gpu.advice}")
        elif used and gpu.kind != used[0].kind:
            lines.append(
                f"{gpu.name} is not used: it is of another kind ({gpu.kind}) than {used[0].name}"
                f" ({used[0].kind}), and results depend on it - choose it with --device {gpu.name}"
            )
        else:
            used.append(gpu)
    return used, lines


def _devices(names: list[str], text: str) -> list[Device]:
    """Returns the devices of these names. Raises: GraphError."""
    for name in names:
        if not re.fullmatch(_NAME, name):
            raise _unknown(text, name)
    if names == ["auto"]:
        return [preferred()]
    if names == ["cuda:all"]:
        used, lines = every_gpu()
        for line in lines if used else ():
            _warn_once(f"--device cuda:all: {line}")
        return used or [_named("cuda:all")]
    if len(names) == 1:
        return [_named(names[0])]
    return _together(names, text)


def _together(names: list[str], text: str) -> list[Device]:
    """Returns several GPUs of one kind. Raises: GraphError."""
    for name in names:
        if not name.startswith("cuda"):
            what = f"--device {text}: {name} can't be used together with another device"
            raise GraphError(what, "name several GPUs, such as cuda:0,cuda:1, or one device")
    if "cuda:all" in names:
        what = f"--device {text}: cuda:all already means all GPUs"
        raise GraphError(what, "use cuda:all alone")
    found = [_named(name) for name in names]
    first = found[0]
    for number, device in enumerate(found):
        if device in found[:number]:
            what = f"--device {text}: {device.name} is named twice"
            raise GraphError(what, "name each device once")
        if device.kind != first.kind:
            raise GraphError(
                f"--device {text}: {first.name} ({first.kind}) and {device.name} ({device.kind})"
                " are of different kinds, and results depend on it",
                "name GPUs of one kind",
            )
    return found


def _unknown(text: str, name: str) -> GraphError:
    more = f" {name!r}" if "," in text else ""
    return GraphError(
        f"--device {text}: unknown device{more}",
        "use auto, cpu, cuda, cuda:1 or mps, or one of these with +compile or +graphs; for"
        " several GPUs, use cuda:0,cuda:1 or cuda:all",
    )


def _named(name: str) -> Device:
    """Returns the device of this name; `cuda` is the first GPU. Raises: GraphError."""
    if name == "cpu":
        return processor()
    found = gpus()
    wanted = "cuda:0" if name in ("cuda", "cuda:all") else name
    chosen = next((gpu for gpu in found if gpu.name == wanted), None)
    if chosen is None:
        usable = [gpu.name for gpu in found if gpu.problem is None]
        raise GraphError(
            f"--device {name}: there is no such device", "use " + " or ".join([*usable, "cpu"])
        )
    if chosen.problem is not None:
        raise GraphError(f"--device {name}: {chosen.problem}", f"{chosen.advice}, or use cpu")
    return chosen


@cache
def _warn_once(message: str) -> None:
    warnings.warn(message, stacklevel=2)


def _compiler() -> str | None:
    """Returns the path of a C++ compiler that torch would find, if there is one."""
    names = [os.environ.get("CXX"), "cl"] if sys.platform == "win32" else [os.environ.get("CXX")]
    paths = (shutil.which(name) for name in (*names, "g++", "clang++") if name)
    return next((path for path in paths if path), None)
