"""Random workflows as the editor saves them, and what must be the same when they open again."""

import random

from artgraph.editors.formats.core_nodes import CONTROLS
from artgraph.editors.formats.forms import node_form

TITLES = ["été", "训练", "🎨 paint", "100%", "a b", "sheet", "knobs", "x/y", "", "№ 5", "éte"]
MODES = [0, 0, 0, 2, 4]
ODD_VALUES = [-5, 10**9, "no such choice", 2.5, "", True]


class Drawing:
    """One random workflow: nodes, wires, knobs, reroutes, subgraphs, groups and notes."""

    def __init__(self, registry, seed):
        self.rng, self.registry = random.Random(seed), registry
        self.specs = sorted(registry.values(), key=lambda spec: spec.id)
        self.number = self.link_number = 0

    def workflow(self):
        rng = self.rng
        graph = self.graph(rng.randrange(0, 9))
        nodes, links = graph["nodes"], graph["links"]
        definitions = []
        for _ in range(rng.choice([0, 0, 1, 2])):
            self.subgraph(nodes, links, definitions)
        self.knobs(nodes, links)
        self.reroutes(nodes, links)
        for place, text in enumerate(rng.sample(["A *note*", "Zweite: 'x'", "三\n# 4"], 2)):
            kind = ["Note", "MarkdownNote"][place]
            note = self.plain(kind) | {"widgets_values": [text], "title": rng.choice(TITLES[:4])}
            nodes += [note | {"mode": 0, "inputs": [], "outputs": []}] * rng.randrange(2)
        extra = {"ds": {"scale": rng.random(), "offset": [1.5, 2]}}
        extra |= rng.choice([{}, {"workflowRendererVersion": "LG"}])
        known = [n["id"] for n in nodes if not n["type"].endswith("Note")]
        if known and rng.random() < 0.5:
            extra["linearMode"] = rng.random() < 0.5
            inputs = [[rng.choice(known), "seed"], [rng.choice(known), "x", {"height": 40}]]
            extra["linearData"] = {"inputs": inputs, "outputs": [rng.choice(known)]}
        points(rng, links, extra)
        groups = [
            {"title": rng.choice(TITLES), "bounding": [1, -2.525, 300, 200], "color": "#3f789e"}
            | rng.choice([{}, {"font_size": 40}, {"flags": {"pinned": True}}])
            for _ in range(rng.randrange(3))
        ]
        workflow = {"last_node_id": self.number, "nodes": nodes, "links": links, "groups": groups}
        workflow |= {"extra": extra, "version": 0.4}
        return workflow | ({"definitions": {"subgraphs": definitions}} if definitions else {})

    def plain(self, kind):
        rng = self.rng
        self.number += rng.choice([1, 1, 3])
        flags = {"collapsed": True} if rng.random() < 0.2 else {}
        flags |= {"pinned": True} if rng.random() < 0.2 else {}
        node = {"id": self.number, "type": kind, "pos": [rng.randrange(2000), rng.random() * 99]}
        node |= {"size": [300, rng.choice([120, 80.25])], "flags": flags, "order": 0}
        node |= {"mode": rng.choice(MODES), "properties": {"Node name for S&R": kind}}
        node |= {"color": "#322", "bgcolor": "#533"} if rng.random() < 0.2 else {}
        return node | ({"title": rng.choice(TITLES)} if rng.random() < 0.4 else {"title": kind})

    def node(self):
        spec = self.rng.choice(self.specs)
        form = node_form(spec)
        node = self.plain(form.class_id)
        if node["title"] == form.class_id:
            node["title"] = spec.title
        values = []
        for widget in form.widgets:
            values.append(self.value(widget))
            if "control_after_generate" in widget.options:
                values.append(self.rng.choice(CONTROLS))
        node["inputs"] = [
            {"name": form.name, "type": form.type, "link": None}
            | ({"widget": {"name": form.name}} if form.is_widget else {})
            for form in form.inputs
        ]
        node["outputs"] = [{"name": o.name, "type": o.type, "links": []} for o in form.outputs]
        return node | {"widgets_values": values}

    def value(self, widget):
        rng, options = self.rng, widget.options
        if rng.random() < 0.4:
            return options["default"]
        if "options" in options:
            return rng.choice([*options["options"], "gone"])
        if widget.type == "BOOLEAN":
            return rng.random() < 0.5
        if widget.type == "STRING":
            return rng.choice(["", "a: b # c", "é 训", "line\nline", "no", "1e3"])
        whole = [options["min"], options["default"], 3, 10**9]
        return rng.choice(whole if widget.type == "INT" else [*whole, 0.125, 1.0])

    def graph(self, count):
        nodes = [self.node() for _ in range(count)]
        links = []
        for target in nodes:
            for slot in range(len(target["inputs"])):
                sources = [n for n in nodes if n["outputs"]]
                is_widget = "widget" in target["inputs"][slot]
                if sources and self.rng.random() < (0.05 if is_widget else 0.7):
                    source = self.rng.choice(sources)  # also of another kind, or in a loop
                    self.link(
                        links, source, self.rng.randrange(len(source["outputs"])), target, slot
                    )
        return {"nodes": nodes, "links": links}

    def link(self, links, source, out, target, slot):
        self.link_number += 1
        kind = target["inputs"][slot]["type"]
        links.append([self.link_number, source["id"], out, target["id"], slot, kind])
        target["inputs"][slot]["link"] = self.link_number
        source["outputs"][out].setdefault("links", []).append(self.link_number)

    def knobs(self, nodes, links):
        """Add primitive nodes: each is wired to a free widget, or to nothing."""
        rng = self.rng
        free = [
            (node, slot)
            for node in nodes
            for slot, entry in enumerate(node["inputs"])
            if entry.get("widget") and entry["link"] is None
        ]
        for target, slot in rng.sample(free, min(len(free), rng.randrange(4))):
            node = self.plain("PrimitiveNode") | {"inputs": [], "mode": 0}
            kind = target["inputs"][slot]["type"]
            after = [rng.choice(CONTROLS)] if kind in ("INT", "COMBO") else []
            node["widgets_values"] = [rng.choice([3, 0.5, "x", True]), *after]
            node["outputs"] = [{"name": kind, "type": kind, "links": []}]
            self.link(links, node, 0, target, slot)
            nodes.append(node)
        if rng.random() < 0.2:
            idle = self.plain("PrimitiveNode") | {"inputs": [], "mode": 0, "title": "idle"}
            nodes.append(idle | {"outputs": [{"name": "connect", "type": "*"}]})

    def reroutes(self, nodes, links):
        for link in self.rng.sample(links, min(len(links), self.rng.randrange(3))):
            target = next(node for node in nodes if node["id"] == link[3])
            node = self.plain("Reroute") | {"title": "", "mode": 0}
            node["inputs"] = [{"name": "", "type": "*", "link": link[0]}]
            node["outputs"] = [{"name": "", "type": link[5], "links": []}]
            slot = link[4]
            link[3], link[4] = node["id"], 0
            self.link(links, node, 0, target, slot)
            nodes.append(node)

    def subgraph(self, nodes, links, definitions):
        """Add a subgraph, in which another one may be used, and one or two nodes that use it."""
        rng = self.rng
        inner = self.graph(rng.randrange(1, 4))
        if definitions and rng.random() < 0.5:
            instance = self.instance(definitions[0])
            inner["nodes"].append(instance)
            self.wire(inner["nodes"], inner["links"], instance)
        ins = [
            (node, slot)
            for node in inner["nodes"]
            for slot, entry in enumerate(node["inputs"])
            if entry["link"] is None
        ][: rng.randrange(3)]
        outs = [(node, slot) for node in inner["nodes"] for slot in range(len(node["outputs"]))][:2]
        definition = {"id": f"00000000-0000-4000-8000-{rng.getrandbits(48):012x}", "version": 1}
        definition |= {"name": rng.choice(TITLES[:4]), "groups": [], "extra": {}}
        definition |= {"inputNode": {"id": -10, "bounding": [0, 0, 120, 60]}}
        definition |= {"outputNode": {"id": -20, "bounding": [900, 0, 120, 60]}}
        definition["inputs"] = [
            {"name": f"in{i}", "type": node["inputs"][slot]["type"]}
            for i, (node, slot) in enumerate(ins)
        ]
        definition["outputs"] = [
            {"name": f"out{i}", "type": node["outputs"][slot]["type"]}
            for i, (node, slot) in enumerate(outs)
        ]
        for i, (node, slot) in enumerate(ins):
            self.link_number += 1
            kind = node["inputs"][slot]["type"]
            inner["links"].append([self.link_number, -10, i, node["id"], slot, kind])
            node["inputs"][slot]["link"] = self.link_number
        for i, (node, slot) in enumerate(outs):
            self.link_number += 1
            kind = node["outputs"][slot]["type"]
            inner["links"].append([self.link_number, node["id"], slot, -20, i, kind])
        keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        definition["links"] = [dict(zip(keys, link, strict=True)) for link in inner["links"]]
        definition["nodes"] = inner["nodes"]
        definitions.append(definition)
        for _ in range(rng.randrange(1, 3)):
            instance = self.instance(definition)
            nodes.append(instance)
            self.wire(nodes, links, instance)

    def instance(self, definition):
        node = self.plain(definition["id"]) | {"widgets_values": []}
        node["inputs"] = [{**slot, "link": None} for slot in definition["inputs"]]
        node["outputs"] = [{**slot, "links": []} for slot in definition["outputs"]]
        node["properties"] = {"proxyWidgets": []}
        return node

    def wire(self, nodes, links, instance):
        """Wire a node that uses a subgraph from and to other nodes."""
        others = [n for n in nodes if n is not instance and n["outputs"]]
        for slot in range(len(instance["inputs"])):
            if others and self.rng.random() < 0.7:
                self.link(links, self.rng.choice(others), 0, instance, slot)
        for out in range(len(instance["outputs"])):
            free = [
                (node, slot)
                for node in nodes
                if node is not instance
                for slot, entry in enumerate(node["inputs"])
                if entry["link"] is None and not entry.get("widget")
            ]
            if free and self.rng.random() < 0.7:
                self.link(links, instance, out, *self.rng.choice(free))


