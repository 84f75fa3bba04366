"""What a running node uses of ComfyUI: its folders, its progress bar, its Cancel button.

Each part is looked up when it is used, so that this file imports anywhere.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ...contract.errors import Cancelled, InputError
from ...models.training.numerics import Numerics
from ...runner.graph.folders import Folders
from ...runner.run.devices import numerics_for
from ...runner.store.place import cache_folder
from ...runner.store.store import Store

log = logging.getLogger("artgraph")
_PREVIEW_SECONDS = 3.0
_PREVIEW_EDGE = 512  # pixels


@cache
def store() -> Store:
    """The store that the command line uses; `$ARTGRAPH_CACHE` names another folder.

    Raises: CacheError.
    """
    return Store(cache_folder(), warn=log.warning)


@cache
def numerics() -> Numerics:
    """What the command line would compute on; `$ARTGRAPH_DEVICE` is its `--device`."""
    return numerics_for(os.environ.get("ARTGRAPH_DEVICE", "auto"))


def resolve(text: str, kind: str) -> Path:
    """The file or folder that a widget names.

    It lies in ComfyUI's input or output folder, or in one that `extra_model_paths.yaml` names
    under `artgraph`.

    Raises: InputError where it is missing or elsewhere.
    """
    import folder_paths

    roots = [folder_paths.get_input_directory()]
    if "artgraph" in folder_paths.folder_names_and_paths:
        roots += folder_paths.get_folder_paths("artgraph")
    output = Path(folder_paths.get_output_directory())
    for root in map(Path, roots):
        try:
            return Folders(root, root, output).resolve(text, kind)
        except InputError as error:
            last = error
    raise last


class Running:
    """A node that runs in ComfyUI, a `Host`; `read` returns the values of its inputs.

    ComfyUI's bar shows its progress and pictures of its work; what it says is in ComfyUI's log,
    and on the node if this ComfyUI can show it there.
    """

    def __init__(self, read: Callable[[], dict[str, Any]]) -> None:
        self.inputs, self.numerics = read, numerics()
        self._last = time.monotonic()
        self._lines: list[str] = []

    @cached_property
    def _bar(self) -> Any:
        from comfy.utils import ProgressBar

        return ProgressBar(100)

    def progress(self, done: float, total: float, preview: Any = None) -> None:
        """Move ComfyUI's bar. Raises: Cancelled, caused by what ComfyUI wants to see raised."""
        from ...pictures.tiles import tiled

        self.check_cancelled()
        picture = None
        if preview is not None and time.monotonic() - self._last >= _PREVIEW_SECONDS:
            picture = ("JPEG", tiled(preview().cpu()), _PREVIEW_EDGE)
            self._last = time.monotonic()
        with _interruptible():
            self._bar.update_absolute(done, total, picture)

    def check_cancelled(self) -> None:
        """Raise Cancelled, caused by what ComfyUI wants to see raised, after a click on Cancel."""
        import comfy.model_management

        with _interruptible():
            comfy.model_management.throw_exception_if_processing_interrupted()

    def log(self, message: str) -> None:
        log.info(message)
        self._show(message)

    def warn(self, message: str) -> None:
        log.warning(message)
        self._show(message)

    def _show(self, message: str) -> None:
        self._lines.append(message)
        try:
            from comfy_execution.utils import get_executing_context
            from server import PromptServer

            server, running = PromptServer.instance, get_executing_context()
            show = server.send_progress_text
        except (ImportError, AttributeError):
            return
        if running is not None:
            show("\n".join(self._lines), running.node_id, server.client_id)

    def started(self, step: int | None) -> None:
        """ComfyUI shows that by itself."""

    def computed(self) -> None:
        """ComfyUI runs one node at a time."""

    @contextmanager
    def switches(self) -> Iterator[None]:
        """Set torch's process-wide switches as our keys name them; ComfyUI's come back after."""
        import torch

        fill = torch.utils.deterministic
        before = (
            torch.get_num_threads(),
            torch.backends.cudnn.benchmark,
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            fill.fill_uninitialized_memory,  # type: ignore[attr-defined]
        )
        self.numerics.apply()
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.backends.cudnn.benchmark = before[1]
            torch.use_deterministic_algorithms(before[2], warn_only=before[3])
            fill.fill_uninitialized_memory = before[4]  # type: ignore[attr-defined]


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn ComfyUI's interruption, which its bar may raise as well, into Cancelled."""
    from comfy.model_management import InterruptProcessingException

    try:
        yield
    except InterruptProcessingException as interruption:
        raise Cancelled from interruption


def save_file(name: str, data: bytes) -> dict[str, str]:
    """Write into ComfyUI's output folder under a name not used yet; where, for its editor."""
    import folder_paths

    path = Path(name)
    folder, stem, number, subfolder, _ = folder_paths.get_save_image_path(
        path.stem, folder_paths.get_output_directory()
    )
    while True:
        filename = f"{stem}_{number:05}_{path.suffix}"
        try:
            with (Path(folder) / filename).open("xb") as file:
                file.write(data)
        except FileExistsError:  # of another ending, which ComfyUI does not count
            number += 1
        else:
            return {"filename": filename, "subfolder": subfolder, "type": "output"}


def keeps_metadata() -> bool:
    """Whether the user lets pictures carry their graph (ComfyUI's --disable-metadata)."""
    from comfy.cli_args import args

    return not args.disable_metadata


def node_title(hidden: Mapping[str, Any]) -> str | None:
    """The title of the node that runs, as its user sees it."""
    prompt, number = hidden.get("prompt") or {}, str(hidden.get("unique_id"))
    node = prompt.get(number) if isinstance(prompt, dict) else None
    return ((node or {}).get("_meta") or {}).get("title")
