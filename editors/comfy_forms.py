"""A node's form in ComfyUI: what its class is called, its inputs, widgets and outputs.

The V1 classes, the V3 classes, `object_info` and the conversion of graphs all read this one form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..nodes.contract import NodeSpec, Port, Widget

PREFIX = "Artgraph_"
_SAFE = 2**53 - 1  # the largest whole number that a browser keeps exact
_LONG = 1_000  # texts that may be longer get a box of several lines

# Ours by the name of the socket; the others are ARTGRAPH_ and that name. A number fits any widget
# that holds one, a text also a choice.
_CORE_TYPES = {"image": "IMAGE", "number": "INT,FLOAT,BOOLEAN", "text": "STRING,COMBO"}
_WIDGET_TYPES = {
    "int": "INT",
    "float": "FLOAT",
    "bool": "BOOLEAN",
    "text": "STRING",
    "choice": "COMBO",
    "file": "STRING",
    "folder": "STRING",
}


@dataclass(frozen=True)
class InputForm:
    """An input of a class: its ComfyUI type, and the options of its widget."""

    name: str
    type: str
    options: dict[str, Any]
    optional: bool
    is_widget: bool


@dataclass(frozen=True)
class OutputForm:
    """An output of a class."""

    name: str
    type: str
    tooltip: str


@dataclass(frozen=True)
class NodeForm:
    """All that ComfyUI knows of a node."""

    spec: NodeSpec
    class_id: str
    title: str
    category: str
    description: str
    aliases: list[str]
    inputs: list[InputForm]
    outputs: list[OutputForm]

    @property
    def saves(self) -> bool:
        """Whether it writes files, and so runs without anything that needs it."""
        return any(is_files(port) for port in self.spec.outputs.values())

    @property
    def widgets(self) -> list[InputForm]:
        """The inputs with a widget, in the order of a workflow's `widgets_values`."""
        return [form for form in self.inputs if form.is_widget]

    def input_types(self) -> dict[str, dict[str, Any]]:
        """What a V1 class returns from INPUT_TYPES."""
        types: dict[str, dict[str, Any]] = {"required": {}, "optional": {}}
        for form in self.inputs:
            group = "optional" if form.optional else "required"
            types[group][form.name] = (form.type, form.options)
        if self.saves:
            types["hidden"] = {
                "prompt": "PROMPT",
                "extra_pnginfo": "EXTRA_PNGINFO",
                "unique_id": "UNIQUE_ID",
            }
        return types


def class_id(node_id: str) -> str:
    """The name of a node's class in ComfyUI."""
    return PREFIX + node_id


def node_id(class_name: str) -> str | None:
    """The node of a class in ComfyUI, None where it is none of ours."""
    return class_name.removeprefix(PREFIX) if class_name.startswith(PREFIX) else None


def is_files(port: Port) -> bool:
    """Whether a port carries files for the output folder."""
    return port.sockets[0].name == "files"


def socket_type(port: Port) -> str:
    """The ComfyUI type of a port; several kinds stand as `A,B`."""
    names = [socket.name for socket in port.sockets]
    return ",".join(_CORE_TYPES.get(name, f"ARTGRAPH_{name.upper()}") for name in names)


def node_form(spec: NodeSpec, told: Callable[[str], str] = str) -> NodeForm:
    """The form of one node: sockets, then widgets, then sockets that may stay unwired.

    `told` says a text in another language; the names of inputs and outputs are left to the caller.
    """
    sockets = [
        InputForm(
            port.name, socket_type(port), {"tooltip": _about(port, told)}, port.optional, False
        )
        for port in spec.inputs.values()
    ]
    widgets = [
        InputForm(widget.name, widget_type(widget), _options(widget, told), False, True)
        for widget in spec.widgets.values()
    ]
    return NodeForm(
        spec=spec,
        class_id=class_id(spec.id),
        title=told(spec.title),
        category=f"artgraph/{spec.category}",
        description=told(spec.summary),
        aliases=[spec.id, spec.id.replace("_", " "), f"artgraph {spec.category}"],
        inputs=sorted([*sockets, *widgets], key=lambda form: form.optional),
        outputs=[
            OutputForm(port.name, socket_type(port), _about(port, told))
            for port in spec.outputs.values()
        ],
    )


def object_info(registry: Mapping[str, NodeSpec]) -> dict[str, Any]:
    """What ComfyUI's editor asks a server for: the definition of each class, JSON-ready."""
    return {class_id(spec.id): _definition(node_form(spec)) for spec in registry.values()}


