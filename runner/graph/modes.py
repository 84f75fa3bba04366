"""Muted and bypassed nodes: what remains of a graph without them.

A muted node does not run, and neither do the nodes that can't run without it. A bypassed node
passes an input on to each output, by the rule of ComfyUI's editor: the input at the same position
if its kind fits, or else the first input of a kind that fits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from ...contract.spec import NodeSpec
from .bound import Omitted
from .document import Document, NodeEntry
from .wiring import WIDGET_SOCKETS, names_of
from .yaml_text import Marked


def without_modes(document: Document, registry: Mapping[str, NodeSpec]) -> tuple[Document, Omitted]:
    """Returns the flat document as it runs, without muted and bypassed nodes, and what is left out.

    The document itself is returned if no node has a mode.
    """
    unread = tuple(document.unread)
    if not any(entry.mode for entry in document.nodes.values()):
        return document, Omitted(unread=unread)
    remover = _Remover(document, registry)
    muted = [name for name, entry in document.nodes.items() if entry.mode == "muted"]
    bypassed = [name for name, entry in document.nodes.items() if entry.mode == "bypassed"]
    nodes, needing = remover.remaining()
    omitted = Omitted(tuple(muted), tuple(bypassed), tuple(needing), unread)
    return replace(document, nodes=nodes), omitted


class _Remover:
    def __init__(self, document: Document, registry: Mapping[str, NodeSpec]) -> None:
        self.document, self.registry = document, registry

    def remaining(self) -> tuple[dict[str, NodeEntry], list[str]]:
        """Returns the nodes that run, with new wires, and the names of nodes that can't run."""
        nodes: dict[str, NodeEntry] = {}
        gone = {name for name, entry in self.document.nodes.items() if entry.mode}
        needing: set[str] = set()
        for name, entry in self.document.nodes.items():
            if name not in gone:
                nodes[name] = replace(entry, wires=dict(entry.wires))
        waiting = list(nodes)
        while waiting:
            lost = {name for name in waiting if not self.rewire(nodes[name], gone)}
            needing |= lost
            gone |= lost
            for name in lost:
                del nodes[name]
            waiting = list(nodes) if lost else []
        return nodes, [name for name in self.document.nodes if name in needing]

    def rewire(self, entry: NodeEntry, gone: Collection[str]) -> bool:
        """Wire the node past bypassed nodes; returns False if it lacks an input that it needs."""
        spec = self.registry.get(entry.type)
        for name, mark in list(entry.wires.items()):
            if str(mark.value).partition(".")[0] not in gone:
                continue
            found = self.origin(spec, name, mark)
            if found is not None and str(found.value).partition(".")[0] not in gone:
                entry.wires[name] = found
            elif spec is None or not (_is_optional(spec, name) or name in entry.values):
                return False
            else:
                del entry.wires[name]
        return True

    def origin(self, spec: NodeSpec | None, name: str, mark: Marked) -> Marked | None:
        """Returns the wire to an input, past all bypassed nodes; None if it has no source."""
        accepts = _kinds(spec, name) if spec is not None else ()
        seen: set[str] = set()
        while True:
            wire = str(mark.value)
            owner, _, output = wire.partition(".")
            source = self.document.nodes.get(owner)
            if source is None or source.mode != "bypassed":
                is_knob = owner == "knobs" and (spec is None or name not in spec.widgets)
                return None if is_knob or (source is not None and source.mode) else mark
            between = self.registry.get(source.type)
            if between is None or wire in seen:
                return None
            seen.add(wire)
            passed = _passed(between, output, accepts)
            before = source.wires.get(passed) if passed is not None else None
            if before is None:
                return None
            mark = before._replace(line=mark.line, origin=mark.origin)


def _passed(spec: NodeSpec, output: str, accepts: tuple[str, ...]) -> str | None:
    """Returns the name of the input that a bypassed node passes to an output."""
    output = output or spec.main_output or next(iter(spec.outputs))
    if output not in spec.outputs:
        return None
    kinds = names_of(spec.outputs[output].sockets)
    inputs = [name for name, port in spec.inputs.items() if not port.optional]
    inputs += spec.widgets
    inputs += [name for name, port in spec.inputs.items() if port.optional]
    fits = [
        name
        for name in inputs
        if {*_kinds(spec, name)} & {*kinds} and (not accepts or {*_kinds(spec, name)} & {*accepts})
    ]
    place = list(spec.outputs).index(output)
    if inputs[place : place + 1] and inputs[place] in fits:
        return inputs[place]
    exact = [name for name in fits if _kinds(spec, name) == accepts]
    return next(iter([*exact, *fits]), None)


def _kinds(spec: NodeSpec, name: str) -> tuple[str, ...]:
    """Returns the names of the sockets that an input or a widget accepts."""
    if name in spec.inputs:
        return names_of(spec.inputs[name].sockets)
    return WIDGET_SOCKETS[spec.widgets[name].kind] if name in spec.widgets else ()


def _is_optional(spec: NodeSpec, name: str) -> bool:
    """Returns whether a node runs without the wire to one of its inputs."""
    if name in spec.inputs:
        return spec.inputs[name].optional
    return name in spec.widgets and not spec.widgets[name].required
