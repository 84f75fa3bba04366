"""The nodes of a ComfyUI graph, as both of ComfyUI's formats are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ForeignNode:
    """A node of a ComfyUI graph: values and links (node, output number) by input."""

    id: str
    type: str
    title: str
    values: dict[str, Any] = field(default_factory=dict)
    links: dict[str, tuple[str, int]] = field(default_factory=dict)
    knobs: dict[str, str] = field(default_factory=dict)  # the knob of each widget that has one
    about: Any = None
    mode: str = ""
    outputs: list[str] = field(default_factory=list)  # names and types of a workflow's outputs
    types: list[str] = field(default_factory=list)
    ours: dict[str, Any] = field(default_factory=dict)  # what `workflow_write` stored in the node


@dataclass
class ForeignGraph:
    """All nodes of a ComfyUI graph, and what a graph file contains besides nodes.

    left_out: titles of muted and bypassed nodes without a counterpart here, and of those that need
              them.
    workflow: the workflow with the layout; None for API JSON.
    controls: what happens to a widget's value after a run, by node and widget.
    inside:   the ids of the nodes in each subgraph of the workflow itself, by its id.
    """

    nodes: dict[str, ForeignNode]
    metadata: dict[str, Any] = field(default_factory=dict)  # title, about, ..., knobs, layout
    left_out: list[str] = field(default_factory=list)
    workflow: Mapping[str, Any] | None = None
    controls: dict[str, dict[str, str]] = field(default_factory=dict)
    inside: dict[Any, list[str]] = field(default_factory=dict)