def points(rng, links, extra):
    """Add reroute points to some links."""
    chosen = rng.sample(links, min(len(links), rng.randrange(3)))
    if chosen:
        numbers = [link[0] for link in chosen]
        last = {"id": 2, "pos": [10, 20.503], "parentId": 1, "linkIds": numbers}
        extra["reroutes"] = [{"id": 1, "pos": [5, 5], "linkIds": numbers}, last]
        extra["linkExtensions"] = [{"id": number, "parentId": 2} for number in numbers]


def seen(workflow):
    """Returns what a person sees of a workflow, with nodes by their places instead of by ids."""
    keys = {node["id"]: number for number, node in enumerate(sorted(workflow["nodes"], key=_place))}
    parts = [_node(node, keys, workflow) for node in workflow["nodes"]]
    extra = workflow.get("extra") or {}
    data = extra.get("linearData")
    data = data if data != extra.get("artgraph_app") else None  # chosen by nobody
    app = data and [
        [[keys[i], *rest] for i, *rest in data["inputs"]],
        [keys[i] for i in data["outputs"]],
    ]
    ends = {link[0]: (keys[link[3]], link[4]) for link in workflow["links"]}
    reroutes = sorted(
        (
            p["id"],
            p.get("parentId"),
            tuple(rounded(p["pos"])),
            sorted(ends[i] for i in p["linkIds"]),
        )
        for p in extra.get("reroutes", [])
    )
    through = sorted((ends[e["id"]], e["parentId"]) for e in extra.get("linkExtensions", []))
    groups = [
        {k: v for k, v in g.items() if v not in ({}, [])} | {"bounding": rounded(g["bounding"])}
        for g in workflow["groups"]
    ]
    return {
        "nodes": sorted(parts, key=repr),
        "links": sorted((keys[a], b, keys[c], d) for _, a, b, c, d, _ in workflow["links"]),
        "app": [extra.get("linearMode"), app],
        "renderer": extra.get("workflowRendererVersion"),
        "points": [reroutes, through],
        "groups": groups,
        "definitions": [
            _definition(d) for d in (workflow.get("definitions") or {"subgraphs": []})["subgraphs"]
        ],
    }


