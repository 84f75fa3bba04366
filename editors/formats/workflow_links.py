"""The links of a workflow, and the reroute points on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...runner.graph.yaml_text import Marked
from .workflow_parts import Parts


class Links(Parts):
    """Writes the wires of a document as links."""

    def source(self, mark: Marked) -> tuple[str, str] | None:
        """Returns the node or knob and the output of a wire; None if there is no such output."""
        owner, _, output = str(mark.value).partition(".")
        if owner == "knobs" and any(knob == output for knob, _ in self.knob_names):
            return owner, output
        other = self.document.nodes.get(owner)
        if other is None:
            return None
        spec = self.registry.get(other.type)
        if spec is None:
            return owner, output
        output = output or spec.main_output or ""
        return (owner, output) if output in spec.outputs else None

    def add_links(self, nodes: dict[str, dict[str, Any]]) -> None:
        """Add the links of virtual nodes, and then those of all other wires."""
        for link in self.listed("links", list):
            if len(link) == 4 and link[0] in nodes and link[2] in nodes:
                start = _slot(nodes[link[0]]["outputs"], link[1])
                end = _slot(nodes[link[2]]["inputs"], link[3])
                if start is not None and end is not None:
                    self.link(nodes, link[0], start, link[2], end)
        for name, entry in self.entries.items():
            node = nodes[name]
            for at, slot in enumerate(node["inputs"]):
                mark = entry.wires.get(slot["name"])
                found = self.source(mark) if mark is not None and slot["link"] is None else None
                if found is None:
                    continue
                source, output = found
                if source == "knobs":
                    source, out = self.knob_names.get((output, slot["type"]), ""), 0
                elif source in nodes:
                    out = _slot(nodes[source]["outputs"], output) or 0
                if source in nodes:
                    self.link(nodes, source, out, name, at)
        by_id = {node["id"]: node for node in nodes.values()}
        for (number, out), links in self.targets.items():
            by_id[number]["outputs"][out]["links"] = links

    def link(self, nodes: dict[str, Any], source: str, out: int, target: str, at: int) -> None:
        slot = nodes[target]["inputs"][at]
        number = len(self.links) + 1
        kind = slot.get("type", "*")
        self.links.append([number, self.ids[source], out, self.ids[target], at, kind])
        slot["link"] = number
        self.targets.setdefault((self.ids[source], out), []).append(number)
        self.ends[f"{target}.{at}"] = self.ends[f"{target}.{slot.get('name')}"] = number

    def reroutes(self) -> dict[str, Any]:
        """Returns the reroute points, and the links that pass through them."""
        points = {point.get("id"): dict(point) for point in self.listed("reroutes")}
        extensions, looks = [], {}
        users: dict[Any, list[int]] = {number: [] for number in points}
        for end, wire in self.table("wires").items():
            number = self.ends.get(end)
            if number is None or not isinstance(wire, dict):
                continue
            if "look" in wire:
                looks[str(number)] = wire["look"]
            if wire.get("reroute") in points:
                extensions.append({"id": number, "parentId": wire["reroute"]})
                for point in _chain(wire["reroute"], points):
                    users[point].append(number)
        found: dict[str, Any] = {}
        kept = [
            point | {"linkIds": users[number]}
            for number, point in points.items()
            if users[number] or point.get("floating")
        ]
        found |= {"reroutes": kept} if kept else {}
        found |= {"linkExtensions": extensions} if extensions else {}
        return found | ({"linkPresentation": looks} if looks else {})

    def floating(self) -> list[dict[str, Any]]:
        """Returns the links of reroute points with one end only."""
        found = []
        for number, link in enumerate(self.listed("floating", list), len(self.links) + 1):
            if len(link) == 6:
                start, out, end, at, kind, parent = link
                ends = [self.ids.get(start, -1), out, self.ids.get(end, -1), at]
                keys = ("origin_id", "origin_slot", "target_id", "target_slot")
                plain = dict(zip(keys, ends, strict=True))
                found.append({"id": number, **plain, "type": kind, "parentId": parent})
        return found


def _slot(slots: list[dict[str, Any]], key: Any) -> int | None:
    """Returns the number of a slot, which is given by its name or number."""
    if isinstance(key, int):
        return key if 0 <= key < len(slots) else None
    return next((i for i, slot in enumerate(slots) if slot.get("name") == key), None)


def _chain(number: Any, points: Mapping[Any, Mapping[str, Any]]) -> list[Any]:
    """Returns a reroute point and those between it and the source."""
    chain: list[Any] = []
    while number in points and number not in chain:
        chain.append(number)
        number = points[number].get("parentId")
    return chain
