"""Whether every wire of a graph carries the kind of value that its end takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..nodes.contract import NodeSpec
from ..nodes.sockets import Socket
from .document import NodeEntry
from .graph import BoundNode, Graph, Source
from .yaml_text import Marked

# What a wired widget accepts, by kind.
_WIDGET_SOCKETS = {
    "int": ("number",),
    "float": ("number",),
    "bool": ("number",),
    "text": ("text",),
    "choice": ("text",),
    "file": ("text",),
    "folder": ("text",),
}

Complain = Callable[[NodeEntry, str, Marked], None]


def check_wires(graph: Graph, registry: Mapping[str, NodeSpec], complain: Complain) -> None:
    """Check all wires; type variables are bound on the way, so the graph must have no loop."""
    given: dict[Source, tuple[Socket, ...]] = {}
    for name in graph.sorted:
        node = graph.nodes[name]
        bound: dict[str, tuple[Socket, ...]] = {}
        for target, source in node.wires.items():
            sockets = given.get(source)
            problem = _misfit(node, target, source, sockets, bound, registry) if sockets else None
            if problem is not None:
                entry = graph.document.nodes[name]
                complain(entry, problem, entry.wires[target])
        for output, port in node.spec.outputs.items():
            given[Source(name, output)] = bound.get(port.variable or "", port.sockets)


def _misfit(
    node: BoundNode,
    target: str,
    source: Source,
    sockets: tuple[Socket, ...],
    bound: dict[str, tuple[Socket, ...]],
    registry: Mapping[str, NodeSpec],
) -> str | None:
    """What is wrong with a wire that carries one of `sockets`, if anything."""
    port = node.spec.inputs.get(target)
    if port is None:
        accepted = _WIDGET_SOCKETS[node.spec.widgets[target].kind]
        fits = all(socket.name in accepted for socket in sockets)
        what, wanted, hint = "widget", f"a {' or '.join(accepted)}", ""
    else:
        accepts = bound.get(port.variable or "", port.sockets)
        fits = _names(sockets) <= _names(accepts)
        what, wanted = "input", either(accepts)
        hint = "" if fits else givers(port.sockets, registry)
        if fits and port.variable:
            bound[port.variable] = sockets
    if fits:
        return None
    return (
        f"{what} {target!r} takes {wanted}, but {source.node}.{source.output} gives"
        f" {either(sockets)} - wire a node that gives {wanted}{hint}"
    )


def givers(sockets: Iterable[Socket], registry: Mapping[str, NodeSpec]) -> str:
    """Some node types that give such a value, in brackets."""
    wanted = _names(sockets)
    names = [
        spec.id
        for spec in registry.values()
        if any(_names(port.sockets) & wanted for port in spec.outputs.values())
    ]
    return f" ({', '.join(sorted(names)[:3])})" if names else ""


def _names(sockets: Iterable[Socket]) -> set[str]:
    return {socket.name for socket in sockets}


def either(sockets: Iterable[Socket]) -> str:
    """A value of one of these kinds, in words: `an image`, `a gan or vae`."""
    names = " or ".join(socket.name for socket in sockets)
    return f"an {names}" if names[0] in "aeiou" else f"a {names}"
