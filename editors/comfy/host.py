"""What a node uses of ComfyUI: its device, its folders, its options.

ComfyUI's modules are imported inside the functions, so that this file can be imported without them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ...contract.errors import InputError
from ...contract.widgets import Widget
from ...models.training.numerics import Numerics
from ...runner.graph.folders import Folders
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


def resolve(text: str, widget: Widget) -> Path:
    """Returns the file or folder that a widget names.

    It must be in ComfyUI's input or output folder, or in a folder that `extra_model_paths.yaml`
    names under `artgraph`.

    Raises: InputError if it does not exist or is elsewhere, or for a folder of pictures instead of
    one: ComfyUI runs a graph only once.
    """
    import folder_paths

    roots = [folder_paths.get_input_directory()]
    if "artgraph" in folder_paths.folder_names_and_paths:
        roots += folder_paths.get_folder_paths("artgraph")
    output = Path(folder_paths.get_output_directory())
    for root in map(Path, roots):
        try:
            path = Folders(root, root, output).resolve(
                text, widget.kind, files=widget.files, or_folder=widget.is_picture
            )
        except InputError as error:
            last = error
        else:
            if widget.kind == "file" and path.is_dir():
                raise InputError(
                    f"{text!r} is a folder of pictures",
                    "choose a file; `artgraph run` and `artgraph edit` accept a folder",
                )
            return path
    raise last


def save_file(name: str, data: bytes) -> dict[str, str]:
    """Write a file to ComfyUI's output folder under an unused name, which may contain folders.

    Returns the place of the file, as ComfyUI's editor expects it.
    """
    import folder_paths

    path = Path(name)
    folder, stem, number, subfolder, _ = folder_paths.get_save_image_path(
        path.with_suffix("").as_posix(), folder_paths.get_output_directory()
    )
    while True:
        filename = f"{stem}_{number:05}_{path.suffix}"
        try:
            with (Path(folder) / filename).open("xb") as file:
                file.write(data)
        except FileExistsError:  # ComfyUI did not count this file
            number += 1
        else:
            return {"filename": filename, "subfolder": subfolder, "type": "output"}


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
