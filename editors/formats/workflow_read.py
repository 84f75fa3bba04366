"""Reads ComfyUI's workflow JSON, and resolves what its editor resolves before it queues a prompt.

Subgraphs are flattened, and links are followed through reroutes. Muted and bypassed nodes stay. If
such a node has no counterpart here, it is removed: links are followed through a bypassed one, and
nodes that can't run without a muted one are removed too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...contract.spec import NodeSpec
from .api_json import META
from .core_nodes import CORE, CORE_WIDGETS, is_primitive
from .foreign import ForeignGraph, ForeignNode
from .forms import node_form, node_id
from .names import topological_order, values_by_name
from .workflow_extras import NOTES, read_about

_MUTED, _BYPASS = 2, 4  # LiteGraph's modes
MODE_NAMES = {_MUTED: "muted", _BYPASS: "bypassed"}
_INPUTS, _OUTPUTS = -10, -20  # the ids of a subgraph's own inputs and outputs
_MAX_DEPTH = 64  # largest number of subgraphs inside each other
Origin = tuple[str, int]


def is_workflow(data: Any) -> bool:
    """Returns whether JSON data look like a workflow of ComfyUI's editor."""
    return isinstance(data, dict) and isinstance(data.get("nodes"), list)


def read_workflow(data: Mapping[str, Any], registry: Mapping[str, NodeSpec]) -> ForeignGraph:
    """Returns the flattened nodes of a workflow. `left_out` lists the titles of removed nodes.

    Raises: LookupError, TypeError, ValueError or AttributeError if the workflow is malformed.
    """
    return _Flattener(data, registry).graph()


