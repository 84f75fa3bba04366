"""ComfyUI's workflow JSON to nodes: what its editor resolves when it queues is resolved here.

Subgraphs are flattened, reroutes and bypassed nodes followed through, muted nodes left out with
what can't run without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..nodes.contract import NodeSpec
from .comfy_forms import node_form, node_id
from .convert_api import META
from .convert_core import CORE_WIDGETS
from .convert_names import sources_first, values_by_name
from .convert_nodes import Foreign, ForeignGraph
from .workflow_extras import NOTES, read_about, read_layout

_NEVER, _BYPASS = 2, 4  # LiteGraph's modes
_FROM, _TO = -10, -20  # the ids of a subgraph's own inputs and outputs
_DEPTH = 64
Origin = tuple[str, int]


def is_workflow(data: Any) -> bool:
    """Whether JSON data look like a workflow of ComfyUI's editor."""
    return isinstance(data, dict) and isinstance(data.get("nodes"), list)


def read_workflow(data: Mapping[str, Any], registry: Mapping[str, NodeSpec]) -> ForeignGraph:
    """The nodes of a workflow, flattened; the names of those left out are in `left_out`.

    Raises: LookupError, TypeError, ValueError or AttributeError where the editor did not write it.
    """
    return _Flattener(data, registry).graph()


@dataclass
class _Scope:
    """The workflow itself or one use of a subgraph; `instance` is the node that uses it."""

    prefix: str
    nodes: dict[Any, dict[str, Any]]
    links: dict[Any, list[Any]]  # origin, its output, target, its input
    parent: _Scope | None = None
    instance: dict[str, Any] = field(default_factory=dict)
    definition: Mapping[str, Any] = field(default_factory=dict)
    inner: dict[Any, _Scope] = field(default_factory=dict)
    values: dict[tuple[Any, str], Any] = field(default_factory=dict)  # set at the instance

    def id(self, node: Mapping[str, Any]) -> str:
        return f"{self.prefix}{node['id']}"


