"""The error of a training that cannot go on."""


class DivergedError(ValueError):
    """A metric is infinite or not a number, usually because the learning rate is too high."""
