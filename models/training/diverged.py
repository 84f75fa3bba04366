"""The errors of a training that cannot begin or cannot go on."""

from __future__ import annotations

from typing import Any


class DivergedError(ValueError):
    """A metric is infinite or not a number, usually because the learning rate is too high."""


class UnsuitableError(ValueError):
    """Pictures, settings or a model to start from do not fit together; `advice` says what to do."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice

    def __reduce__(self) -> tuple[type[UnsuitableError], tuple[str, str], dict[str, Any]]:
        """Returns how to unpickle the error in another process."""
        return type(self), (str(self), self.advice), vars(self)
