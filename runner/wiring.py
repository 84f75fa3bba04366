"""Whether every wire of a graph carries the kind of value that its end takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ..nodes.contract import NodeSpec
from ..nodes.problem import Problem
from ..nodes.sockets import Socket
from .document import NodeEntry
from .graph import BoundNode, Graph, Source
from .yaml_text import Marked

# What a wired widget accepts, by kind.
_WIDGET_SOCKETS: dict[str, tuple[str, ...]] = {
    "int": ("number",),
    "float": ("number",),
    "bool": ("number",),
    "text": ("text",),
    "choice": ("text",),
    "file": ("text",),
    "folder": ("text",),
}

Complain = Callable[[NodeEntry, Problem, Marked], None]


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
) -> Problem | None:
    """Returns what is wrong with a wire that carries one of `sockets`, if anything."""
    port = node.spec.inputs.get(target)
    if port is None:
        accepts = _WIDGET_SOCKETS[node.spec.widgets[target].kind]
    else:
        accepts = names_of(bound.get(port.variable or "", port.sockets))
    if set(names_of(sockets)) <= set(accepts):
        if port is not None and port.variable:
            bound[port.variable] = sockets
        return None
    end = f"widget {target!r}" if port is None else f"input {target!r}"
    start = f"{source.node}.{source.output}"
    some = givers(names_of(port.sockets), registry) if port is not None else ()
    return Problem(
        "wrong_socket",
        target,
        f"{end} takes {either(accepts)}, but {start} gives {either(names_of(sockets))}",
        f"wire a node that gives {wanted(accepts, some)}",
        accepts=accepts,
        givers=some,
    )


def givers(sockets: Iterable[str], registry: Mapping[str, NodeSpec]) -> tuple[str, ...]:
    """Returns some node types that give a value of one of these kinds."""
    kinds = set(sockets)
    names = [
        spec.id
        for spec in registry.values()
        if any(kinds.intersection(names_of(port.sockets)) for port in spec.outputs.values())
    ]
    return tuple(sorted(names)[:3])


def names_of(sockets: Iterable[Socket]) -> tuple[str, ...]:
    """Returns the names of sockets, in their order."""
    return tuple(socket.name for socket in sockets)


def either(sockets: Sequence[str]) -> str:
    """Returns a value of one of these kinds in words: `an image`, `a gan or vae`."""
    names = " or ".join(sockets)
    return f"an {names}" if names[0] in "aeiou" else f"a {names}"


def wanted(sockets: Sequence[str], givers: Sequence[str]) -> str:
    """Returns what a wire is to carry, with nodes that give it: `a number (math, number)`."""
    return either(sockets) + (f" ({', '.join(givers)})" if givers else "")
