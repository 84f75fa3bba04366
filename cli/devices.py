"""`artgraph devices`: what a run can compute on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..contract.quantities import size_text
from .options import JsonOption

if TYPE_CHECKING:
    from ..runner.run.devices import Device

app = typer.Typer()


@app.command()
def devices(as_json: JsonOption = False) -> None:
    """List the devices, and say which one is used, and why others are not.

    A name in the list can follow --device. For long trainings, +compile or +graphs may be added to
    it, as in cuda:0+graphs.
    """
    from ..runner.run.device_option import every_gpu, preferred
    from ..runner.run.devices import all_devices

    chosen, found = preferred(warn=False).name, all_devices()
    together = [gpu.name for gpu in every_gpu()[0]]
    if as_json:
        typer.echo(json.dumps([_row(device, chosen, together) for device in found]))
        return
    for device in found:
        typer.echo(f"{device.name:7} {device.model}: {_words(device, chosen)}")
    if len(together) > 1:
        typer.echo(f"--device cuda:all uses {', '.join(together)} at the same time")
    for line in _notes():
        typer.echo(line)


def _row(device: Device, chosen: str, together: list[str]) -> dict[str, object]:
    return {
        "name": device.name,
        "model": device.model,
        "precision": device.numerics.precision,
        "memory": device.memory or None,
        "free": device.free(),
        "auto": device.name == chosen,
        "all": device.name in together,
        "problem": device.problem,
        "advice": device.advice or None,
    }


def _words(device: Device, chosen: str) -> str:
    """Returns what a person wants to know about a device, in one line."""
    if device.problem is not None:
        return f"cannot be used, because {device.problem} - {device.advice}"
    facts: list[str] = [device.numerics.precision]
    if device.name == "cpu":
        facts.append(f"threads: {device.numerics.threads}")
    if device.memory:
        free = device.free()
        total = size_text(device.memory)
        facts.append(f"{total} of memory" if free is None else f"{size_text(free)} of {total} free")
    if device.name == chosen:
        facts.append("used by --device auto")
    return ", ".join(facts)


def _notes() -> list[str]:
    """Returns lines about the software, and about GPUs that are hidden."""
    from ..runner.run.devices import installed_torch
    from ..runner.run.driver import nvidia_driver

    torch, driver = installed_torch(), nvidia_driver()
    built = f"for CUDA {torch.cuda}" if torch.cuda else f"for ROCm {torch.hip}" if torch.hip else ""
    lines = [f"torch {torch.version} was built {built or 'without support for GPUs'}"]
    if driver is not None and driver.gpus:
        lines.append(f"the NVIDIA driver supports CUDA {'.'.join(map(str, driver.cuda))}")
    if (hidden := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        lines.append(f"CUDA_VISIBLE_DEVICES={hidden} hides all other NVIDIA GPUs")
    if torch.hip is None and Path("/dev/kfd").exists():
        lines.append("if there is an AMD GPU, it needs a torch for ROCm")
    return lines
