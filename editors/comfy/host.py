"""What a running node uses of ComfyUI: its device, its progress bar, its Cancel button.

ComfyUI's modules are imported inside the functions, so that this file can be imported without them.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any

from ...contract.errors import Cancelled
from ...models.training.numerics import Numerics
from ...models.training.stages import Stage
from ...runner.run.compute import waiting_line
from ...runner.run.device_option import numerics_for
from ...runner.store.holders import Holder
from ...runner.store.place import cache_folder
from ...runner.store.store import Store

log = logging.getLogger("artgraph")
_PREVIEW_SECONDS = 3.0  # shortest time between two previews
_PREVIEW_EDGE = 512  # longest edge of a preview in pixels


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


class RunningNode:
    """The `Host` of a node that runs in ComfyUI. `read` returns the values of its inputs.

    ComfyUI's bar shows the progress and the previews. Messages are written to ComfyUI's log, and
    shown on the node if this version of ComfyUI can do so.
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
        """Move ComfyUI's bar. Raises: Cancelled, with ComfyUI's own exception as its cause."""
        from ...pictures.tiles import tiled

        self.check_cancelled()
        picture = None
        if preview is not None and time.monotonic() - self._last >= _PREVIEW_SECONDS:
            picture = ("JPEG", tiled(preview().cpu()), _PREVIEW_EDGE)
            self._last = time.monotonic()
        with _interruptible():
            self._bar.update_absolute(done, total, picture)

    def stages(self, stages: Sequence[Stage]) -> None:
        """Nothing to do: ComfyUI's bar shows shares without words."""

    @property
    def label(self) -> str:
        """Names ComfyUI, since its nodes and graphs have no names."""
        return "a node in ComfyUI"

    def waiting(self, holder: Holder | None) -> None:
        self.log(waiting_line(holder))

    def check_cancelled(self) -> None:
        """Raise Cancelled, with ComfyUI's own exception as its cause, after a click on Cancel."""
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
        """Nothing to do: ComfyUI shows by itself which node runs."""

    def computed(self) -> None:
        """Nothing to do: ComfyUI runs one node at a time."""

    @contextmanager
    def switches(self) -> Iterator[None]:
        """Set torch's process-wide switches to the numerics in our keys, and restore them after.

        ComfyUI's models first leave the memory of the GPU, because ours may need all of it.
        """
        import torch

        if self.numerics.device != "cpu":
            import comfy.model_management

            comfy.model_management.unload_all_models()
        fill, tf32 = torch.utils.deterministic, _tf32()
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
            if tf32 is not None:
                torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = tf32


def _tf32() -> tuple[bool, bool] | None:
    """Returns whether cuDNN and matrix products may use TF32.

    Returns None if torch refuses to say, because another pack set it by a newer function.
    """
    import torch

    try:
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    except RuntimeError:
        return None


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise Cancelled instead of ComfyUI's interruption, which its bar may raise as well."""
    from comfy.model_management import InterruptProcessingException

    try:
        yield
    except InterruptProcessingException as interruption:
        raise Cancelled from interruption


def saves_metadata() -> bool:
    """Returns whether pictures contain their graph: not with ComfyUI's --disable-metadata."""
    from comfy.cli_args import args

    return not args.disable_metadata


def node_title(hidden: Mapping[str, Any]) -> str | None:
    """Returns the title of the running node in ComfyUI's editor."""
    prompt, number = hidden.get("prompt") or {}, str(hidden.get("unique_id"))
    node = prompt.get(number) if isinstance(prompt, dict) else None
    return ((node or {}).get("_meta") or {}).get("title")
