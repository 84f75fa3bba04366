"""Plans what a run will do with each node, and why, before anything runs.

The key of a node contains the digests of its inputs. So it is only known if the results of its
sources are stored. Otherwise the node is planned to run; it is reused after all if its inputs turn
out to be unchanged (early cutoff).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...contract.errors import CacheError, Cancelled, InputError, NodeError
from ...contract.parameter import Widget
from ...contract.shards import Shards
from ...contract.spec import NodeSpec
from ...contract.values.socket import Socket
from ...contract.wording import short_repr
from ...models.training.numerics import Numerics
from ..graph.bound import BoundNode, Graph, Source
from ..store.blobs import BlobError
from ..store.keys import Key, make_key
from ..store.results import Result, Stored
from ..store.store import Store
from .events import Action


class LostBlobError(Exception):
    """A stored value that a node needs is lost or damaged; `source` is the node that made it."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.source = source


ENDS = (Cancelled, CacheError, LostBlobError)  # errors of a node after which none starts


class Step(NamedTuple):
    """One node in a plan.

    key, widgets: its key and all widget values; None if they depend on nodes that run before.
    result:       its stored result, if it is reused.
    from_step:    the step at which its training resumes.
    after:        the source that must run before the key is known.
    problem:      why it is going to fail.
    forced:       it runs even if its result is stored.
    """

    node: BoundNode
    action: Action
    key: Key | None = None
    widgets: Mapping[str, Any] | None = None
    result: Result | None = None
    from_step: int | None = None
    after: str | None = None
    problem: str | None = None
    forced: bool = False


def make_plan(
    graph: Graph,
    store: Store,
    numerics: Numerics,
    only: Iterable[str] = (),
    force: Collection[str] = (),
    done: Mapping[str, Result] | None = None,
) -> list[Step]:
    """Returns the steps in the order of execution.

    done: the results of nodes that are left out, since they ran before.

    Raises: GraphError for a name in `only` or `force` that does not exist.
    """
    force = set(graph.named(force, "--force"))
    done = done or {}
    names = [name for name in graph.order(only) if name not in done]
    while True:
        steps: dict[str, Step] = {}
        results = dict(done)
        try:
            with store.reading():
                for name in names:
                    node = graph.nodes[name]
                    step = plan_node(graph, node, store, numerics, results, name in force)
                    if step.result is not None:
                        results[name] = step.result
                    steps[name] = step
        except LostBlobError as lost:  # the blob of a text that is wired to a widget
            key = steps[lost.source].key
            assert key is not None
            store.forget(key.digest)
        else:
            return list(steps.values())


def plan_node(
    graph: Graph,
    node: BoundNode,
    store: Store,
    numerics: Numerics,
    results: Mapping[str, Result],
    forced: bool,
) -> Step:
    """Returns the step of one node; `results` are those of the nodes that run before."""
    for wire in node.wires.values():
        if wire.node not in results:
            return Step(node, "run", after=wire.node)
    try:
        widgets = widget_values(graph, node, store, results)
        key = node_key(graph, node, widgets, store, numerics, results)
    except NodeError as error:
        return Step(node, "run", problem=str(error))
    if forced:
        return Step(node, "run", key, widgets, forced=True)
    result = store.lookup(key.digest)
    if result is not None:
        return Step(node, "cached", key, widgets, result)
    if key.training is not None:
        steps = widgets[node.spec.length or ""]
        longest = store.checkpoint(key.training, steps).longest(steps, far=True)
        if longest is not None:
            return Step(node, "extend", key, widgets, from_step=longest)
    return Step(node, "run", key, widgets)


def widget_values(
    graph: Graph, node: BoundNode, store: Store, results: Mapping[str, Result]
) -> dict[str, Any]:
    """Returns all widget values, also the wired ones, of a node whose sources are done.

    Raises: NodeError if a widget does not accept the value wired to it; LostBlobError.
    """
    wired = {name: wire for name, wire in node.wires.items() if name in node.spec.widgets}
    if not wired:
        return node.values
    values = dict(node.values)
    for name, wire in wired.items():
        port = graph.nodes[wire.node].spec.outputs[wire.output]
        values[name] = wired_value(port.sockets[0], wire, store, results)
        if node.spec.widgets[name].kind == "bool" and values[name] in (0, 1):
            values[name] = bool(values[name])
    paths = node.spec.paths
    for name in paths:
        values[name] = None if values[name] is None else str(values[name])
    checked, wrong = node.spec.check(values)
    for problem in wrong:
        raise NodeError(f"widget {problem.subject!r}: {problem.what}", problem.advice)
    for name in paths:
        resolved = node.values.get(name)
        if resolved is not None or checked[name] is None:
            checked[name] = resolved
        else:
            checked[name] = _wired_path(graph, checked[name], node.spec.widgets[name])
    return checked


