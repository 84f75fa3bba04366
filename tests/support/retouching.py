"""Pictures for the tests of the retouching nodes, and their nodes as functions."""

from __future__ import annotations

from typing import Any

import torch

from artgraph.contract.context import Context
from artgraph.contract.registry import load_nodes


def pictures(*shape: int, seed: int = 0) -> torch.Tensor:
    """Returns random pictures of 256 levels, float (N, H, W, C)."""
    levels = torch.randint(256, shape, generator=torch.Generator().manual_seed(seed))
    return levels.float() / 255


def outputs(node: str, inputs: dict[str, Any], **widgets: Any) -> dict[str, Any]:
    """Returns all outputs of a node, after the checks of its widgets."""
    spec = load_nodes()[node]
    values, problems = spec.check(widgets)
    assert not problems
    return dict(spec(inputs, values, Context.quiet()))


def run(node: str, inputs: dict[str, Any], **widgets: Any) -> Any:
    """Returns the only output of a node."""
    (value,) = outputs(node, inputs, **widgets).values()
    return value
