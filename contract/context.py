"""What a running node may use: device, randomness, progress, checkpoints, a place to log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..models.training.numerics import Numerics

if TYPE_CHECKING:
    import torch

    from ..models.training.loop import Checkpoint, Preview, Progress, State, TrainingRun

Log = Callable[[str], None]


def _silent(done: float, total: float, preview: Preview | None = None) -> None:
    pass


class NoCheckpoint:
    """Keeps nothing: a training without a cache starts anew each time."""

    def load(self, at_most: int) -> tuple[int, State] | None:
        return None

    def save(self, step: int, state: State) -> None:
        pass


@dataclass(frozen=True)
class Context:
    """Made by the runner or an editor's adapter, one for each execution of a node.

    numerics:    device, precision and threads to compute with.
    progress:    `progress(done, total, preview=None)`; `preview` is called only if someone
                 watches, and gives uint8 (N, H, W, 3). Raises `Cancelled`.
    checkpoint:  `load(at_most)` and `save(step, state)`, under this node's key.
    log:         one line for the user, such as a skipped file.
    warn:        one line about the result itself, such as a training that went wrong; it is kept
                 with the result, and told again where that is reused.
    """

    numerics: Numerics = field(default_factory=Numerics)
    progress: Progress = _silent
    checkpoint: Checkpoint = field(default_factory=NoCheckpoint)
    log: Log = lambda message: None
    warn: Log = lambda message: None

    @classmethod
    def quiet(cls) -> Context:
        """For tests and scripts: CPU, float32, no progress, no checkpoints."""
        return cls()

    @property
    def device(self) -> str:
        """cpu, cuda, cuda:1 or mps."""
        return self.numerics.device

    def rng(self, seed: int, *counters: int) -> torch.Generator:
        """A CPU generator that depends on the seed and the counters alone."""
        from ..models.training.rng import rng

        return rng(seed, *counters)

    @property
    def training_run(self) -> TrainingRun:
        """What a training borrows from this context."""
        from ..models.training.loop import TrainingRun

        return TrainingRun(self.numerics, self.checkpoint, self.progress, self.log)

    def part(self, start: float, end: float) -> Context:
        """A context whose progress fills `start`..`end` (in 0..1) of this one's."""

        def progress(done: float, total: float, preview: Preview | None = None) -> None:
            self.progress(start + (end - start) * done / total, 1.0, preview)

        return replace(self, progress=progress)
