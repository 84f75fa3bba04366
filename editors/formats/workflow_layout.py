"""Arranges the nodes of a workflow in columns, each node to the right of its sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ...contract.spec import NodeSpec
from ...runner.graph.document import Document
from .forms import NodeForm, node_form

WIDTH, KNOB_WIDTH = 300, 210
_GAP_X, _GAP_Y = 80, 60
_TITLE, _SLOT, _WIDGET, _TEXT_BOX = 30, 20, 24, 100
_PREVIEWED = {"procedural_art", "style_transfer"}  # they show pictures while they run, too
# Heights of results on a node.
_PICTURES, _CURVES, _TABLE, _TEXT, _LOOK, _CELLS = 230, 180, 125, 60, 260, 420
GROUP_TOP, GROUP_EDGE = 90, 24  # space in a group above its nodes, and at its other edges
_HIGHEST = 5500  # of all groups: if they are higher, they are beside each other, too


class Box(NamedTuple):
    """Left, top, width and height on the editor's canvas, in its units."""

    x: float
    y: float
    width: float
    height: float


def node_height(form: NodeForm) -> int:
    """Returns about the height at which the editor draws the node, without advanced widgets."""
    sockets = max(len(form.inputs) - len(form.widgets), len(form.outputs), 1)
    widgets = len(form.widgets) - _advanced(form)
    boxes = len([widget for widget in form.widgets if widget.options.get("multiline")])
    return _SLOT * sockets + _WIDGET * widgets + _TEXT_BOX * boxes + 16


def _advanced(form: NodeForm) -> int:
    """Returns the number of advanced widgets."""
    return len([widget for widget in form.widgets if widget.options.get("advanced")])


def _extra_height(form: NodeForm) -> int:
    """Returns the height that a node needs for what a workflow does not contain.

    This is its results in a run, the buttons of the editor to upload and to review, the sheet of
    what its folder contains or of the pictures to choose from, and the advanced widgets.
    """
    spec = form.spec
    widgets = spec.widgets.values()
    buttons = sum(w.is_folder + bool(w.files) + w.is_review for w in widgets)
    sheet = _LOOK if any(w.is_folder for w in widgets) else 0
    sheet += _CELLS * sum(w.chosen_of is not None for w in widgets)
    return _WIDGET * (buttons + _advanced(form)) + sheet + _results_height(spec)


def _results_height(spec: NodeSpec) -> int:
    """Returns about the height of the results on a node: pictures, curves, tables and texts."""
    kinds = [port.sockets[0].name for port in spec.outputs.values()]
    tables = kinds.count("table") - (1 if spec.length else 0)  # one contains the curves
    has_text = bool({"number", "text"}.intersection(kinds))
    has_pictures = spec.length or spec.saves or spec.shows or spec.id in _PREVIEWED
    pictures = _PICTURES if has_pictures else 0
    return pictures + (_CURVES if spec.length else 0) + _TABLE * tables + _TEXT * has_text


