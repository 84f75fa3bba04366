"""A node that runs in ComfyUI: its progress, its messages, and the Cancel button.

ComfyUI's modules are imported inside the functions, so that this file can be imported without them.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from ...contract.errors import Cancelled
from ...contract.quantities import duration
from ...models.training.stages import Stage
from ...runner.run.compute import waiting_line
from ...runner.run.pace import Pace
from ...runner.store.holders import Holder
from ..formats.workflow_extras import plain
from . import host

_PREVIEW_SECONDS = 3.0  # shortest time between two previews
_PREVIEW_EDGE = 512  # longest edge of a preview in pixels
_LINE_SECONDS = 0.5  # shortest time between two lines about the progress
_QUIET_SECONDS = 1.0  # for which a node shows no line, since it may be done
_MOST_METRICS = 3  # numbers of a training in its line


class RunningNode:
    """The `Host` of a node that runs in ComfyUI. `read` returns the values of its inputs.

    ComfyUI's bar shows the progress and the previews. Messages are written to ComfyUI's log. The
    script `shown.js` of the pack shows them on the node, with numbers about the progress.

    lines:    the messages about the work.
    warnings: the messages about the result.
    sheet:    the last pictures that the node has shown, as a PNG file; empty if there are none.
    """

    def __init__(self, trains: bool, read: Callable[[], dict[str, Any]]) -> None:
        self.inputs, self.numerics = read, host.numerics()
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.sheet = b""
        self._begin = self._last = self._said = time.monotonic()
        self._pace = Pace(trains, self._begin)
        self._trains = trains
        self._preview: Any = None
        self._metrics: dict[str, float] = {}
        self._rows = 0  # rows of the curves that were sent
        self._line = ""

    @cached_property
    def _bar(self) -> Any:
        from comfy.utils import ProgressBar

        return ProgressBar(100)

    def progress(self, done: float, total: float, preview: Any = None) -> None:
        """Move ComfyUI's bar. Raises: Cancelled, with ComfyUI's own exception as its cause."""
        from ...pictures.tiles import tiled

        now = time.monotonic()
        self._pace.move(done, total, now)
        self._preview = preview or self._preview
        self.check_cancelled()
        picture = None
        if preview is not None and now - self._last >= _PREVIEW_SECONDS:
            picture = ("JPEG", tiled(preview().cpu()), _PREVIEW_EDGE)
            self._send_curves(preview)
            self._last = time.monotonic()
        if now - self._said >= _LINE_SECONDS and now - self._begin >= _QUIET_SECONDS:
            self._metrics = getattr(preview, "metrics", dict)() or self._metrics
            self._line = progress_line(self._pace, self._metrics)
            self._show()
        with _interruptible():
            self._bar.update_absolute(done, total, picture)

    def stages(self, stages: Sequence[Stage]) -> None:
        """Use the stages in the line about the progress. ComfyUI's bar shows shares."""
        self._pace.set_stages(stages)

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
        host.log.info(message)
        self.lines.append(message)
        self._show()

    def warn(self, message: str) -> None:
        host.log.warning(message)
        self.warnings.append(message)
        self._show()

    def stopped(self) -> None:
        """Show how far the node was when it was cancelled."""
        if self._trains and self._pace.words:
            self._line = f"stopped at {self._pace.words} - what is done is stored: queue again"
            self._line += " and the training continues"
            self._show()

    def started(self, step: int | None) -> None:
        """Show from which step a training resumes. ComfyUI shows by itself which node runs."""
        self.lines = []  # what the node waited for is over
        if step:
            self.log(f"resumed from step {step:,}")

    def computed(self) -> None:
        """Draw the pictures of the finished work, which the node goes on to show.

        Small ones are enlarged to about the size in which ComfyUI shows previews.
        """
        from ...pictures.tiles import tiled

        if self._preview is None:
            return
        buffer = io.BytesIO()
        try:
            sheet = tiled(self._preview().cpu())
            scale = max(1, _PREVIEW_EDGE // max(sheet.size))
            sheet.resize((sheet.width * scale, sheet.height * scale), 0).save(buffer, "PNG")
            self.sheet = buffer.getvalue()
        except Exception as error:  # the result is there, even if no picture shows it
            host.log.warning("no pictures of the result: %s: %s", type(error).__name__, error)
        self._preview = None  # frees memory, which storing needs, too

    def show_cells(self, cells: Sequence[dict[str, Any]]) -> None:
        """Show the pictures to choose from on the node, although it has failed."""
        if cells:
            _send("artgraph.cells", cells=cells)

    def _send_curves(self, preview: Any) -> None:
        columns: dict[str, list[float]] = getattr(preview, "curves", lambda row: {})(self._rows)
        if columns:
            _send("artgraph.curves", columns=plain(columns), first=self._rows)
            self._rows += len(next(iter(columns.values())))

    def _show(self) -> None:
        self._said = time.monotonic()
        lines = [self._line, *self.lines]
        _send("artgraph.progress", lines=[line for line in lines if line], warnings=self.warnings)

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


def progress_line(pace: Pace, metrics: Mapping[str, float]) -> str:
    """Returns a line such as "step 3 of 10 · loss 0.5 · 4 steps/s · 2 s left"."""
    numbers = [(name, value) for name, value in metrics.items() if name != "step"]
    parts = [pace.words]
    parts += [f"{name.replace('_', ' ')} {value:.3g}" for name, value in numbers[:_MOST_METRICS]]
    seconds = pace.step_seconds
    if seconds > 0:
        parts.append(f"{1 / seconds:.3g} steps/s" if seconds < 1 else f"{seconds:.3g} s a step")
    if pace.left is not None:
        parts.append(f"{duration(pace.left)} left")
    return " · ".join(filter(None, parts))


def _send(kind: str, **data: Any) -> None:
    """Send a message about the running node to the page that has queued it, if there is one."""
    try:
        from comfy_execution.utils import get_executing_context
        from server import PromptServer

        server, running = PromptServer.instance, get_executing_context()
    except (ImportError, AttributeError):
        return
    if running is not None and server.client_id is not None:
        place = {"prompt_id": running.prompt_id, "node": running.node_id}
        server.send_sync(kind, {**place, **data}, server.client_id)
