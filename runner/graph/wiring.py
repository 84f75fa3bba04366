"""Checks that every wire of a graph carries the kind of value that its end accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ...contract.categories import by_category
from ...contract.problem import Problem
from ...contract.signature import Port
from ...contract.spec import NodeSpec
from ...contract.values.socket import Socket
from .bound import BoundNode, Graph, Source
from .document import NodeEntry
from .yaml_text import Marked

# The names of the sockets that a wire to a widget accepts, by the kind of the widget.
WIDGET_SOCKETS: dict[str, tuple[str, ...]] = {
    "int": ("number",),
    "float": ("number",),
    "bool": ("number",),
    "text": ("text",),
    "choice": ("text",),
    "file": ("text",),
    "folder": ("text",),
}

Report = Callable[[NodeEntry, Problem, Marked], None]


def check_wires(graph: Graph, registry: Mapping[str, NodeSpec], report: Report) -> None:
    """Check all wires of a graph without loops. Type variables are bound in order of the nodes."""
    carried: dict[Source, tuple[Socket, ...]] = {}  # the sockets that each output may have
    for name in graph.sorted:
        node = graph.nodes[name]
        bound: dict[str, tuple[Socket, ...]] = {}
        for target, source in node.wires.items():
            sockets = carried.get(source)
            problem = _misfit(node, target, source, sockets, bound, registry) if sockets else None
            problem = problem or _emptiness(graph, node, target, source)
            if problem is not None:
                entry = graph.document.nodes[name]
                report(entry, problem, entry.wires[target])
        for output, port in node.spec.outputs.items():
            carried[Source(name, output)] = bound.get(port.variable or "", port.sockets)


def _misfit(
    node: BoundNode,
    target: str,
    source: Source,
    sockets: tuple[Socket, ...],
    bound: dict[str, tuple[Socket, ...]],
    registry: Mapping[str, NodeSpec],
) -> Problem | None:
    """Returns the problem of a wire that carries one of `sockets`; None if it fits."""
    port = node.spec.inputs.get(target)
    if port is None:
        accepts = WIDGET_SOCKETS[node.spec.widgets[target].kind]
    else:
        accepts = names_of(bound.get(port.variable or "", port.sockets))
    if set(names_of(sockets)) <= set(accepts):
        if port is not None and port.variable:
            bound[port.variable] = sockets
        return None
    end = f"widget {target!r}" if port is None else f"input {target!r}"
    start = f"{source.node}.{source.output}"
    some = producers(names_of(port.sockets), registry) if port is not None else ()
    return Problem(
        "wrong_socket",
        target,
        f"{end} takes {with_article(accepts)}, but {start} is {with_article(names_of(sockets))}",
        f"wire a node that outputs {with_producers(accepts, some)}",
        accepts=accepts,
        producers=some,
    )


def _emptiness(graph: Graph, node: BoundNode, target: str, source: Source) -> Problem | None:
    """Returns the problem of a wire that may be empty although its end needs a value."""
    port = graph.nodes[source.node].spec.outputs.get(source.output)
    end = node.spec.inputs.get(target)
    if port is None or not port.may_be_empty or (end is not None and end.optional):
        return None
    return Problem(
        "bad_wire",
        target,
        f"{source.node}.{source.output} may be empty, but {target!r} always needs a value",
        "wire it to an optional input, or wire another output here",
    )


def producers(sockets: Iterable[str], registry: Mapping[str, NodeSpec]) -> tuple[str, ...]:
    """Returns up to three node types with an output of one of these kinds.

    They are in the order of the work; those that need such a value themselves are last.
    """
    kinds = set(sockets)

    def have(ports: Iterable[Port]) -> bool:
        return any(kinds.intersection(names_of(port.sockets)) for port in ports)

    found = [
        spec
        for specs in by_category(registry.values()).values()
        for spec in specs
        if have(spec.outputs.values())
    ]
    found.sort(key=lambda spec: have(p for p in spec.inputs.values() if not p.optional))
    return tuple(spec.id for spec in found[:3])


def names_of(sockets: Iterable[Socket]) -> tuple[str, ...]:
    """Returns the names of sockets, in their order."""
    return tuple(socket.name for socket in sockets)


def with_article(sockets: Sequence[str]) -> str:
    """Returns the kinds for use in a sentence: `an image`, `a gan or vae`."""
    names = " or ".join(sockets)
    return f"an {names}" if names[0] in "aeiou" else f"a {names}"


def with_producers(sockets: Sequence[str], producers: Sequence[str]) -> str:
    """Returns the kinds with node types that output them: `a number (math, number)`."""
    return with_article(sockets) + (f" ({', '.join(producers)})" if producers else "")
