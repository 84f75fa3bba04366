"""The folder of the benchmarks, as when one of them is run."""

import sys
from pathlib import Path

import pytest
import torch

from artgraph.contract.spec import REGISTRY


@pytest.fixture
def benchmarks(monkeypatch):
    """The folder of the benchmarks, as when one of them is run."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    nodes = dict(REGISTRY)
    with torch.random.fork_rng([]):  # the plain models use torch's own, as textbooks do
        yield
    REGISTRY.clear()
    REGISTRY.update(nodes)
    for name in [name for name in sys.modules if name.startswith("quality")]:
        del sys.modules[name]
