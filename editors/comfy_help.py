"""Help pages and translations of the nodes, from their docstrings and a list of words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..nodes.contract import NodeSpec
from .comfy_forms import class_id, node_form
from .comfy_words import ZH


def help_page(spec: NodeSpec) -> str:
    """A node's help as Markdown."""
    form = node_form(spec)
    lines = [f"# {form.title}", "", spec.doc, ""]
    for title, sockets in (
        ("Inputs", [i for i in form.inputs if not i.is_widget]),
        ("Widgets", form.widgets),
    ):
        if sockets:
            lines += [f"## {title}", ""]
            lines += [f"- **{i.name}**: {i.options['tooltip']}" for i in sockets] + [""]
    lines += ["## Outputs", "", *(f"- **{o.name}**: {o.tooltip}" for o in form.outputs), ""]
    lines += [f"In a graph file: `node: {spec.id}`. Version {spec.version}.", ""]
    return "\n".join(lines)


def node_definitions(registry: Mapping[str, NodeSpec], words: Mapping[str, str]) -> dict[str, Any]:
    """What ComfyUI reads as `nodeDefs.json`; a text that `words` lacks stays as it is."""

    def told(text: str) -> str:
        return words.get(text, text)

    definitions = {}
    for spec in sorted(registry.values(), key=lambda spec: spec.id):
        form = node_form(spec)
        definitions[class_id(spec.id)] = {
            "display_name": told(form.title),
            "description": told(form.description),
            "inputs": {
                i.name: {"name": told(i.name), "tooltip": told(i.options["tooltip"])}
                for i in form.inputs
            },
            "outputs": {
                str(number): {"name": told(output.name), "tooltip": told(output.tooltip)}
                for number, output in enumerate(form.outputs)
            },
        }
    return definitions


LOCALES: dict[str, Mapping[str, str]] = {"en": {}, "zh": ZH}
