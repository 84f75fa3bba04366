"""What a node uses of ComfyUI: its device, its options, its folder for temporary pictures.

ComfyUI's modules are imported inside the functions, so that this file can be imported without them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ...models.training.numerics import Numerics
from ...runner.run.device_option import numerics_for
from ...runner.store.place import cache_folder
from ...runner.store.store import Store

log = logging.getLogger("artgraph")
SHOWN = "artgraph"  # name of the folder in ComfyUI's folder for temporary files


@cache
def store() -> Store:
    """Returns the store that the command line uses; `$ARTGRAPH_CACHE` names another folder.

    Raises: CacheError.
    """
    return Store(cache_folder(), warn=log.warning)


@cache
def numerics() -> Numerics:
    """Returns the numerics of `$ARTGRAPH_DEVICE`, which is `--device` of the command line.

    Without it, artgraph uses the device that ComfyUI uses, so it respects ComfyUI's `--cpu`.
    """
    device = os.environ.get("ARTGRAPH_DEVICE", "auto")
    return _comfy_numerics() if device == "auto" else numerics_for(device)


def _comfy_numerics() -> Numerics:
    """Returns the numerics of ComfyUI's device; the processor if artgraph can't use its device."""
    import comfy.model_management
    import torch

    device = comfy.model_management.get_torch_device()
    if device.type == "cuda":
        return Numerics.of(str(device), torch.cuda.get_device_capability(device))
    return Numerics.of(device.type if device.type == "mps" else "cpu")


def temporary_folder() -> Path:
    """Returns the folder for pictures that ComfyUI shows, which it empties when it starts."""
    import folder_paths

    return Path(folder_paths.get_temp_directory()) / SHOWN


def saves_metadata() -> bool:
    """Returns whether pictures contain their graph: not with ComfyUI's --disable-metadata."""
    from comfy.cli_args import args

    return not args.disable_metadata


def node_title(hidden: Mapping[str, Any]) -> str | None:
    """Returns the title of the running node in ComfyUI's editor."""
    prompt, number = hidden.get("prompt") or {}, str(hidden.get("unique_id"))
    node = prompt.get(number) if isinstance(prompt, dict) else None
    return ((node or {}).get("_meta") or {}).get("title")
