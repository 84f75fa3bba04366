"""What a node may use while it runs: device, random numbers, progress, checkpoints, a log."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..models.training.numerics import Numerics
from ..models.training.stages import Report, no_report

if TYPE_CHECKING:
    import torch

    from ..models.training.loop import Checkpoint, Preview, Progress, State, TrainingRun

Log = Callable[[str], None]


def _no_progress(done: float, total: float, preview: Preview | None = None) -> None:
    pass


class NoCheckpoint:
    """Stores nothing: a training without a cache starts from the beginning each time."""

    def load(self, at_most: int) -> tuple[int, State] | None:
        return None

    def save(self, step: int, state: State) -> None:
        pass

    def kept(self) -> list[int]:
        return []

    def keep(self, step: int, weights: State, beside: Collection[int]) -> None:
        pass

    def load_kept(self, step: int) -> State | None:
        return None


@dataclass(frozen=True)
class Context:
    """What a node may use during one execution. The runner or an editor's adapter creates it.

    numerics:    device, precision and number of threads to compute with.
    progress:    `progress(done, total, preview=None)` reports how far the node is. `preview`
                 returns pictures, uint8 (N, H, W, C); it is called only if someone watches.
                 Raises `Cancelled` if the user wants to stop.
    checkpoint:  stores states and weights of the training under this node's key.
    log:         shows one line to the user, such as the name of a skipped file.
    warn:        shows one line about the result, such as a training that failed to learn. The
                 line is stored with the result and shown again when the result is reused.
    stages:      reports the stages of the work, so that `progress` can be shown as a text.
    temporary:   folder for temporary files of much data; None: the data stays in memory.
    """

    numerics: Numerics = field(default_factory=Numerics)
    progress: Progress = _no_progress
    checkpoint: Checkpoint = field(default_factory=NoCheckpoint)
    log: Log = lambda message: None
    warn: Log = lambda message: None
    stages: Report = no_report
    temporary: Path | None = None

    @classmethod
    def quiet(cls) -> Context:
        """Returns a context for tests and scripts: CPU, float32, no progress, no checkpoints."""
        return cls()

    @property
    def device(self) -> str:
        """The device to compute on: cpu, cuda, cuda:1 or mps."""
        return self.numerics.device

    def rng(self, seed: int, *counters: int) -> torch.Generator:
        """Returns a CPU generator that depends only on the seed and the counters."""
        from ..models.training.rng import rng

        return rng(seed, *counters)

    @property
    def training_run(self) -> TrainingRun:
        """What the training loop receives from this context."""
        from ..models.training.loop import TrainingRun

        return TrainingRun(
            self.numerics,
            self.checkpoint,
            self.progress,
            self.log,
            self.warn,
            self.stages,
            temporary=self.temporary,
        )

    def part(self, start: float, end: float) -> Context:
        """Returns a context whose progress fills `start`..`end` (in 0..1) of this one's."""

        def progress(done: float, total: float, preview: Preview | None = None) -> None:
            self.progress(start + (end - start) * done / total, 1.0, preview)

        return replace(self, progress=progress)
