"""The form of a node in ComfyUI: the name of its class, its inputs, widgets and outputs.

The V1 classes, the V3 classes, `object_info` and the conversion of graphs all use this one form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...contract.parameter import Widget
from ...contract.signature import Port
from ...contract.spec import NodeSpec

PREFIX = "Artgraph_"
_SAFE = 2**53 - 1  # largest integer that JavaScript represents exactly
_LONG = 1_000  # texts that may have this many characters get a box with several lines

# ComfyUI's types for our sockets, by the socket's name. The type of any other socket is ARTGRAPH_
# and its name. A number can be wired to any widget with a number, a text also to a choice.
_CORE_TYPES = {
    "image": "IMAGE",
    "mask": "MASK",
    "number": "INT,FLOAT,BOOLEAN",
    "text": "STRING,COMBO",
}
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

    def accepts(self, kind: Any) -> bool:
        """Returns whether a wire of a type fits. A list of paths accepts a text, too.

        kind: as in ComfyUI: names with commas between, or a list of choices.
        """
        found = set(kind.split(",")) if isinstance(kind, str) else {"COMBO"}
        wanted = set(self.type.split(",")) | (
            {"STRING"} if self.options.get("artgraph_paths") else set()
        )
        return bool(found & (wanted | {"*", "COMFY_MATCHTYPE_V3"}))


@dataclass(frozen=True)
class OutputForm:
    """An output of a class."""

    name: str
    type: str
    tooltip: str


@dataclass(frozen=True)
class NodeForm:
    """Everything that ComfyUI needs to show a node."""

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
        """Whether the node writes files, and therefore runs even if no other node needs it."""
        return any(carries_files(port) for port in self.spec.outputs.values())

    @property
    def widgets(self) -> list[InputForm]:
        """The inputs with a widget, in the order of a workflow's `widgets_values`."""
        return [form for form in self.inputs if form.is_widget]

    def input_types(self) -> dict[str, dict[str, Any]]:
        """Returns what a V1 class returns from INPUT_TYPES."""
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
    """Returns the name of a node's class in ComfyUI."""
    return PREFIX + node_id


def node_id(class_name: str) -> str | None:
    """Returns the node's id for the name of a class in ComfyUI; None if it is not one of ours."""
    return class_name.removeprefix(PREFIX) if class_name.startswith(PREFIX) else None


def carries_files(port: Port) -> bool:
    """Returns whether a port carries files for the output folder."""
    return port.sockets[0].name == "files"


def socket_type(port: Port) -> str:
    """Returns the ComfyUI type of a port. Several types are written as `A,B`."""
    names = [socket.name for socket in port.sockets]
    return ",".join(_CORE_TYPES.get(name, f"ARTGRAPH_{name.upper()}") for name in names)


def node_form(spec: NodeSpec, translate: Callable[[str], str] = str) -> NodeForm:
    """Returns the form of one node: required sockets, then widgets, then optional sockets.

    `translate` translates a text. The names of inputs and outputs are not translated here.
    """
    sockets = [
        InputForm(
            port.name,
            socket_type(port),
            {"tooltip": _socket_tooltip(port, translate)},
            port.optional,
            False,
        )
        for port in spec.inputs.values()
    ]
    widgets = [
        InputForm(widget.name, widget_type(widget), _options(widget, translate), False, True)
        for widget in spec.widgets.values()
    ]
    return NodeForm(
        spec=spec,
        class_id=class_id(spec.id),
        title=translate(spec.title),
        category=f"artgraph/{spec.category}",
        description=_plain(translate(spec.summary)),
        aliases=[*spec.search_words, f"artgraph {spec.category}"],
        inputs=sorted([*sockets, *widgets], key=lambda form: form.optional),
        outputs=[
            OutputForm(port.name, socket_type(port), _socket_tooltip(port, translate))
            for port in spec.outputs.values()
        ],
    )


def object_info(registry: Mapping[str, NodeSpec]) -> dict[str, Any]:
    """Returns the definitions of all classes, as ComfyUI's server sends them to its editor."""
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
        "output_node": form.saves or form.spec.shows,
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


