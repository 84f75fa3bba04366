"""ComfyUI's V1 classes, made from the registry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...contract.registry import load_nodes
from ...contract.spec import NodeSpec
from ..formats.forms import NodeForm, node_form
from . import run as comfy_run
from .folders import add_model_folder, inputs_of
from .routes import add_routes
from .strict import check_prompts
from .titles import comfy_title

HIDDEN = ("prompt", "extra_pnginfo", "unique_id")


class ComfyV1:
    """The base class of all V1 classes. `FORM` is the form of the node."""

    FORM: NodeForm
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's names
        types = replace(cls.FORM, inputs=inputs_of(cls.FORM)).input_types()
        if comfy_run.sees_prompt(cls.FORM.spec):
            types["hidden"] = {name: name.upper() for name in HIDDEN}
        return types

    @classmethod
    def VALIDATE_INPUTS(cls, **arguments: Any) -> bool:  # noqa: N802
        comfy_run.validate(cls.FORM.spec, arguments)
        return True

    @classmethod
    def IS_CHANGED(cls, **arguments: Any) -> str:  # noqa: N802
        return comfy_run.fingerprint(cls.FORM.spec, arguments)

    def run(self, **arguments: Any) -> dict[str, Any]:
        names = HIDDEN if comfy_run.sees_prompt(self.FORM.spec) else ()
        hidden = {name: arguments.pop(name, None) for name in names}
        outcome = comfy_run.run_node(self.FORM.spec, arguments, hidden)
        shown = {"ui": outcome.shown} if any(outcome.shown.values()) else {}
        return {**shown, "result": outcome.values}


def v1_class(spec: NodeSpec) -> type[ComfyV1]:
    """Returns the class of one node."""
    form = node_form(spec)
    members = {
        "__doc__": spec.doc,
        "FORM": form,
        "CATEGORY": form.category,
        "DESCRIPTION": form.description,
        "SEARCH_ALIASES": form.aliases,
        "RETURN_TYPES": tuple(output.type for output in form.outputs),
        "RETURN_NAMES": tuple(output.name for output in form.outputs),
        "OUTPUT_TOOLTIPS": tuple(output.tooltip for output in form.outputs),
        "OUTPUT_NODE": form.saves or form.spec.shows,
        "HAS_INTERMEDIATE_OUTPUT": True,  # a reused node shows again what it has shown
    }
    return type(form.class_id, (ComfyV1,), members)


def mappings() -> dict[str, type[ComfyV1]]:
    """Returns NODE_CLASS_MAPPINGS."""
    check_prompts()
    add_model_folder()
    add_routes()
    return {cls.FORM.class_id: cls for cls in map(v1_class, load_nodes().values())}


def display_names() -> dict[str, str]:
    """Returns NODE_DISPLAY_NAME_MAPPINGS."""
    return {name: comfy_title(cls.FORM.spec) for name, cls in mappings().items()}
