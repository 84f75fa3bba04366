"""Strict values before ComfyUI's loose conversion: `"false"` is not true, 3.9 not 3.

ComfyUI converts a prompt's values, then has them checked. So ours are checked when a prompt
arrives; a wrong value is replaced by one that can't be converted, which ComfyUI reports at its
input, with our words.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NoReturn

from ..nodes.contract import NodeSpec
from .comfy_forms import from_comfy_value, node_id, widget_type
from .convert_api import is_link


class Refused(str):
    """A wrong value; converting it says what is wrong."""

    message: str

    def _refuse(self) -> NoReturn:
        raise ValueError(self.message)

    __bool__ = __int__ = __float__ = _refuse


def make_strict(data: Any, registry: Mapping[str, NodeSpec]) -> Any:
    """A request to run a prompt, as it comes to ComfyUI's server, with wrong values marked."""
    prompt = data.get("prompt") if isinstance(data, dict) else None
    for node in prompt.values() if isinstance(prompt, dict) else ():
        spec = registry.get(node_id(str(node.get("class_type"))) or "")
        inputs = node.get("inputs")
        if spec is not None and isinstance(inputs, dict):
            _mark(spec, inputs)
    return data


def _mark(spec: NodeSpec, inputs: dict[str, Any]) -> None:
    given = {
        name: from_comfy_value(widget, inputs[name])
        for name, widget in spec.widgets.items()
        if name in inputs and not is_link(inputs[name])
    }
    _, wrong = spec.check(given)
    for problem in wrong:
        name = problem.subject or ""
        if name in given and widget_type(spec.widgets[name]) in ("INT", "FLOAT", "BOOLEAN"):
            inputs[name] = refused = Refused(given[name])
            refused.message = problem.message


@cache
def watch() -> None:
    """From now on, check every prompt that comes to ComfyUI's server; without one, nothing."""
    try:
        from server import PromptServer

        from ..nodes.registry import load_nodes

        handle = PromptServer.instance.add_on_prompt_handler
    except (ImportError, AttributeError):
        return
    handle(lambda data: make_strict(data, load_nodes()))
