"""The JSON Schema of graph files, made from the registry. Text editors use it to check files.

The schema accepts what `artgraph validate` accepts. It can't check whether the nodes, outputs,
knobs and files that a graph names exist. It checks muted nodes too, which `validate` does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract.spec import NodeSpec
from ...runner.graph.document import ABOUT, FORMAT, MODES
from ...runner.graph.names import NAME, NODE_NAME

Schema = dict[str, Any]

_SCALAR = ["string", "number", "boolean"]
_WIRE = {"type": "string", "description": "node, node.output or knobs.name"}
_INPUT_WIRE = {
    "type": "string",
    "pattern": r"^(?!knobs(\.|$))",
    "description": "node or node.output",
}


def graph_schema(registry: Mapping[str, NodeSpec]) -> Schema:
    """Returns the JSON Schema (draft 2020-12) of graph files that use these nodes."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "artgraph graph",
        "type": "object",
        "required": ["artgraph", "nodes"],
        "additionalProperties": False,
        "properties": {
            "artgraph": {"const": FORMAT, "description": "Version of the format"},
            **dict.fromkeys(ABOUT, True),
            "layout": {"description": "How an editor shows the graph"},
            "knobs": {
                "description": "The settings that the graph exposes",
                "type": ["object", "null"],
                "propertyNames": {"pattern": f"^{NAME.pattern}$"},
                "additionalProperties": _knob(),
            },
            "nodes": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": f"^(?!knobs$){NODE_NAME.pattern}$"},
                "additionalProperties": _any_node(registry),
            },
        },
    }


def _knob() -> Schema:
    return {
        "type": [*_SCALAR, "object"],
        "properties": {"value": {"type": _SCALAR}, "about": True},
        "required": ["value"],
        "additionalProperties": False,
    }


def _any_node(registry: Mapping[str, NodeSpec]) -> Schema:
    file = {"pattern": r"\.ya?ml$", "description": "The file of a graph to insert here"}
    kinds = [({"const": spec.id}, _node(spec)) for _, spec in sorted(registry.items())]
    return {
        "type": "object",
        "required": ["node"],
        "properties": {"node": {"type": "string", "anyOf": [{"enum": sorted(registry)}, file]}},
        "allOf": [
            {"if": {"required": ["node"], "properties": {"node": kind}}, "then": then}
            for kind, then in [*kinds, (file, _inner_graph())]
        ],
    }


def _inner_graph() -> Schema:
    """Returns the schema of a node that is a graph. It accepts the name of any knob or node."""
    return _parts(
        {"type": ["object", "null"], "additionalProperties": _WIRE},
        {"type": ["object", "null"], "additionalProperties": {"type": [*_SCALAR, "null"]}},
    )


def _node(spec: NodeSpec) -> Schema:
    required = [name for name, port in spec.inputs.items() if not port.optional]
    wires = {
        "type": "object" if required else ["object", "null"],
        "properties": dict.fromkeys(spec.inputs, _INPUT_WIRE) | dict.fromkeys(spec.widgets, _WIRE),
        "required": required,
        "additionalProperties": False,
    }
    values = {
        "type": ["object", "null"],
        "properties": _values(spec),
        "additionalProperties": False,
    }
    rules = [_wire_or_value(name, widget.required) for name, widget in spec.widgets.items()]
    return {
        "description": spec.summary,
        **_parts(wires, values),
        "required": ["node", "from"] if required else ["node"],
        **({"allOf": rules} if rules else {}),
    }


def _parts(wires: Schema, values: Schema) -> Schema:
    return {
        "properties": {
            "node": True,
            "about": True,
            "mode": {
                "description": "muted: it does not run; bypassed: it passes its input on",
                "enum": [*MODES, None],
            },
            "from": wires,
            "with": values,
        },
        "additionalProperties": False,
    }


def _values(spec: NodeSpec) -> Schema:
    """Returns the schema of each widget's value, taken from the node's pydantic model."""
    properties: Schema = spec.model.model_json_schema().get("properties", {})
    for name, widget in spec.widgets.items():
        properties[name]["description"] = "\n".join([widget.description, *widget.choice_lines])
        if widget.nullable:
            properties[name]["anyOf"].append({"const": ""})  # an empty field of a form
    return properties


def _wire_or_value(name: str, required: bool) -> Schema:
    """Returns the rule that a widget has a wire or a value, but not both."""
    wired, valued = (
        {"required": [part], "properties": {part: {"type": "object", "required": [name]}}}
        for part in ("from", "with")
    )
    return {"oneOf": [wired, valued]} if required else {"not": {"allOf": [wired, valued]}}
