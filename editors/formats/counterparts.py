"""Finds which nodes of a ComfyUI graph have a counterpart here, and leaves the others out."""

from __future__ import annotations

from collections.abc import Mapping

from ...contract.spec import NodeSpec
from .core_meaning import UnlikeError
from .core_nodes import CORE, CoreNode, is_primitive
from .foreign import ForeignGraph, ForeignNode
from .forms import node_id


def adapt_core(
    graph: ForeignGraph, registry: Mapping[str, NodeSpec]
) -> tuple[dict[str, str], dict[str, str]]:
    """Give ComfyUI's own nodes the meaning of our counterparts.

    Returns, by id, what a node does whose pictures would be others here, as a phrase; and what is
    not quite the same of others, as a line.
    """
    used: dict[str, set[int]] = {}
    for node in graph.nodes.values():
        for source, number in node.links.values():
            used.setdefault(source, set()).add(number)
    unlike: dict[str, str] = {}
    notes: dict[str, str] = {}
    for node in graph.nodes.values():
        core = CORE.get(node.type)
        if core is None or core.adapt is None:
            continue
        try:
            note = core.adapt(node, used.get(node.id, ()))
            _verify_pictures(graph, node, core, registry)
        except UnlikeError as error:
            unlike[node.id] = str(error)
        else:
            notes |= {} if note is None else {node.id: f"{node.title or node.type}: {note}"}
    return unlike, notes


def _verify_pictures(
    graph: ForeignGraph, node: ForeignNode, core: CoreNode, registry: Mapping[str, NodeSpec]
) -> None:
    """Verify that no mask is wired to a node that changes masks only in ComfyUI."""
    for slot, (source_id, number) in node.links.items():
        source = graph.nodes.get(source_id)
        if core.inputs.get(slot) != "image" or source is None:
            continue
        other = CORE.get(source.type)
        spec = registry.get((other.node if other is not None else node_id(source.type)) or "")
        ports = spec.outputs if spec is not None else {}
        names = tuple(ports) if other is None else other.outputs
        port = ports.get(names[number] or "") if 0 <= number < len(names) else None
        if port is not None and port.sockets[0].name == "mask":
            raise UnlikeError("of a mask")


def leave_out_foreign(graph: ForeignGraph, unlike: Mapping[str, str]) -> list[str]:
    """Remove the nodes that have no counterpart here, and all nodes that depend on them.

    If nothing would remain, all nodes stay, so that each can be reported as a problem.

    unlike: as `adapt_core` returns it.

    Returns the titles of the removed nodes.
    """
    nodes = graph.nodes
    gone = {n for n, node in nodes.items() if n in unlike or not _has_counterpart(node)}
    targets: dict[str, list[str]] = {}
    for number, node in nodes.items():
        for source, _ in node.links.values():
            targets.setdefault(source, []).append(number)
    waiting = list(gone)
    while waiting:
        more = {target for target in targets.get(waiting.pop(), []) if target not in gone}
        gone |= more
        waiting += more
    if all(number in gone or is_primitive(node.type) for number, node in nodes.items()):
        return []
    removed = {number: node for number, node in nodes.items() if number in gone}
    for number in gone:
        del nodes[number]
    return [f"{n.title or n.type} {unlike.get(i, '')}".rstrip() for i, n in removed.items()]


def _has_counterpart(node: ForeignNode) -> bool:
    return is_primitive(node.type) or node.type in CORE or node_id(node.type) is not None