def _socket_tooltip(port: Port, translate: Callable[[str], str]) -> str:
    names = translate(" or ").join(
        translate(socket.name).replace("_", " ") for socket in port.sockets
    )
    text = (
        names
        + translate(": ")
        + translate("; ").join(translate(socket.about) for socket in port.sockets)
    )
    text += translate(" (may stay unwired)") if port.optional else ""
    return _plain(f"{translate(port.about)}\n{text}" if port.about else text)


def _plain(text: str) -> str:
    """Returns a text without the marks of code, which ComfyUI shows as they are."""
    return text.replace("`", "")


def empty_number(widget: Widget) -> float | None:
    """Returns the number that means "empty" in ComfyUI, which has no empty number widgets.

    The number is below the range of the widget. Returns None if the widget is not a number or
    can't be empty.
    """
    if not widget.nullable or widget.kind not in ("int", "float"):
        return None
    low: float = widget.limits.get("gt", widget.limits.get("ge", 1 - _SAFE) - 1)
    return low


def to_comfy_value(widget: Widget, value: Any) -> Any:
    """Returns a widget's value as ComfyUI represents it; None is `""` or the empty number."""
    if value is None:
        number = empty_number(widget)
        return "" if number is None else number
    return json.dumps(value) if widget.nullable and widget.kind == "bool" else value


def from_comfy_value(widget: Widget, value: Any) -> Any:
    """Returns a widget's value as artgraph represents it. The inverse of `to_comfy_value`."""
    if widget.nullable and (value == "" or is_empty_number(widget, value)):
        return None
    if widget.nullable and widget.kind == "bool" and value in ("true", "false"):
        return value == "true"
    return value


def is_empty_number(widget: Widget, value: Any) -> bool:
    """Returns whether a number is below the range of a widget that can be empty."""
    if empty_number(widget) is None or type(value) not in (int, float):
        return False
    limits = widget.limits
    return bool(value < limits["ge"] if "ge" in limits else value <= limits.get("gt", 1 - _SAFE))


def widget_type(widget: Widget) -> str:
    """Returns the ComfyUI type of a widget."""
    return "COMBO" if widget.nullable and widget.kind == "bool" else _WIDGET_TYPES[widget.kind]


def _options(widget: Widget, translate: Callable[[str], str]) -> dict[str, Any]:
    """Returns the default, the bounds and the tooltip of a widget."""
    options: dict[str, Any] = {"tooltip": _widget_tooltip(widget, translate)}
    if widget.is_advanced:
        options["advanced"] = True
    if widget.chosen_of is not None:
        options["chosen_of"] = widget.chosen_of
    if widget_type(widget) == "COMBO":
        empty_choice = [""] if widget.nullable else []
        options |= {"options": empty_choice + list(widget.choices or ("true", "false"))}
        options["default"] = to_comfy_value(widget, widget.default)
    elif widget.kind == "bool":
        options["default"] = bool(widget.default)
    elif widget.kind in ("int", "float"):
        options |= _bounds(widget)
        empty = empty_number(widget)
        if empty is not None:
            options |= {"min": empty}
            options["tooltip"] += translate(" ({:g} is empty)").format(empty)
    else:
        options["default"] = "" if widget.required else widget.default or ""
        options["multiline"] = widget.limits.get("max_length", 0) >= _LONG
        if widget.kind in ("file", "folder"):
            options["placeholder"] = f"{widget.kind} in the input folder"
    return options


def _widget_tooltip(widget: Widget, translate: Callable[[str], str]) -> str:
    """Returns the description of a widget, and a line for each choice that has a description."""
    choices = (f"{value}{translate(': ')}{translate(line)}" for value, line in widget.lines.items())
    return _plain("\n".join([translate(widget.description), *choices]))


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
    options = {
        "default": to_comfy_value(widget, widget.default),
        "min": low,
        "max": high,
        "step": step,
    }
    if widget.is_seed:
        options["control_after_generate"] = "fixed"  # a new seed in each run would train again
    if not whole:
        options["round"] = False
    return options