@dataclass
class _Scope:
    """The workflow itself or one use of a subgraph; `instance` is the node that uses it."""

    prefix: str
    nodes: dict[Any, dict[str, Any]]
    links: dict[Any, list[Any]]  # by id: source, its output's number, target, its input's number
    parent: _Scope | None = None
    instance: dict[str, Any] = field(default_factory=dict)
    definition: Mapping[str, Any] = field(default_factory=dict)
    inner: dict[Any, _Scope] = field(default_factory=dict)
    values: dict[tuple[Any, str], Any] = field(default_factory=dict)  # set on the instance

    def id(self, node: Mapping[str, Any]) -> str:
        return f"{self.prefix}{node['id']}"

    def inner_ids(self) -> list[str]:
        """Returns the ids of all nodes inside, at any depth."""
        deeper = [number for scope in self.inner.values() for number in scope.inner_ids()]
        return [*map(self.id, self.nodes.values()), *deeper]

    def ours(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what `workflow_write` stored in a node, or about it at the outermost subgraph."""
        if self.parent is None:
            return ours_of(node)
        scope = self
        while scope.parent is not None and scope.parent.parent is not None:
            scope = scope.parent
        path = self.id(node).partition(":")[2]
        name = (ours_of(scope.instance).get("inside") or {}).get(path)
        ours = {"set": ours_of(node).get("set")}
        return ours if name is None else ours | {"name": name, "title": node.get("title") or ""}


class _Flattener:
    def __init__(self, data: Mapping[str, Any], registry: Mapping[str, NodeSpec]) -> None:
        self.data, self.registry = data, registry
        definitions = (data.get("definitions") or {}).get("subgraphs") or []
        self.subgraphs = {definition["id"]: definition for definition in definitions}
        self.muted: set[str] = set()
        self.controls: dict[str, dict[str, str]] = {}  # by node and widget
        self.unread: list[str] = []  # titles of muted and bypassed nodes without a counterpart

    def graph(self) -> ForeignGraph:
        root = self.scope(self.data, "", 0)
        nodes: dict[str, ForeignNode] = {}
        for scope, node, mode in self.active(root):
            foreign = ForeignNode(
                scope.id(node), str(node["type"]), str(node.get("title") or ""), {}, {}
            )
            foreign.values, foreign.mode = self.values(scope, node), mode
            properties = node.get("properties") or {}
            foreign.about, foreign.ours = properties.get("about"), scope.ours(node)
            foreign.outputs = [str(slot.get("name", "")) for slot in node.get("outputs") or []]
            foreign.types = [str(slot.get("type", "")) for slot in node.get("outputs") or []]
            is_runnable = self.links(scope, node, foreign)
            nodes[foreign.id] = foreign
            if not is_runnable:
                self.muted.add(foreign.id)
        left_out = self.remove_muted(nodes)
        extra = self.data.get("extra") or {}
        metadata = dict(extra.get(META) or {})
        metadata.pop("layout", None)
        metadata |= read_about(self.data, metadata)
        if META not in extra:  # the editor's `order` is that of one subgraph only
            sources = {i: [source for source, _ in n.links.values()] for i, n in nodes.items()}
            nodes = {number: nodes[number] for number in topological_order(sources)}
        inside = {number: scope.inner_ids() for number, scope in root.inner.items()}
        return ForeignGraph(nodes, metadata, left_out, self.data, self.controls, inside)

    def scope(self, graph: Mapping[str, Any], prefix: str, depth: int, **instance: Any) -> _Scope:
        if depth > _MAX_DEPTH:
            raise ValueError(f"subgraphs are nested deeper than {_MAX_DEPTH}")
        nodes = {node["id"]: node for node in graph["nodes"]}
        links = dict(map(_link, graph.get("links") or []))
        scope = _Scope(prefix, nodes, links, **instance)
        for node in nodes.values():
            definition = self.subgraphs.get(node["type"])
            if definition is not None:
                inner = self.scope(
                    definition,
                    f"{scope.id(node)}:",
                    depth + 1,
                    parent=scope,
                    instance=node,
                    definition=definition,
                )
                inner.values = _promoted(inner)
                scope.inner[node["id"]] = inner
        return scope

    def active(
        self, scope: _Scope, outer: str = ""
    ) -> Iterator[tuple[_Scope, dict[str, Any], str]]:
        """Yields the nodes and their modes, with each subgraph replaced by the nodes inside it.

        outer: the mode of the subgraph. The nodes in a bypassed subgraph do not run.
        """
        for node in self.ordered(scope):
            mode = MODE_NAMES.get(node.get("mode", 0), "")
            if node["id"] in scope.inner:
                inner = "muted" if mode or outer else ""
                yield from self.active(scope.inner[node["id"]], inner)
            elif mode and not self.has_counterpart(node):
                if mode == "muted":
                    self.muted.add(scope.id(node))
                self.unread.append(str(node.get("title") or node["type"]))
            elif node["type"] not in (*NOTES, "Reroute"):
                is_knob = is_primitive(node["type"])
                yield scope, node, "" if is_knob else outer or mode

    def has_counterpart(self, node: Mapping[str, Any]) -> bool:
        kind = str(node["type"])
        known = kind in CORE or node_id(kind) is not None or is_primitive(kind)
        return known or kind in (*NOTES, "Reroute")

    def ordered(self, scope: _Scope) -> list[dict[str, Any]]:
        """Returns nodes in the order of the graph file they are from, or else of the editor."""
        if META in (self.data.get("extra") or {}) and all(type(i) is int for i in scope.nodes):
            return [node for _, node in sorted(scope.nodes.items())]
        return sorted(scope.nodes.values(), key=lambda node: node.get("order", 0))

    def values(self, scope: _Scope, node: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the widget values by name. The format contains them by position."""
        saved = node.get("widgets_values") or []
        own = {name: value for (owner, name), value in scope.values.items() if owner == node["id"]}
        if isinstance(saved, dict):
            return {**saved, **own}
        slots = [slot["name"] for slot in node.get("inputs") or [] if slot.get("widget")]
        spec = self.registry.get(node_id(node["type"]) or "")
        seeds = [w.name for w in spec.widgets.values() if w.is_seed] if spec is not None else []
        values, controls, rest = values_by_name(slots, saved, seeds)
        if rest or not slots:  # an old editor saved the names of wired widgets only
            core_names = CORE_WIDGETS.get(node["type"], [])
            names = [w.name for w in node_form(spec).widgets] if spec is not None else core_names
            values, controls, _ = values_by_name(names, saved, seeds)
        self.controls[scope.id(node)] = controls
        return values | own

    def links(self, scope: _Scope, node: Mapping[str, Any], foreign: ForeignNode) -> bool:
        """Add the node's links; returns False if a required one comes from a muted node."""
        is_runnable = True
        for slot in node.get("inputs") or []:
            if slot.get("link") is None:
                continue
            origin = self.origin(scope, slot["link"])
            if isinstance(origin, tuple):
                foreign.links[slot["name"]] = origin
            elif origin == "muted":
                is_runnable = is_runnable and self.is_optional(node["type"], slot)
        return is_runnable

    def is_optional(self, kind: str, slot: Mapping[str, Any]) -> bool:
        spec = self.registry.get(node_id(kind) or "")
        port = spec.inputs.get(slot["name"]) if spec is not None else None
        return "widget" in slot or (port is not None and port.optional)

    def origin(self, scope: _Scope | None, link: Any) -> Origin | str:
        """Returns the node and output that a link comes from, or the reason why there is none."""
        for _ in range(100_000):
            if scope is None or link is None or link not in scope.links:
                return "unlinked"
            source, slot = scope.links[link][:2]
            if source == _INPUTS:
                link, scope = _instance_link(scope, slot), scope.parent
                continue
            node = scope.nodes[source]
            mode = node.get("mode", 0)
            if mode and source not in scope.inner and self.has_counterpart(node):
                mode = 0
            if mode == _MUTED and source not in scope.inner:
                return "muted"
            if mode == _BYPASS:
                link = _bypass_link(node, slot)
            elif node["type"] == "Reroute":
                link = node["inputs"][0].get("link")
            elif source in scope.inner:
                scope = scope.inner[source]
                link = next(
                    (
                        i
                        for i, (_, _, to, at) in scope.links.items()
                        if to == _OUTPUTS and at == slot
                    ),
                    None,
                )
            else:
                return scope.id(node), int(slot)
        return "unlinked"  # reroutes and bypassed nodes form a loop, so no node is its origin

    def remove_muted(self, nodes: dict[str, ForeignNode]) -> list[str]:
        """Remove muted nodes and those that can't run without them; returns their titles."""
        removed = set(self.muted)
        while True:
            more = {
                node.id
                for node in nodes.values()
                if node.id not in removed
                and any(
                    source in removed and not self.is_optional(node.type, {"name": name})
                    for name, (source, _) in node.links.items()
                )
            }
            if not more:
                break
            removed |= more
        left_out = [nodes[i].title or nodes[i].type for i in nodes if i in removed]
        left_out = [*self.unread, *left_out]
        for number in removed & nodes.keys():
            del nodes[number]
        for node in nodes.values():
            node.links = {n: link for n, link in node.links.items() if link[0] not in removed}
        return left_out


def ours_of(node: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what `workflow_write` stored in a node of a workflow."""
    ours = (node.get("properties") or {}).get(META)
    return ours if isinstance(ours, dict) else {}


def _link(link: Any) -> tuple[Any, list[Any]]:
    """Returns a link's id, and its source, output, target and input."""
    if isinstance(link, dict):
        keys = ("origin_id", "origin_slot", "target_id", "target_slot")
        return link["id"], [link[key] for key in keys]
    return link[0], list(link[1:5])


def _instance_link(scope: _Scope, slot: int) -> Any:
    """Returns the link to input number `slot` of the node that uses the subgraph."""
    name = scope.definition["inputs"][slot]["name"]
    inputs = scope.instance.get("inputs") or []
    return next((i.get("link") for i in inputs if i["name"] == name), None)


def _promoted(scope: _Scope) -> dict[tuple[Any, str], Any]:
    """Returns the widget values set on the node of a subgraph, by inner node and widget."""
    proxies = (scope.instance.get("properties") or {}).get("proxyWidgets") or []
    saved = scope.instance.get("widgets_values") or []
    values: dict[tuple[Any, str], Any] = {}
    if not isinstance(saved, list) or len(saved) != len(proxies):
        return values
    names = [entry["name"] for entry in scope.definition.get("inputs") or []]
    for (owner, widget), value in zip(proxies, saved, strict=True):
        if str(owner) != "-1":
            values[int(owner), widget] = value
            continue
        for source, slot, target, at in scope.links.values():
            if source == _INPUTS and names[slot] == widget:
                values[target, scope.nodes[target]["inputs"][at]["name"]] = value
    return values


def _bypass_link(node: Mapping[str, Any], slot: int) -> Any:
    """Returns the link of the input that a bypassed node passes to an output.

    The rule is that of ComfyUI's editor: the first input of the output's type, and preferably the
    input at the same position.
    """
    kind, inputs = node["outputs"][slot]["type"], node.get("inputs") or []
    ranked = inputs[slot : slot + 1] + inputs
    match = next((i for i in ranked if i["type"] == kind or "*" in (i["type"], kind)), None)
    return match.get("link") if match is not None else None