def _wired_path(graph: Graph, text: str, widget: Widget) -> Path | Shards:
    """Returns the path, or the shards, that a text names which is wired to a widget."""
    if widget.is_shards:
        return graph.folders.shards(text)
    path = graph.folders.resolve(text, widget.kind, or_folder=widget.is_picture)
    if widget.kind == "file" and path.is_dir():
        what = f"{text!r} is a folder, which can't be wired to {widget.name!r}"
        raise InputError(what, "set the folder as a value, or wire the path of a file")
    return path


def wired_value(socket: Socket, wire: Source, store: Store, results: Mapping[str, Result]) -> Any:
    """Returns the value that a wire carries, newly read from the store.

    Raises: LostBlobError if it is lost or damaged; NodeError as `stored_output` does.
    """
    try:
        return store.value(socket, stored_output(results, wire))
    except BlobError as error:
        raise LostBlobError(wire.node) from error


def stored_output(results: Mapping[str, Result], wire: Source) -> Stored:
    """Returns the stored value that a wire carries.

    Raises: NodeError if the source did not return this output, as it is optional.
    """
    outputs = results[wire.node].outputs
    if wire.output not in outputs:
        raise NodeError(
            f"{wire.node!r} returned no {wire.output!r} this time",
            f"wire an output that it returned: {', '.join(outputs)}",
        )
    return outputs[wire.output]


def carrying(
    graph: Graph, node: BoundNode, results: Mapping[str, Result]
) -> Iterator[tuple[str, Source]]:
    """Yields the wired inputs of a node whose sources are done, without those that are empty.

    An output without a value is empty on purpose if it is declared `MayBeEmpty`.
    """
    for name, wire in node.wires.items():
        port = graph.nodes[wire.node].spec.outputs[wire.output]
        is_empty = port.may_be_empty and wire.output not in results[wire.node].outputs
        if name in node.spec.inputs and not is_empty:
            yield name, wire


def node_key(
    graph: Graph,
    node: BoundNode,
    widgets: Mapping[str, Any],
    store: Store,
    numerics: Numerics,
    results: Mapping[str, Result],
) -> Key:
    """Returns the key of a node whose sources are done."""
    inputs = {
        name: stored_output(results, wire).digest for name, wire in carrying(graph, node, results)
    }
    ordered = {name: widgets[name] for name in node.spec.widgets}
    return make_key(node.spec, ordered, inputs, store.fingerprint, numerics)


def why(step: Step, store: Store) -> str:
    """Returns the reason for the action of a step, in one line."""
    if step.action == "cached":
        return "its result is stored"
    if step.problem is not None:
        return step.problem
    if step.after is not None:
        after = repr(step.after)
        return f"it waits for {after}; reused instead if the result of {after} stays the same"
    assert step.key is not None
    if step.forced:
        return "it is forced with --force"
    if step.action == "extend":
        return f"its training resumes at step {step.from_step}"
    if step.key.digest in store.lost:
        return "its stored result is lost or damaged"
    spec = step.node.spec
    neutral = {f"widget {name}": value for name, value in spec.neutral.items()}
    earlier = [neutral | parts for parts in store.latest_parts(spec.id)]
    if not earlier:
        return "it has not run before"
    parts = neutral | step.key.parts
    nearest = min(earlier, key=lambda other: len(_changed(other, parts)))
    return "; ".join(_changes(nearest, parts, spec, store)[:3])


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns the names of the parts that differ between two keys."""
    names = dict.fromkeys((*now, *before))
    missing = object()
    return [name for name in names if before.get(name, missing) != now.get(name, missing)]


def _changes(
    before: Mapping[str, Any], now: Mapping[str, Any], spec: NodeSpec, store: Store
) -> list[str]:
    """Returns the differences between the parts of two keys, as texts for people."""
    changes = []
    for name in _changed(before, now):
        old, new = before.get(name), now.get(name)
        kind, _, which = name.partition(" ")
        if kind == "input" and old and new:
            changes.append(f"input {which!r} has changed")
        elif kind == "input":
            changes.append(f"input {which!r} {'is' if new else 'was'} wired")
        elif kind == "widget" and which in spec.paths:  # the key has a digest of the content
            if old and new:
                changes.append(_content_change(which, old, new, spec, store))
            else:
                changes.append(f"{which} {'is' if new else 'was'} set")
        elif kind == "widget" and name in before:
            changes.append(f"{which} was {short_repr(old)}, is now {short_repr(new)}")
        elif kind == "widget":
            changes.append(f"{which} is new")
        else:
            changes.append(f"{name} was {short_repr(old)}, is now {short_repr(new)}")
    return changes


def _content_change(widget: str, before: str, now: str, spec: NodeSpec, store: Store) -> str:
    """Returns what is different in a file or folder that a node reads, as a text for people."""
    found = store.changes(before, now)
    if found is None:
        return f"{widget} has other content"
    thing = "picture" if spec.widgets[widget].is_picture else "file"
    counts = [f"{n} {how}" for how, n in found._asdict().items() if n]
    if not counts:
        return f"{widget}: no {thing} was changed, but what is skipped in it has"
    number, how = counts[0].split()
    counts[0] = f"{number} {thing}{'s' if number != '1' else ''} {how}"
    return f"{widget}: {', '.join(counts)}"
