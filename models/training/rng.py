"""Random numbers that depend on a seed and counters alone, and not on what was drawn before."""

from __future__ import annotations

import torch

_MASK = (1 << 64) - 1


def rng(seed: int, *counters: int) -> torch.Generator:
    """Returns a new CPU generator that depends on the seed and the counters alone."""
    mixed = seed & _MASK
    for counter in counters:
        mixed = _splitmix(mixed ^ _splitmix(counter & _MASK))
    return torch.Generator("cpu").manual_seed(_splitmix(mixed) >> 1)


def _splitmix(x: int) -> int:
    """Returns the next value of SplitMix64.

    Paper: Steele, Lea and Flood 2014, 'Fast splittable pseudorandom number generators'.
    """
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)
