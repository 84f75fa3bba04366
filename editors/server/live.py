"""Draws the pictures of a graph again while one of its numbers is being changed.

Only cheap nodes after the number are computed. Results of trainings and of all other nodes must be
in the store. Nothing is stored or saved. The values of the last graphs stay in memory.
"""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...contract.context import Context
from ...contract.errors import ArtgraphError
from ...contract.spec import NodeSpec
from ...runner.graph.binding import bind
from ...runner.graph.bound import BoundNode, Graph, Source
from ...runner.graph.folders import Folders
from ...runner.run.device_option import all_numerics_for
from ...runner.run.plan import Step, make_plan
from ...runner.store.store import Store
from ..formats.cells import drawn_cells
from .live_memory import Memory, Values
from .translate import from_prompt

_MAX_BYTES = 512 * 2**20  # memory for values
_MAX_PICTURES = 64  # pictures of a batch that are shown
_MAX_SIDE = 1_024  # largest width and height of what is shown, in pixels
_SLOW = 3.0  # seconds after which a node counts as slow
_STOPPED = 10.0  # seconds after which it is stopped
_PAUSE = 60.0  # seconds in which a node that was slow twice is not computed


class NotLive(Exception):  # noqa: N818 - not an error: the editor shows nothing
    """A picture can't be drawn without a training, or not fast enough."""


@dataclass(frozen=True)
class Drawn:
    """What nodes show, by their ids in the editor.

    pictures: a JPEG as base64, of those that show or save pictures.
    cells:    the pictures to choose from, as `shown_cells` returns them, with their PNG as a URL.
    """

    pictures: dict[str, str] = field(default_factory=dict)
    cells: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class Live:
    """Draws previews, one request after the other."""

    def __init__(
        self, folders: Mapping[str, Path], registry: Mapping[str, NodeSpec], device: str
    ) -> None:
        self._folders, self._registry = folders, registry
        self._numerics = all_numerics_for(device)[0]
        self._memory = Memory(_MAX_BYTES)
        self._slow: dict[str, list[float]] = {}  # when a node was slow, by its type and name

    def draw(self, task: Mapping[str, Any], check: Callable[[], None]) -> Drawn:
        """Returns what the nodes after the changed ones show.

        task:  the prompt, the file of its graph, and the ids of the changed nodes.
        check: raises Cancelled if the result is no longer wanted.
        """
        folder = Path(task["folder"])
        folders = Folders(folder, self._folders["input"], self._folders["out"])
        try:
            found = from_prompt(task["prompt"], self._registry, task["file"], folder)
            graph = bind(found.document, self._registry, folders)
        except ArtgraphError:
            return Drawn()
        changed = [
            name
            for name, number in found.ids.items()
            if name in graph.nodes and any(_is_in(number, node) for node in task["nodes"])
        ]
        after = set().union(*(graph.dependents(name) for name in changed))
        store = Store(self._folders["cache"])
        try:
            return self._drawn(graph, store, after, found.ids, check, changed)
        finally:
            store.close()

    def rehearse(self, graph: Graph, check: Callable[[], None]) -> None:
        """Draw the pictures of a graph for nobody, so that all libraries they need are loaded."""
        store = Store(self._folders["cache"])
        try:
            self._drawn(graph, store, graph.nodes, {name: name for name in graph.nodes}, check)
        finally:
            store.close()

    def _drawn(
        self,
        graph: Graph,
        store: Store,
        names: Iterable[str],
        ids: Mapping[str, str],
        check: Callable[[], None],
        changed: Sequence[str] = (),
    ) -> Drawn:
        """Returns what some nodes show; what there is to choose from on a changed one is known."""
        nodes = [graph.nodes[name] for name in names]
        shown = {node.name: source for node in nodes if (source := _shown_source(node))}
        others = [node for node in nodes if node.name not in changed]
        offered = {(node.name, widget): wire for node in others for widget, wire in _offered(node)}
        sources = [source.node for source in (*shown.values(), *offered.values())]
        plan = make_plan(graph, store, self._numerics, sources) if sources else []
        drawing = _Drawing(self, graph, store, plan, check)
        found = Drawn()
        made: dict[Source, str] = {}
        for name, source in shown.items():
            try:
                if source not in made:
                    made[source] = _encoded(drawing.value(source))
                found.pictures[ids[name]] = made[source]
            except NotLive:
                continue
        for (name, widget), source in offered.items():
            try:
                about, data = drawn_cells(drawing.value(source))
            except NotLive:
                continue
            url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
            found.cells.setdefault(ids[name], []).append({"widget": widget, "data": url, **about})
        return found

    def compute(
        self, node: BoundNode, inputs: Values, widgets: Values, check: Callable[[], None]
    ) -> Values:
        """Compute a node. Raises: NotLive if it trains, saves, fails, or is too slow."""
        spec = node.spec
        mark = f"{spec.id} {node.name}"
        started = time.monotonic()
        # The first time may be slow because the libraries are loaded.
        slow = [t for t in self._slow.get(mark, ()) if started - t < _PAUSE]
        if spec.length or spec.saves or len(slow) > 1:
            raise NotLive

        def progress(done: float, total: float, preview: Any = None) -> None:
            check()
            if time.monotonic() - started > _STOPPED:
                self._slow[mark] = [*slow, time.monotonic()]
                raise NotLive

        context = Context(self._numerics, progress)
        try:
            with self._numerics.current():
                if spec.device:
                    self._numerics.apply()
                outputs = spec(inputs, widgets, context)
        except ArtgraphError as error:
            raise NotLive from error
        if time.monotonic() - started > _SLOW:
            self._slow[mark] = [*slow, time.monotonic()]
        return outputs

    @property
    def memory(self) -> Memory:
        """The values of nodes that were computed or read."""
        return self._memory