def arrange(
    document: Document,
    registry: Mapping[str, NodeSpec],
    knobs: Iterable[str] = (),
    groups: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Box]:
    """Returns a box for each node and each of `knobs`. The knobs are left of all nodes.

    The nodes of a group of the layout that names its nodes are below those of the group before it,
    or at the top of another column if all groups are very high. Nodes that are in no such group are
    below all groups.
    """
    boxes: dict[str, Box] = {}
    top = 0.0
    for knob in knobs:
        boxes[knob] = Box(-(KNOB_WIDTH + _GAP_X), top, KNOB_WIDTH, 82)
        top += 82 + _TITLE + _GAP_Y
    blocks = [_block(document, registry, names) for names in _blocks(document, groups)]
    heights = [_block_height(document, registry, block) for block in blocks]
    columns = 1 + int(sum(heights) // _HIGHEST)
    left: float = 0  # of the column of groups
    right: float = 0  # of its nodes
    top = 0.0
    for block, height in zip(blocks, heights, strict=True):
        if top > 0 and top + height / 2 > sum(heights) / columns:
            left, top = right + _GAP_X + 2 * GROUP_EDGE, 0.0
        for name, box in block.items():
            boxes[name] = box._replace(x=box.x + left, y=box.y + top)
            right = max(right, boxes[name].x + box.width)
        top += height
    return boxes


def _block_height(
    document: Document, registry: Mapping[str, NodeSpec], block: Mapping[str, Box]
) -> float:
    """Returns the height of a group of nodes with their results, up to the next group."""
    lows = [box.y + box.height + _heights(document, registry, n)[1] for n, box in block.items()]
    return max(lows) + GROUP_TOP + GROUP_EDGE + _GAP_Y


def _blocks(document: Document, groups: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Returns the names of the nodes that are arranged together."""
    blocks: list[list[str]] = []
    free = dict.fromkeys(document.nodes)
    for group in groups:
        names = [name for name in group_nodes(group) if name in free]
        for name in names:
            free.pop(name, None)
        blocks.append(names)
    return [block for block in (*blocks, list(free)) if block]


def _block(
    document: Document, registry: Mapping[str, NodeSpec], names: Iterable[str]
) -> dict[str, Box]:
    """Returns the boxes of some nodes, from the place (0, 0) to the right and down.

    A node is one column to the right of its rightmost source, and not above the mean of the tops
    of its sources. Nodes in loops are left of all that need them.
    """
    entries = {name: document.nodes[name] for name in names}
    sources = {
        name: [
            owner
            for mark in entry.wires.values()
            if (owner := str(mark.value).partition(".")[0]) in entries
        ]
        for name, entry in entries.items()
    }
    boxes: dict[str, Box] = {}
    for number, column in enumerate(_columns(sources)):
        desired = {n: _mean([boxes[s].y for s in sources[n] if s in boxes]) for n in column}
        top = 0.0
        for name in sorted(column, key=lambda name: desired[name]):
            top = max(top, round(desired[name], 1))
            height, extra = _heights(document, registry, name)
            boxes[name] = Box(number * (WIDTH + _GAP_X), top, WIDTH, height)
            top += _TITLE + height + extra + _GAP_Y
    return boxes


def group_nodes(group: Mapping[str, Any]) -> list[str]:
    """Returns the names of a group's nodes, if it names them instead of having a box."""
    names = group.get("nodes") if group.get("box") is None else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def group_box(
    group: Mapping[str, Any],
    boxes: Mapping[str, Box],
    document: Document,
    registry: Mapping[str, NodeSpec],
) -> Box | None:
    """Returns the box around the nodes that a group names, with room for their pictures."""
    names = [name for name in group_nodes(group) if name in boxes and name in document.nodes]
    if not names:
        return None
    lows = [boxes[n].y + boxes[n].height + _heights(document, registry, n)[1] for n in names]
    left, top = min(boxes[n].x for n in names) - GROUP_EDGE, min(boxes[n].y for n in names)
    right = max(boxes[n].x + boxes[n].width for n in names) + GROUP_EDGE
    return Box(left, top - GROUP_TOP, right - left, max(lows) + GROUP_EDGE - top + GROUP_TOP)


def _heights(document: Document, registry: Mapping[str, NodeSpec], name: str) -> tuple[int, int]:
    """Returns the height of a node, and the height that it needs in addition during a run."""
    entry = document.nodes[name]
    spec = registry.get(entry.type)
    if spec is None:
        return _SLOT * max(len(entry.wires), 1) + 16, 0
    form = node_form(spec)
    return node_height(form), _extra_height(form)


def about_place(boxes: Iterable[Box]) -> Box:
    """Returns the box of the note with a graph's title, above all other boxes."""
    corners = [(box.x, box.y) for box in boxes]
    left = min((x for x, _ in corners), default=0)
    top = min((y for _, y in corners), default=0)
    return Box(left, top - 180, 500, 120)


def _columns(sources: Mapping[str, list[str]]) -> list[list[str]]:
    """Returns the names of nodes by column: the length of the longest path to the node."""
    targets: dict[str, list[str]] = {name: [] for name in sources}
    waiting = {name: len(set(above)) for name, above in sources.items()}
    for name, above in sources.items():
        for source in set(above):
            targets[source].append(name)
    columns: list[list[str]] = []
    order = {name: i for i, name in enumerate(sources)}
    ready = [name for name, count in waiting.items() if count == 0]
    while ready := ready or _one_in_a_loop(waiting):
        columns.append(ready)
        below = []
        for name in ready:
            for target in targets[name]:
                waiting[target] -= 1
                if waiting[target] == 0:
                    below.append(target)
        ready = sorted(below, key=order.__getitem__)
    return columns


def _one_in_a_loop(waiting: dict[str, int]) -> list[str]:
    """Returns the first node that still waits, which then waits no longer; nothing without one."""
    names = [name for name, count in waiting.items() if count > 0][:1]
    waiting.update(dict.fromkeys(names, 0))
    return names


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0


def read_boxes(layout: Any) -> dict[str, Box]:
    """Returns the boxes of nodes in a graph file's `layout`. Malformed entries are skipped."""
    nodes = layout.get("nodes") if isinstance(layout, dict) else None
    boxes = nodes.items() if isinstance(nodes, dict) else ()
    return {name: box for name, numbers in boxes if (box := read_box(numbers)) is not None}


def read_box(numbers: Any) -> Box | None:
    """Returns a list of four numbers as a box; None for anything else."""
    if not isinstance(numbers, list) or len(numbers) != 4:
        return None
    fits = all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers)
    return Box(*numbers) if fits else None