def _definition(definition):
    nodes = [
        {k: v for k, v in node.items() if k not in ("properties", "pos")}
        | {"size": rounded(node["size"])}
        for node in definition["nodes"]
    ]
    return definition | {"nodes": nodes}


def rounded(numbers):
    """Returns places or sizes as the graph file stores them: with at most one decimal."""
    return [round(float(number), 1) for number in numbers]


def _place(node):
    return (*rounded(node["pos"]), node["type"])


def _node(node, keys, workflow):
    wired = {slot["name"] for slot in node["inputs"] if slot.get("link") is not None}
    names = [slot["name"] for slot in node["inputs"] if slot.get("widget")]
    values = list(node.get("widgets_values") or [])
    if node["type"].startswith("Artgraph_"):
        kept, place = [], 0
        for name in names:
            kept.append(None if name in wired else values[place])
            place += 1
            if place < len(values) and values[place] in CONTROLS:
                kept.append(values[place])
                place += 1
        values = kept
    flags = {k: v for k, v in node["flags"].items() if v}
    size = rounded(node["size"])
    colors = (
        [node.get("color"), node.get("bgcolor")]
        if node["type"] not in ("Note", "MarkdownNote")
        else 0
    )
    return [
        keys[node["id"]],
        node["type"],
        node["title"].partition(" · ")[0],  # the type and the name of a node without a title
        node["mode"],
        flags,
        size,
        colors,
        values,
    ]
