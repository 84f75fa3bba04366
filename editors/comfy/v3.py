"""ComfyUI's V3 classes, made from the registry. Importing this file fails if ComfyUI has no V3."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

from comfy_api.latest import ComfyAPI, ComfyExtension, io

from ...contract.registry import load_nodes
from ...contract.signature import Port
from ...contract.spec import NodeSpec
from ..formats.forms import InputForm, NodeForm, OutputForm, node_form, socket_type
from . import run as comfy_run
from .folders import add_model_folder, inputs_of
from .routes import add_routes
from .strict import check_prompts
from .titles import comfy_title

_WIDGETS = {
    "INT": io.Int,
    "FLOAT": io.Float,
    "BOOLEAN": io.Boolean,
    "STRING": io.String,
    "COMBO": io.Combo,
}
_HIDDEN = ("prompt", "extra_pnginfo", "unique_id")
_SCHEMA_FIELDS = {field.name for field in dataclasses.fields(io.Schema)}
_SENDS_AGAIN = "has_intermediate_output" in _SCHEMA_FIELDS  # also null, if a node showed nothing


class ComfyV3(io.ComfyNode):  # type: ignore[misc]
    """The base class of all V3 classes. `FORM` is the form of the node."""

    FORM: NodeForm

    @classmethod
    def define_schema(cls) -> Any:
        form = cls.FORM
        templates = _templates(form.spec)

        def template_of(ports: Mapping[str, Port], entry: InputForm | OutputForm) -> Any:
            port = ports.get(entry.name)
            return templates.get(port.variable or "") if port is not None else None

        schema = {
            "node_id": form.class_id,
            "display_name": comfy_title(form.spec),
            "category": form.category,
            "description": form.description,
            "search_aliases": form.aliases,
            "is_output_node": form.saves or form.spec.shows,
            "has_intermediate_output": True,  # a reused node shows again what it has shown
            "inputs": [_input(e, template_of(form.spec.inputs, e)) for e in inputs_of(form)],
            "outputs": [_output(e, template_of(form.spec.outputs, e)) for e in form.outputs],
            "hidden": [io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id]
            if comfy_run.sees_prompt(form.spec)
            else [],
        }
        return io.Schema(**{name: part for name, part in schema.items() if name in _SCHEMA_FIELDS})

    @classmethod
    def validate_inputs(cls, **arguments: Any) -> bool | str:
        comfy_run.validate(cls.FORM.spec, arguments)
        return True

    @classmethod
    def fingerprint_inputs(cls, **arguments: Any) -> str:
        return comfy_run.fingerprint(cls.FORM.spec, arguments)

    @classmethod
    def execute(cls, **arguments: Any) -> Any:
        names = _HIDDEN if comfy_run.sees_prompt(cls.FORM.spec) else ()
        hidden = {name: getattr(cls.hidden, name) for name in names}
        outcome = comfy_run.run_node(cls.FORM.spec, arguments, hidden)
        is_shown = _SENDS_AGAIN or any(outcome.shown.values())
        return io.NodeOutput(*outcome.values, ui=outcome.shown if is_shown else None)


class ComfyV3WithPaths(ComfyV3):
    """The base class of the nodes that have a path, which ComfyUI's page shows as a list."""

    @classmethod
    def validate_inputs(
        cls, input_types: Mapping[str, Any] | None = None, **arguments: Any
    ) -> bool | str:
        """Check the values, and the types of wires: a text can be wired to a path.

        input_types: the types of what is wired, by input. Because of this parameter, ComfyUI does
                     not check them itself.
        """
        for entry in inputs_of(cls.FORM):
            kind = (input_types or {}).get(entry.name)
            if kind is not None and not entry.accepts(kind):
                return f"the wire to {entry.name} carries {kind}, which does not fit"
        return super().validate_inputs(**arguments)


def _templates(spec: NodeSpec) -> dict[str, Any]:
    """Returns templates for the inputs and outputs that always have the same kind, by variable.

    Older versions of ComfyUI have no such templates, or write their types as one word.
    """
    ports = [port for port in (*spec.inputs.values(), *spec.outputs.values()) if port.variable]
    counts = Counter(port.variable for port in ports)
    types = {port.variable or "": socket_type(port).split(",") for port in ports}
    return {
        name: io.MatchType.Template(name, [io.Custom(kind) for kind in kinds])
        for name, kinds in types.items()
        if _HAS_TEMPLATES and counts[name] > 1
    }


def _has_templates() -> bool:
    if not hasattr(io, "MatchType"):
        return False
    template = io.MatchType.Template("t", [io.Custom("A"), io.Custom("B")])
    return str(template.as_dict()["allowed_types"]) == "A,B"


_HAS_TEMPLATES = _has_templates()


def _input(form: InputForm, template: Any) -> Any:
    options = dict(form.options)
    if template is not None:
        return io.MatchType.Input(form.name, template, optional=form.optional, **options)
    kind = _WIDGETS[form.type] if form.is_widget else io.Custom(form.type)
    known = inspect.signature(kind.Input).parameters
    others = {name: options.pop(name) for name in list(options) if name not in known}
    made = kind.Input(form.name, optional=form.optional, **options)
    others.pop("advanced", None)  # an older ComfyUI
    if others:
        made.extra_dict = others
    return made


def _output(form: OutputForm, template: Any) -> Any:
    about = {"display_name": form.name, "tooltip": form.tooltip}
    if template is not None:
        return io.MatchType.Output(template=template, **about)
    return io.Custom(form.type).Output(**about)


def v3_class(spec: NodeSpec) -> type[ComfyV3]:
    """Returns the class of one node."""
    form = node_form(spec)
    has_paths = any(widget.is_path for widget in spec.widgets.values())
    base = ComfyV3WithPaths if has_paths else ComfyV3
    return type(form.class_id, (base,), {"__doc__": spec.doc, "FORM": form})


class Extension(ComfyExtension):  # type: ignore[misc]
    """All nodes of the registry."""

    async def on_load(self) -> None:
        """Register the cache for other packs' nodes if it is on. Old versions never call this."""
        if os.environ.get("ARTGRAPH_COMFY_CACHE") == "1" and hasattr(ComfyAPI, "Caching"):
            from .cache_provider import register

            await register()

    async def get_node_list(self) -> list[type[ComfyV3]]:
        """Returns all nodes, after preparing what they need of ComfyUI."""
        check_prompts()
        add_model_folder()
        add_routes()
        return [v3_class(spec) for spec in load_nodes().values()]
