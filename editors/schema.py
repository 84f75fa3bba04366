"""The JSON Schema of graph files, made from the registry: editors complete and check by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..nodes.contract import NodeSpec, Widget
from ..runner.document import FORMAT

_NAME = "^(?!knobs$)[A-Za-z_][A-Za-z0-9_-]{0,99}(/[A-Za-z_][A-Za-z0-9_-]{0,99})*$"
_SCALAR = {"type": ["string", "number", "boolean"]}
_TYPES = {"int": "integer", "float": "number", "bool": "boolean"}
_LIMITS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
}


def graph_schema(registry: Mapping[str, NodeSpec]) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a graph file over these nodes."""
    text = {"type": "string"}
    knob = {
        "type": "object",
        "properties": {"value": _SCALAR, "about": text},
        "required": ["value"],
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "artgraph graph",
        "type": "object",
        "required": ["artgraph", "nodes"],
        "additionalProperties": False,
        "properties": {
            "artgraph": {"const": FORMAT, "description": "Version of the format"},
            "title": text,
            "about": text,
            "author": text,
            "license": text,
            "links": {"type": ["array", "string"], "items": text},
            "tags": {"type": ["array", "string"], "items": text},
            "layout": {"type": "object", "description": "Where an editor draws things"},
            "knobs": {
                "description": "What a user is meant to turn",
                "type": "object",
                "additionalProperties": {"anyOf": [_SCALAR, knob]},
            },
            "nodes": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": _NAME},
                "additionalProperties": {
                    "type": "object",
                    "required": ["node"],
                    "properties": {
                        "node": {
                            "anyOf": [
                                {"enum": sorted(registry)},
                                {
                                    "pattern": r"\.ya?ml$",
                                    "description": "The file of a graph that stands here",
                                },
                            ]
                        }
                    },
                    "allOf": [_when(spec) for _, spec in sorted(registry.items())],
                },
            },
        },
    }


def _when(spec: NodeSpec) -> dict[str, Any]:
    """If a node is of this type, then its wires and values are these."""
    return {
        "if": {"properties": {"node": {"const": spec.id}}},
        "then": _node(spec),
    }


def _node(spec: NodeSpec) -> dict[str, Any]:
    wire = {"type": "string", "description": "node, node.output or knobs.name"}
    required = [name for name, port in spec.inputs.items() if not port.optional]
    wires: dict[str, Any] = {
        "type": "object",
        "properties": dict.fromkeys([*spec.inputs, *spec.widgets], wire),
        "additionalProperties": False,
    }
    if required:
        wires["required"] = required
    values = {
        "type": "object",
        "properties": {name: widget_schema(w) for name, w in spec.widgets.items()},
        "additionalProperties": False,
    }
    return {
        "description": spec.summary,
        "properties": {
            "node": {"const": spec.id},
            "about": {"type": "string"},
            "from": wires,
            "with": values,
        },
        "required": ["node", "from"] if required else ["node"],
        "additionalProperties": False,
    }


def widget_schema(widget: Widget) -> dict[str, Any]:
    """The JSON Schema of one widget's value."""
    schema: dict[str, Any] = {"description": "\n".join([widget.description, *widget.choice_lines])}
    if widget.kind == "choice":
        schema["enum"] = list(widget.choices)
    else:
        schema["type"] = _TYPES.get(widget.kind, "string")
    schema |= {_LIMITS[name]: limit for name, limit in widget.limits.items()}
    if not widget.required and widget.default is not None:
        schema["default"] = widget.default
    return schema
