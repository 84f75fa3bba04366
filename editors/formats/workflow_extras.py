"""Reads the parts of a workflow that do not run, in the form of a graph file's `layout`.

The layout names nodes as the graph file does. `knobs.NAME` is the primitive node of a knob. Nodes
that only exist in the editor (subgraphs, reroutes, primitives without a wire) are in `virtual`,
with all links from and to them in `links`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import isfinite
from typing import Any

from .core_nodes import CONTROLS
from .workflow_app import USUAL, chosen_app

NOTES = ("Note", "MarkdownNote")
_MAX_DEPTH = 12  # levels of nesting of values that are stored as they are
_OURS = ("artgraph", "artgraph_file", "artgraph_problems", USUAL)
_TRANSIENT = (*_OURS, "ds", "frontendVersion", "linearData", "linearMode")
_PLACES = ("pos", "size", "bounding")
_VALUES = ("widgets_values", "widgets_values_named", "properties")
_LINKS = ("reroutes", "linkExtensions", "linkPresentation")
_DERIVED = {"id", "type", "pos", "size", "order", "mode", "inputs", "outputs", "title", "color"}
_DERIVED |= {"bgcolor", "widgets_values", "widgets_values_named", "properties", "flags"}
_USUAL = {"Node name for S&R", "Run widget replace on values", "about", "artgraph", "cnr_id"}
_USUAL |= {"ver", "aux_id"}


def read_layout(
    workflow: Mapping[str, Any],
    names: Mapping[str, str],
    controls: Mapping[str, Mapping[str, str]],
    inside: Mapping[str, Mapping[str, str]],
    titles: Mapping[str, Collection[str]],
) -> dict[str, Any]:
    """Returns a workflow's layout.

    names:    the name of each node, by its id.
    controls: what happens to a widget's value after a run, by node and widget.
    inside:   the names of the nodes in each subgraph, by the subgraph and the node's path in it.
    titles:   the titles of each node that nobody has chosen.
    """
    reader = _Layout(workflow, names)
    reader.nodes(inside, titles)
    parts = reader.parts | {"control": {n: dict(c) for n, c in controls.items() if c}}
    parts |= {"groups": _groups(workflow), "notes": _notes(workflow)} | reader.links()
    parts |= {"app": plain(chosen_app(reader.extra, names)), "extra": _other_extras(workflow)}
    parts["definitions"] = {
        str(definition["id"]): _placed(plain(definition))
        for definition in (workflow.get("definitions") or {}).get("subgraphs") or []
    }
    return {key: part for key, part in parts.items() if part}


class _Layout:
    def __init__(self, workflow: Mapping[str, Any], names: Mapping[str, str]) -> None:
        self.workflow, self.names = workflow, names
        self.extra = workflow.get("extra") or {}
        self.parts: dict[str, Any] = {
            key: {} for key in ("nodes", "colors", "titles", "more", "virtual")
        }
        self.parts |= {"collapsed": [], "pinned": []}
        self.nodes_by_id = {str(node["id"]): node for node in workflow["nodes"]}

    def nodes(
        self, inside: Mapping[str, Mapping[str, str]], titles: Mapping[str, Collection[str]]
    ) -> None:
        for number, name in self.names.items():
            node, parts = self.nodes_by_id.get(number), self.parts
            if node is None:
                continue  # a node inside a subgraph
            parts["nodes"][name] = [*_pair(node.get("pos"), (0, 0)), *_size(node)]
            colors = [str(node.get(key) or "") for key in ("color", "bgcolor")]
            if any(colors):
                parts["colors"][name] = colors
            title = node.get("title")
            usual = titles.get(name) or [name.removeprefix("knobs.")]
            if isinstance(title, str) and title not in usual:
                parts["titles"][name] = title
            flags = node.get("flags") or {}
            parts["collapsed"] += [name] if flags.get("collapsed") else []
            parts["pinned"] += [name] if flags.get("pinned") else []
            if name in inside or self.is_virtual(node):
                parts["virtual"][name] = _virtual(node, inside.get(name, {}))
            elif more := _more(node):
                parts["more"][name] = more
        for key in ("collapsed", "pinned"):
            self.parts[key].sort()

    def is_virtual(self, node: Mapping[str, Any]) -> bool:
        kind = str(node["type"])
        is_idle = kind == "PrimitiveNode" and not self.names[str(node["id"])].startswith("knobs.")
        return kind == "Reroute" or is_idle

    def place(self, number: Any, slot: Any, side: str) -> list[Any] | None:
        """Returns a node's name with an input or output: by its name, or by number if virtual."""
        node, name = self.nodes_by_id.get(str(number)), self.names.get(str(number))
        if node is None or name is None:
            return None
        if name in self.parts["virtual"] or name.startswith("knobs."):
            return [name, slot]
        return [name, node[side][slot]["name"]]

    def links(self) -> dict[str, Any]:
        """Returns the links of virtual nodes, and reroute points with the links through them."""
        links: list[Any] = []
        wires: dict[str, dict[str, Any]] = {}
        parents = {entry["id"]: entry["parentId"] for entry in self.extra.get("linkExtensions", [])}
        looks = self.extra.get("linkPresentation") or {}
        for number, source, out, target, at, *_ in map(_numbers, self.workflow["links"]):
            start, end = self.place(source, out, "outputs"), self.place(target, at, "inputs")
            if start is None or end is None:
                continue
            if start[0] in self.parts["virtual"] or end[0] in self.parts["virtual"]:
                links.append([*start, *end])
            look = {"reroute": parents[number]} if number in parents else {}
            look |= {"look": plain(looks[str(number)])} if str(number) in looks else {}
            if look:
                wires[f"{end[0]}.{end[1]}"] = look
        floating = [
            [
                *(self.place(start, out, "outputs") or ["", 0]),
                *(self.place(end, at, "inputs") or ["", 0]),
                str(kind),
                parent,
            ]
            for start, out, end, at, kind, parent in map(
                _floating, self.workflow.get("floatingLinks") or []
            )
        ]
        reroutes = [
            _placed({key: plain(value) for key, value in point.items() if key != "linkIds"})
            for point in self.extra.get("reroutes") or []
        ]
        links.sort(key=repr)
        return {"links": links, "wires": wires, "reroutes": reroutes, "floating": floating}


