"""Names for the nodes and knobs of a ComfyUI graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract.spec import NodeSpec
from ...runner.graph.names import NAME, NODE_NAME
from .core_nodes import CORE, PRIMITIVE_TITLES, is_primitive
from .foreign import ForeignGraph, ForeignNode
from .forms import is_empty_number, node_id
from .names import PACK, node_name, unused_name, valid_name


class Naming:
    """Finds the names of nodes and knobs, and our node types.

    keeps_unknown: whether nodes of packs that are not loaded, and names that a node does not have,
                   are written as they are.
    """

    def __init__(
        self, graph: ForeignGraph, registry: Mapping[str, NodeSpec], keeps_unknown: bool
    ) -> None:
        self.graph, self.registry, self.keeps_unknown = graph, registry, keeps_unknown
        self.names: dict[str, str] = {}
        self.knobs: dict[str, Any] = {}
        self.knob_names: dict[str, str] = {}  # names of knobs by the ids of primitive nodes
        self.unlike: dict[str, str] = {}  # why a node of ComfyUI has no counterpart, by id

    def spec(self, node: ForeignNode) -> NodeSpec | None:
        if node.id in self.unlike:
            return None
        core = CORE.get(node.type)
        ours = core.node if core is not None else node_id(node.type)
        return self.registry.get(ours) if ours is not None else None

    def is_kept(self, node: ForeignNode) -> bool:
        """Returns whether a node without a counterpart here can be written as it is."""
        return (self.keeps_unknown or bool(node.mode)) and node_id(node.type) is not None

    def name_nodes(self) -> None:
        """Name the nodes: first those that have a name in the graph file and the same title."""
        nodes = [node for node in self.graph.nodes.values() if not is_primitive(node.type)]
        for node in nodes:
            name = node.ours.get("name")
            is_renamed = node.title != node.ours.get("title", name)
            if is_renamed and valid_name(node.title, ""):
                continue
            is_name = isinstance(name, str) and NODE_NAME.fullmatch(name) and name != "knobs"
            if is_name and (self.spec(node) is not None or self.is_kept(node)):
                self.names[node.id] = str(name)
        taken: dict[str, str] = {}
        for number, name in list(self.names.items()):
            if taken.setdefault(name, number) != number:
                del self.names[number]  # a copy in the editor
        for node in nodes:
            if node.id not in self.names:
                self.name(node)

    def renamed(self) -> dict[str, str]:
        """Returns the new name of each node that has another one than in the graph file."""
        now = set(self.names.values())
        return {
            node.ours["name"]: self.names[node.id]
            for node in self.graph.nodes.values()
            if node.id in self.names
            and isinstance(node.ours.get("name"), str)
            and node.ours["name"] not in now
        }

    def name(self, node: ForeignNode) -> None:
        """Use a node's title as its name, if the title can be a name."""
        spec, title = self.spec(node), node.title.removesuffix(PACK)
        if spec is None and not self.is_kept(node):
            return
        usual = spec.id if spec is not None else valid_name(node_id(node.type) or "", "node")
        default = spec is not None and title == spec.title
        default = default or "".join(title.split()) == node.type  # e.g. Save Image
        default = default and not NAME.fullmatch(title)
        name = usual if default else node_name(title, usual)
        self.names[node.id] = unused_name(name, set(self.names.values()))

    def collect_knobs(self) -> None:
        """Collect the knobs of the original graph file, then those of ComfyUI's primitives."""
        original = self.graph.metadata.get("knobs", {})
        self.knobs = dict(original)
        primitives: set[tuple[str, str]] = set()  # a knob has one primitive of each type
        uses: dict[str, str] = {}
        for node in self.graph.nodes.values():
            spec = self.spec(node)
            for name, (source, _) in node.links.items():
                if spec is None or not self.is_empty(node, spec, name):
                    uses.setdefault(source, name)
        for node in self.graph.nodes.values():
            if not is_primitive(node.type) or node.id not in uses:
                continue
            value = node.values.get("value")
            default = node.title in ("", node.type, "PrimitiveNode", *PRIMITIVE_TITLES)
            name = valid_name("" if default else node.title, uses[node.id])
            own = node.ours.get("name")
            is_renamed = node.title != node.ours.get("title", own) and valid_name(node.title, "")
            if isinstance(own, str) and NAME.fullmatch(own) and not is_renamed:
                name = own
            kind = node.types[0] if node.types else ""
            if kind and (name, kind) in primitives:
                name = unused_name(name, set(self.knobs))
            primitives.add((name, kind))
            if name in original and knob_value(self.knobs[name]) != value:
                self.knobs[name] = with_value(original[name], value)
            elif name not in original:
                name = unused_name(name, {k for k, v in self.knobs.items() if v != value})
                self.knobs[name] = value
            self.knob_names[node.id] = name

    def is_empty(self, node: ForeignNode, spec: NodeSpec, slot: str) -> bool:
        """Returns whether a primitive sets a widget to the number that means "empty".

        Such a link does not become a knob.
        """
        source, widget = self.graph.nodes.get(node.links[slot][0]), spec.widgets.get(slot)
        if source is None or widget is None or not is_primitive(source.type):
            return False
        return is_empty_number(widget, source.values.get("value"))


def knob_value(knob: Any) -> Any:
    """Returns a knob's value. A knob is a plain value or a mapping with the key `value`."""
    return knob["value"] if isinstance(knob, dict) else knob


def with_value(knob: Any, value: Any) -> Any:
    """Returns the knob with another value."""
    return {**knob, "value": value} if isinstance(knob, dict) else value
