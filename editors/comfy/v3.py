"""ComfyUI's V3 classes, made from the registry. Importing this file fails if ComfyUI has no V3."""

from __future__ import annotations

import dataclasses
import inspect
import os
from typing import Any

from comfy_api.latest import ComfyAPI, ComfyExtension, io

from ...contract.registry import load_nodes
from ...contract.spec import NodeSpec
from ..formats.forms import InputForm, NodeForm, node_form
from . import run as comfy_run
from .strict import check_prompts
from .titles import comfy_title

_WIDGETS = {
    "INT": io.Int,
    "FLOAT": io.Float,
    "BOOLEAN": io.Boolean,
    "STRING": io.String,
    "COMBO": io.Combo,
}
_SCHEMA_FIELDS = {field.name for field in dataclasses.fields(io.Schema)}


class ComfyV3(io.ComfyNode):  # type: ignore[misc]
    """The base class of all V3 classes. `FORM` is the form of the node."""

    FORM: NodeForm

    @classmethod
    def define_schema(cls) -> Any:
        form = cls.FORM
        schema = {
            "node_id": form.class_id,
            "display_name": comfy_title(form.spec),
            "category": form.category,
            "description": form.description,
            "search_aliases": form.aliases,
            "is_output_node": form.saves or form.spec.shows,
            "has_intermediate_output": True,  # a reused node shows again what it has shown
            "inputs": [_input(entry) for entry in form.inputs],
            "outputs": [
                io.Custom(o.type).Output(display_name=o.name, tooltip=o.tooltip)
                for o in form.outputs
            ],
            "hidden": [io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id]
            if form.saves
            else [],
        }
        return io.Schema(**{name: part for name, part in schema.items() if name in _SCHEMA_FIELDS})

    @classmethod
    def validate_inputs(cls, **arguments: Any) -> bool:
        comfy_run.validate(cls.FORM.spec, arguments)
        return True

    @classmethod
    def fingerprint_inputs(cls, **arguments: Any) -> str:
        return comfy_run.fingerprint(cls.FORM.spec, arguments)

    @classmethod
    def execute(cls, **arguments: Any) -> Any:
        names = ("prompt", "extra_pnginfo", "unique_id")
        hidden = {name: getattr(cls.hidden, name) for name in names} if cls.FORM.saves else {}
        outcome = comfy_run.run_node(cls.FORM.spec, arguments, hidden)
        return io.NodeOutput(*outcome.values, ui=outcome.shown or None)


def _input(form: InputForm) -> Any:
    kind = _WIDGETS[form.type] if form.is_widget else io.Custom(form.type)
    options = dict(form.options)
    if "advanced" not in inspect.signature(kind.Input).parameters:
        options.pop("advanced", None)  # an older ComfyUI
    return kind.Input(form.name, optional=form.optional, **options)


def v3_class(spec: NodeSpec) -> type[ComfyV3]:
    """Returns the class of one node."""
    form = node_form(spec)
    return type(form.class_id, (ComfyV3,), {"__doc__": spec.doc, "FORM": form})


class Extension(ComfyExtension):  # type: ignore[misc]
    """All nodes of the registry."""

    async def on_load(self) -> None:
        """Check prompts strictly, and register the cache for other packs' nodes if it is on."""
        check_prompts()
        if os.environ.get("ARTGRAPH_COMFY_CACHE") == "1" and hasattr(ComfyAPI, "Caching"):
            from .cache_provider import register

            await register()

    async def get_node_list(self) -> list[type[ComfyV3]]:
        return [v3_class(spec) for spec in load_nodes().values()]