def _virtual(node: Mapping[str, Any], inside: Mapping[str, str]) -> dict[str, Any]:
    """Returns a virtual node as it is, without its links and what is stored elsewhere."""
    left_out = ("id", "pos", "size", "order", "title", "color", "bgcolor", "widgets_values_named")
    kept: dict[str, Any] = {key: plain(value) for key, value in node.items() if key not in left_out}
    for side, key in (("inputs", "link"), ("outputs", "links")):
        kept[side] = [{k: v for k, v in slot.items() if k != key} for slot in kept.get(side) or []]
    flags = kept.get("flags") or {}
    kept["flags"] = {key: flags[key] for key in flags if key not in ("collapsed", "pinned")}
    kept["properties"] = {k: v for k, v in (kept.get("properties") or {}).items() if k not in _OURS}
    if inside:
        kept["inside"] = dict(inside)
    return {key: value for key, value in kept.items() if value not in ({}, [], None)}


def _more(node: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the editor stores in a node besides what has a place of its own."""
    more = {key: plain(value) for key, value in node.items() if key not in _DERIVED}
    flags, properties = node.get("flags") or {}, node.get("properties") or {}
    more["flags"] = {k: plain(v) for k, v in flags.items() if k not in ("collapsed", "pinned")}
    more["properties"] = {k: plain(v) for k, v in properties.items() if k not in _USUAL}
    for side in ("inputs", "outputs"):
        slots = node.get(side) or []
        more[f"{side[:-1]}_labels"] = {s["name"]: s["label"] for s in slots if s.get("label")}
    if node["type"] == "PrimitiveNode":  # it only exists in the editor, so a mode changes nothing
        more["mode"] = node.get("mode")
    return {key: value for key, value in more.items() if value not in ({}, [], None, False)}


def _groups(workflow: Mapping[str, Any]) -> list[dict[str, Any]]:
    groups = []
    for group in workflow.get("groups") or []:
        box = [_rounded(n) for n in group["bounding"] if isfinite(n)]
        found = {"title": str(group.get("title", "")), "box": box}
        found |= {"color": group["color"]} if group.get("color") else {}
        usual = {"id", "title", "bounding", "color"}
        others = {k: plain(v) for k, v in group.items() if k not in usual}
        found |= {k: v for k, v in others.items() if v not in ({}, [], None, False, 24)}
        groups.append(found)
    return groups


def _notes(workflow: Mapping[str, Any]) -> list[dict[str, Any]]:
    notes = []
    for node in workflow["nodes"]:
        if node["type"] not in NOTES or is_about(node):
            continue
        text = (node.get("widgets_values") or [""])[0]
        note: dict[str, Any] = {"title": str(node.get("title") or "Note"), "text": str(text)}
        note |= {"box": [*_pair(node.get("pos"), (0, 0)), *_size(node)]}
        note |= {"color": str(node.get("color") or "")}
        note |= {"bgcolor": node["bgcolor"]} if node.get("bgcolor") else {}
        note |= {"type": "Note"} if node["type"] == "Note" else {}
        note |= {"mode": node["mode"]} if node.get("mode") else {}
        flags = {k: plain(v) for k, v in (node.get("flags") or {}).items() if v}
        notes.append(note | ({"flags": flags} if flags else {}))
    return notes


def _other_extras(workflow: Mapping[str, Any]) -> dict[str, Any]:
    extra = workflow.get("extra") or {}
    return {k: plain(v) for k, v in extra.items() if k not in (*_TRANSIENT, *_LINKS)}


def is_about(node: Mapping[str, Any]) -> bool:
    """Returns whether a note is the one with the graph's title and description."""
    return (node.get("properties") or {}).get("artgraph") == "about"


def about_text(metadata: Mapping[str, Any]) -> str:
    """Returns the text of the note with a graph's title and description; empty without both."""
    lines = [f"# {metadata['title']}"] if "title" in metadata else []
    lines += [str(metadata["about"])] if "about" in metadata else []
    return "\n\n".join(lines)


def read_about(workflow: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, str]:
    """Returns the title and the description from their note, if it was edited; else nothing."""
    for node in workflow["nodes"]:
        if node["type"] in NOTES and is_about(node):
            text = str((node.get("widgets_values") or [""])[0])
            if text == about_text(metadata):
                return {}
            heading, _, rest = text.partition("\n") if text.startswith("# ") else ("", "", text)
            parts = {"title": heading[2:].strip(), "about": rest.removeprefix("\n")}
            return {key: part for key, part in parts.items() if part.strip()}
    return {}


def about_box(workflow: Mapping[str, Any]) -> list[float] | bool | None:
    """Returns the box of the note with the title; False if it was removed, None without a title."""
    for node in workflow["nodes"]:
        if node["type"] in NOTES and is_about(node):
            return [*_pair(node.get("pos"), (0, 0)), *_size(node)]
    metadata = (workflow.get("extra") or {}).get("artgraph") or {}
    return False if about_text(metadata) else None


def primitive_control(node: Mapping[str, Any]) -> dict[str, str]:
    """Returns what happens to the value of a primitive node after a run, unless it stays."""
    _, *rest = node.get("widgets_values") or [None]
    found = {"value": rest[0]} if rest and rest[0] in CONTROLS[1:] else {}
    return found | ({"filter": str(rest[1])} if len(rest) > 1 and rest[1] else {})


def plain(value: Any, depth: int = 0) -> Any:
    """Returns JSON data that a graph file can contain: without NaN, and not nested too deeply."""
    if isinstance(value, dict):
        if depth >= _MAX_DEPTH:
            return None
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return None if depth >= _MAX_DEPTH else [plain(item, depth + 1) for item in value]
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value


def _numbers(link: Any) -> list[Any]:
    if isinstance(link, dict):
        keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
        return [link[key] for key in keys]
    return list(link)


def _floating(link: Mapping[str, Any]) -> list[Any]:
    keys = ("origin_id", "origin_slot", "target_id", "target_slot", "type", "parentId")
    return [link.get(key) for key in keys]


def _size(node: Mapping[str, Any]) -> list[float]:
    return _pair(node.get("size"), (300, 120))


def _pair(pair: Any, default: tuple[float, float]) -> list[float]:
    """Returns two numbers as a list. Old workflows contain them as `{"0": x, "1": y}`."""
    if isinstance(pair, dict):
        pair = [pair["0"], pair["1"]]
    if not pair or not all(map(isfinite, pair[:2])):
        return list(default)
    return [_rounded(n) for n in pair[:2]]


def _rounded(number: float) -> float:
    """Returns a number with at most one decimal, as places on the canvas need no more."""
    if isinstance(number, bool):
        return number
    near = round(float(number), 1)
    return near if near % 1 else int(near)


def _placed(value: Any) -> Any:
    """Returns a subgraph or a reroute with all places and sizes in it rounded."""
    if isinstance(value, list):
        return [_placed(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: item if key in _VALUES else _numbers_rounded(item) if key in _PLACES else _placed(item)
        for key, item in value.items()
    }


def _numbers_rounded(value: Any) -> Any:
    """Returns a place or a size with rounded numbers, in any form that the editor uses."""
    if isinstance(value, dict):
        return {key: _numbers_rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers_rounded(item) for item in value]
    return _rounded(value) if isinstance(value, float) else value