def _definition(form: NodeForm) -> dict[str, Any]:
    types = form.input_types()
    hidden = {name: [kind] for name, kind in types.pop("hidden", {}).items()}
    groups = {group: {n: list(t) for n, t in inputs.items()} for group, inputs in types.items()}
    return {
        "name": form.class_id,
        "display_name": form.title,
        "description": form.description,
        "category": form.category,
        "search_aliases": form.aliases,
        "output_node": form.saves,
        "python_module": "custom_nodes.artgraph",
        "input": groups | ({"hidden": hidden} if hidden else {}),
        "input_order": {group: list(inputs) for group, inputs in groups.items()},
        "is_input_list": False,
        "output": [output.type for output in form.outputs],
        "output_name": [output.name for output in form.outputs],
        "output_tooltips": [output.tooltip for output in form.outputs],
        "output_is_list": [False] * len(form.outputs),
        "deprecated": False,
        "experimental": False,
    }


def _about(port: Port, told: Callable[[str], str]) -> str:
    names = told(" or ").join(told(socket.name).replace("_", " ") for socket in port.sockets)
    text = names + told(": ") + told("; ").join(told(socket.about) for socket in port.sockets)
    return text + told(" (may stay unwired)") if port.optional else text


def empty_number(widget: Widget) -> float | None:
    """The number that stands for nothing in ComfyUI, where a number can't be left empty.

    It is below all that the widget takes. None where the widget is no such number.
    """
    if not widget.nullable or widget.kind not in ("int", "float"):
        return None
    low: float = widget.limits.get("gt", widget.limits.get("ge", 1 - _SAFE) - 1)
    return low


def to_comfy(widget: Widget, value: Any) -> Any:
    """A widget's value as ComfyUI holds it; nothing is an empty text, or the empty number."""
    if value is None:
        number = empty_number(widget)
        return "" if number is None else number
    return json.dumps(value) if widget.nullable and widget.kind == "bool" else value


def from_comfy_value(widget: Widget, value: Any) -> Any:
    """A widget's value as we hold it."""
    if widget.nullable and (value == "" or is_empty_number(widget, value)):
        return None
    if widget.nullable and widget.kind == "bool" and value in ("true", "false"):
        return value == "true"
    return value


def is_empty_number(widget: Widget, value: Any) -> bool:
    """Whether a number is below all that the widget takes."""
    if empty_number(widget) is None or type(value) not in (int, float):
        return False
    limits = widget.limits
    return bool(value < limits["ge"] if "ge" in limits else value <= limits.get("gt", 1 - _SAFE))


def widget_type(widget: Widget) -> str:
    """The ComfyUI type of a widget."""
    return "COMBO" if widget.nullable and widget.kind == "bool" else _WIDGET_TYPES[widget.kind]


def _options(widget: Widget, told: Callable[[str], str]) -> dict[str, Any]:
    """Default, bounds and tooltip of a widget."""
    options: dict[str, Any] = {"tooltip": _help(widget, told)}
    if widget_type(widget) == "COMBO":
        nothing = [""] if widget.nullable else []
        options |= {"options": nothing + list(widget.choices or ("true", "false"))}
        options["default"] = to_comfy(widget, widget.default)
    elif widget.kind == "bool":
        options["default"] = bool(widget.default)
    elif widget.kind in ("int", "float"):
        options |= _bounds(widget)
        empty = empty_number(widget)
        if empty is not None:
            options |= {"min": empty}
            options["tooltip"] += told(" ({:g} is empty)").format(empty)
    else:
        options["default"] = "" if widget.required else widget.default or ""
        options["multiline"] = widget.limits.get("max_length", 0) >= _LONG
        if widget.kind in ("file", "folder"):
            options["placeholder"] = f"{widget.kind} in the input folder"
    return options


def _help(widget: Widget, told: Callable[[str], str]) -> str:
    """The tooltip of a widget: what it is for, and a line for each choice that is described."""
    choices = (f"{value}{told(': ')}{told(line)}" for value, line in widget.lines.items())
    return "\n".join([told(widget.description), *choices])


def _bounds(widget: Widget) -> dict[str, Any]:
    limits = widget.limits
    whole = widget.kind == "int"
    low = limits.get("ge", limits.get("gt", -_SAFE))
    high = limits.get("le", limits.get("lt", _SAFE))
    if whole:
        low += "gt" in limits
        high -= "lt" in limits
        step: float = limits.get("multiple_of", 1)
    else:
        step = 0.01 if high - low <= 10 else 0.1
    options = {"default": to_comfy(widget, widget.default), "min": low, "max": high, "step": step}
    if widget.is_seed:
        options["control_after_generate"] = "fixed"  # a new seed each time would train anew
    if not whole:
        options["round"] = False
    return options