class _Drawing:
    """The values of one graph: computed, from memory, or from the store."""

    def __init__(
        self,
        live: Live,
        graph: Graph,
        store: Store,
        plan: list[Step],
        check: Callable[[], None],
    ) -> None:
        self._live, self._graph, self._store, self._check = live, graph, store, check
        self._steps = {step.node.name: step for step in plan}
        self._keys: dict[str, str] = {}
        self._refused: set[str] = set()
        # Sources come first, so that nothing below is deeply recursive.
        for step in plan:
            self._keys[step.node.name] = self._key(step)

    def value(self, source: Source) -> Any:
        """Returns the value of an output. Raises: NotLive, Cancelled."""
        for name in self._needed(source.node):
            self._check()
            self._ensure(self._steps[name])
        return self._output(source)

    def _needed(self, name: str) -> list[str]:
        """Returns the nodes that have to be computed for a node, which comes last."""
        found: list[str] = []
        waiting = [name]
        while waiting:
            step = self._steps[(current := waiting.pop())]
            found.append(current)
            if step.result is None and self._keys[current] not in self._live.memory:
                waiting += step.node.sources
        order = {name: number for number, name in enumerate(self._steps)}
        return sorted(set(found), key=order.__getitem__)

    def _key(self, step: Step) -> str:
        """Returns what identifies a node's values: the digests of its result, or its recipe."""
        if step.result is not None:
            return json.dumps(step.result.digests, sort_keys=True)
        if step.key is not None:
            return step.key.digest
        node = step.node
        wires = {
            name: (self._keys.get(wire.node, ""), wire.output) for name, wire in node.wires.items()
        }
        values = {name: str(value) for name, value in node.values.items()}
        recipe = (node.spec.id, node.spec.version, values, sorted(wires.items()))
        return json.dumps(recipe)

    def _ensure(self, step: Step) -> None:
        """Have a node's values in memory, unless they are in the store."""
        name, memory = step.node.name, self._live.memory
        if step.result is not None or self._keys[name] in memory:
            return
        if name in self._refused or step.problem is not None:
            raise NotLive
        node = step.node
        try:
            found = {n: self._output(wire) for n, wire in node.wires.items()}
            inputs = {n: value for n, value in found.items() if n in node.spec.inputs}
            wired = {n: value for n, value in found.items() if n in node.spec.widgets}
            widgets, wrong = (
                node.spec.check(node.values | wired) if wired else (dict(node.values), [])
            )
            if wrong or wired.keys() & node.spec.paths:
                raise NotLive
            memory[self._keys[name]] = self._live.compute(node, inputs, widgets, self._check)
        except NotLive:
            self._refused.add(name)
            raise

    def _output(self, source: Source) -> Any:
        memory, step = self._live.memory, self._steps[source.node]
        key = self._keys[source.node]
        values = memory.get(key)
        if step.result is None:
            if values is None or source.output not in values:
                raise NotLive
            return values[source.output]
        if values is None or source.output not in values:
            stored = step.result.outputs.get(source.output)
            if stored is None:
                raise NotLive
            socket = self._socket(step.node, source.output)
            values = (values or {}) | {source.output: self._store.value(socket, stored)}
            memory[key] = values
        return values[source.output]

    def _socket(self, node: BoundNode, output: str) -> Any:
        """Returns the one socket of an output, also if a type variable ties it to an input."""
        while len((port := node.spec.outputs[output]).sockets) > 1:
            tied = next(i for i, p in node.spec.inputs.items() if p.variable == port.variable)
            wire = node.wires[tied]
            node, output = self._graph.nodes[wire.node], wire.output
        return port.sockets[0]


def _is_in(number: str, node: str) -> bool:
    """Returns whether a node's id is the given one, or that of a node inside this subgraph."""
    return number == node or number.startswith(f"{node}:")


def _shown_source(node: BoundNode) -> Source | None:
    """Returns the output whose pictures a node saves or shows; None for all other nodes."""
    if not (node.spec.saves or node.spec.shows):
        return None
    for name, port in node.spec.inputs.items():
        if name in node.wires and any(socket.name == "image" for socket in port.sockets):
            return node.wires[name]
    return None


def _offered(node: BoundNode) -> Iterator[tuple[str, Source]]:
    """Yields the widgets that choose from pictures, with the output whose pictures these are."""
    for widget in node.spec.widgets.values():
        if widget.chosen_of in node.wires:
            yield widget.name, node.wires[widget.chosen_of]


def _encoded(image: Any) -> str:
    """Returns a batch of pictures as one JPEG, which takes a tenth of the time of a PNG."""
    from PIL import Image

    from ...contract.values.pictures import quantise
    from ...pictures.tiles import tiled

    sheet = tiled(quantise(image[:_MAX_PICTURES]))
    if max(sheet.size) > _MAX_SIDE:
        scale = _MAX_SIDE / max(sheet.size)
        size = (max(1, round(sheet.width * scale)), max(1, round(sheet.height * scale)))
        sheet = sheet.resize(size, Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=92, subsampling=0)
    return base64.b64encode(buffer.getvalue()).decode()
