"""The names of the processors of this computer, found without importing torch."""

from __future__ import annotations

import platform
import re
from functools import cache
from pathlib import Path

_CPU, _GPUS = Path("/proc/cpuinfo"), Path("/proc/driver/nvidia/gpus")


@cache
def processors() -> str:
    """Returns the kinds of the processor and of NVIDIA's GPUs, as far as the system names them."""
    found = [*_values(_CPU, "model name")] or [platform.processor() or platform.machine()]
    for gpu in sorted(_GPUS.glob("*/information")):
        found += _values(gpu, "Model")
    return ", ".join(dict.fromkeys(found))


def _values(path: Path, name: str) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return re.findall(rf"^{name}\s*:\s*(.+?)\s*$", text, re.MULTILINE)