class _Flattener:
    def __init__(self, data: Mapping[str, Any], registry: Mapping[str, NodeSpec]) -> None:
        self.data, self.registry = data, registry
        definitions = (data.get("definitions") or {}).get("subgraphs") or []
        self.subgraphs = {definition["id"]: definition for definition in definitions}
        self.muted: set[str] = set()

    def graph(self) -> ForeignGraph:
        root = self.scope(self.data, "", 0)
        nodes: dict[str, Foreign] = {}
        for scope, node in self.active(root):
            foreign = Foreign(
                scope.id(node), str(node["type"]), str(node.get("title") or ""), {}, {}
            )
            foreign.values = self.values(scope, node)
            foreign.about = (node.get("properties") or {}).get("about")
            lost = self.links(scope, node, foreign)
            nodes[foreign.id] = foreign
            if lost:
                self.muted.add(foreign.id)
        left_out = self.drop_muted(nodes)
        extra = self.data.get("extra") or {}
        facts = dict(extra.get(META) or {})
        facts.pop("layout", None)
        facts |= read_about(self.data, facts)
        if META not in extra:  # the editor's `order` knows nothing of subgraphs
            sources = {i: [source for source, _ in n.links.values()] for i, n in nodes.items()}
            nodes = {number: nodes[number] for number in sources_first(sources)}
        return ForeignGraph(nodes, facts, left_out, read_layout(self.data))

    def scope(self, graph: Mapping[str, Any], prefix: str, depth: int, **of: Any) -> _Scope:
        if depth > _DEPTH:
            raise ValueError(f"subgraphs nested deeper than {_DEPTH}")
        nodes = {node["id"]: node for node in graph["nodes"]}
        links = dict(map(_link, graph.get("links") or []))
        scope = _Scope(prefix, nodes, links, **of)
        for node in nodes.values():
            definition = self.subgraphs.get(node["type"])
            if definition is not None:
                inside = f"{scope.id(node)}:"
                made = self.scope(
                    definition,
                    inside,
                    depth + 1,
                    parent=scope,
                    instance=node,
                    definition=definition,
                )
                made.values = _promoted(made)
                scope.inner[node["id"]] = made
        return scope

    def active(self, scope: _Scope) -> Iterator[tuple[_Scope, dict[str, Any]]]:
        """Nodes that run, those inside of subgraphs in their place."""
        for node in self.ordered(scope):
            if node.get("mode", 0) in (_NEVER, _BYPASS):
                if node["mode"] == _NEVER:
                    self.muted.add(scope.id(node))
            elif node["id"] in scope.inner:
                yield from self.active(scope.inner[node["id"]])
            elif node["type"] not in (*NOTES, "Reroute"):
                yield scope, node

    def ordered(self, scope: _Scope) -> list[dict[str, Any]]:
        """As in the graph file that the workflow was made from, else as the editor has it."""
        if META in (self.data.get("extra") or {}) and all(type(i) is int for i in scope.nodes):
            return [node for _, node in sorted(scope.nodes.items())]
        return sorted(scope.nodes.values(), key=lambda node: node.get("order", 0))

    def values(self, scope: _Scope, node: Mapping[str, Any]) -> dict[str, Any]:
        """Widget values by name; the format has them by position."""
        given = node.get("widgets_values") or []
        own = {name: value for (owner, name), value in scope.values.items() if owner == node["id"]}
        if isinstance(given, dict):
            return {**given, **own}
        told = [slot["name"] for slot in node.get("inputs") or [] if slot.get("widget")]
        spec = self.registry.get(node_id(node["type"]) or "")
        seeds = [w.name for w in spec.widgets.values() if w.is_seed] if spec is not None else []
        values, rest = values_by_name(told, given, seeds)
        if rest or not told:  # an old editor told the names of wired widgets only
            known = CORE_WIDGETS.get(node["type"], [])
            names = [w.name for w in node_form(spec).widgets] if spec is not None else known
            values, _ = values_by_name(names, given, seeds)
        return values | own

    def links(self, scope: _Scope, node: Mapping[str, Any], foreign: Foreign) -> bool:
        """Fill in the links; True where one that it can't do without comes from a muted node."""
        lost = False
        for slot in node.get("inputs") or []:
            if slot.get("link") is None:
                continue
            origin = self.origin(scope, slot["link"])
            if isinstance(origin, tuple):
                foreign.links[slot["name"]] = origin
            elif origin == "muted":
                lost = lost or not self.is_optional(node["type"], slot)
        return lost

    def is_optional(self, kind: str, slot: Mapping[str, Any]) -> bool:
        spec = self.registry.get(node_id(kind) or "")
        port = spec.inputs.get(slot["name"]) if spec is not None else None
        return "widget" in slot or (port is not None and port.optional)

    def origin(self, scope: _Scope | None, link: Any) -> Origin | str:
        """The node and output that a link comes from, or why there is none."""
        for _ in range(100_000):
            if scope is None or link is None or link not in scope.links:
                return "unlinked"
            source, slot = scope.links[link][:2]
            if source == _FROM:
                link, scope = _instance_link(scope, slot), scope.parent
                continue
            node = scope.nodes[source]
            mode = node.get("mode", 0)
            if mode == _NEVER:
                return "muted"
            if mode == _BYPASS:
                link = _bypass_link(node, slot)
            elif node["type"] == "Reroute":
                link = node["inputs"][0].get("link")
            elif source in scope.inner:
                scope = scope.inner[source]
                link = next(
                    (i for i, (_, _, to, at) in scope.links.items() if to == _TO and at == slot),
                    None,
                )
            else:
                return scope.id(node), int(slot)
        raise ValueError("links that lead in a circle")

    def drop_muted(self, nodes: dict[str, Foreign]) -> list[str]:
        """Leave out what is muted and what can't run without it; their titles."""
        dropped = set(self.muted)
        while True:
            more = {
                node.id
                for node in nodes.values()
                if node.id not in dropped
                and any(
                    source in dropped and not self.is_optional(node.type, {"name": name})
                    for name, (source, _) in node.links.items()
                )
            }
            if not more:
                break
            dropped |= more
        left_out = [nodes[i].title or nodes[i].type for i in nodes if i in dropped]
        for number in dropped & nodes.keys():
            del nodes[number]
        for node in nodes.values():
            node.links = {n: link for n, link in node.links.items() if link[0] not in dropped}
        return left_out


def _link(link: Any) -> tuple[Any, list[Any]]:
    """A link's number, and its origin, output, target and input."""
    if isinstance(link, dict):
        keys = ("origin_id", "origin_slot", "target_id", "target_slot")
        return link["id"], [link[key] for key in keys]
    return link[0], list(link[1:5])


def _instance_link(scope: _Scope, slot: int) -> Any:
    """The link into the subgraph's node at its input number `slot`."""
    name = scope.definition["inputs"][slot]["name"]
    inputs = scope.instance.get("inputs") or []
    return next((i.get("link") for i in inputs if i["name"] == name), None)


def _promoted(scope: _Scope) -> dict[tuple[Any, str], Any]:
    """Widget values that are set at a subgraph's node, by inner node and widget."""
    proxies = (scope.instance.get("properties") or {}).get("proxyWidgets") or []
    given = scope.instance.get("widgets_values") or []
    values: dict[tuple[Any, str], Any] = {}
    if not isinstance(given, list) or len(given) != len(proxies):
        return values
    names = [entry["name"] for entry in scope.definition.get("inputs") or []]
    for (owner, widget), value in zip(proxies, given, strict=True):
        if str(owner) != "-1":
            values[int(owner), widget] = value
            continue
        for source, slot, target, at in scope.links.values():
            if source == _FROM and names[slot] == widget:
                values[target, scope.nodes[target]["inputs"][at]["name"]] = value
    return values


def _bypass_link(node: Mapping[str, Any], slot: int) -> Any:
    """The link of the input that a bypassed node hands on at an output, as the editor chooses."""
    kind, inputs = node["outputs"][slot]["type"], node.get("inputs") or []
    ranked = inputs[slot : slot + 1] + inputs
    match = next((i for i in ranked if i["type"] == kind or "*" in (i["type"], kind)), None)
    return match.get("link") if match is not None else None
