"""The errors of a training that cannot begin or cannot go on."""


class DivergedError(ValueError):
    """A metric is infinite or not a number, usually because the learning rate is too high."""


class UnsuitableError(ValueError):
    """Pictures, settings or a model to start from do not fit together; `advice` says what to do."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice
