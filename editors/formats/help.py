"""Help pages and translations of the nodes, from their docstrings and a file of translations."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...contract.spec import NodeSpec
from .forms import InputForm, NodeForm, class_id, node_form

WORDS = Path(__file__).parents[1] / "comfy" / "words_zh.json"  # English to Chinese
_FIRST = 3  # settings at the top of a help page


def help_page(spec: NodeSpec, translate: Callable[[str], str] = str) -> str:
    """Returns a node's help as Markdown.

    What everybody needs is at the top: what the node is for, and the settings to turn first. The
    rest is folded.
    """
    form = node_form(spec, translate)
    about, *more = [part for part in spec.doc.split("\n\n") if not part.startswith("Raises:")]
    if translate is not str:
        about, more = form.description, []
    first = _first_settings(form)
    lines = [f"# {form.title}", "", about, ""]
    if first:
        lines += [
            f"**{translate('Turn this first')}**",
            "",
            *(_lines_of(i, spec, translate) for i in first),
            "",
        ]
    lines += ["<details>", f"<summary>{translate('More')}</summary>", ""]
    lines += [line for part in more for line in (part, "")]
    for title, inputs in (
        ("Inputs", [i for i in form.inputs if not i.is_widget]),
        ("All settings", form.widgets if len(form.widgets) > len(first) else []),
    ):
        if inputs:
            listed = [_lines_of(i, spec, translate) for i in inputs]
            lines += [f"## {translate(title)}", "", *listed, ""]
    outputs = [(translate(o.name), o.tooltip) for o in form.outputs]
    outputs = [(n, text.removeprefix(f"{n}{translate(': ')}")) for n, text in outputs]
    lines_out = [f"- **{name}**: {text}" for name, text in outputs]
    lines += [f"## {translate('Outputs')}", "", *lines_out, "", "</details>", ""]
    lines += [f"`node: {spec.id}`", ""]
    return "\n".join(lines)


def _first_settings(form: NodeForm) -> list[InputForm]:
    """Returns the settings to turn first: the length of a training, then those as declared."""
    widgets = [w for w in form.widgets if not w.options.get("advanced")]
    length = form.spec.length
    seeds = {w.name for w in form.spec.widgets.values() if w.is_seed}
    ranked = sorted(widgets, key=lambda w: (w.name != length, w.name in seeds))
    return ranked[:_FIRST]


def _lines_of(form: InputForm, spec: NodeSpec, translate: Callable[[str], str]) -> str:
    name = input_name(form.name, spec, translate)
    text, *more = form.options["tooltip"].removeprefix(f"{name}{translate(': ')}").split("\n")
    return "\n".join([f"- **{name}**: {text}", *(f"  - {line}" for line in more)])


def input_name(name: str, spec: NodeSpec, translate: Callable[[str], str]) -> str:
    """Returns the translated name of an input.

    Two nodes may use a word in two meanings, which another language has two words for. What is
    translated is then "cells (draw_mask)".
    """
    own = f"{name} ({spec.id})"
    return translate(name if translate is str or own not in ZH else own)


def node_definitions(
    registry: Mapping[str, NodeSpec], translate: Callable[[str], str]
) -> dict[str, Any]:
    """Returns the content of a `nodeDefs.json`, in the language of `translate`.

    ComfyUI's editor reads names and tooltips from this file. The choices of a widget are not
    translated, except in its tooltip.
    """
    definitions = {}
    for spec in sorted(registry.values(), key=lambda spec: spec.id):
        form = node_form(spec, translate)
        definitions[class_id(spec.id)] = {
            "display_name": form.title,
            "description": form.description,
            "inputs": {
                i.name: {
                    "name": input_name(i.name, spec, translate),
                    "tooltip": i.options["tooltip"],
                }
                for i in form.inputs
            },
            "outputs": {
                str(number): {"name": translate(output.name), "tooltip": output.tooltip}
                for number, output in enumerate(form.outputs)
            },
        }
    return definitions


def category_names(
    registry: Mapping[str, NodeSpec], translate: Callable[[str], str]
) -> dict[str, str]:
    """Returns the names of the categories of nodes, as the editor's tree of nodes shows them.

    The name of a category is also a name of other things, such as the output `train`, so what is
    translated is "train (category)".
    """
    parts = {part for spec in registry.values() for part in spec.category.split("/")}
    texts = {part: f"{part} (category)" for part in sorted(parts)}
    translated = {part: translate(text) for part, text in texts.items()}
    return {part: part if name == texts[part] else name for part, name in translated.items()}


def translatable_texts(registry: Mapping[str, NodeSpec]) -> list[str]:
    """Returns each text that needs a translation, once. Names of one letter do not need one."""
    texts: dict[str, None] = {}

    def collect(text: str) -> str:
        texts[text] = None
        return text

    node_definitions(registry, collect)
    category_names(registry, collect)
    for spec in registry.values():
        help_page(spec, collect)
    return [text for text in texts if len(text) > 1]


def in_chinese(text: str) -> str:
    """Returns the text in Chinese, or unchanged if there is no translation."""
    return ZH.get(text, text)


ZH: dict[str, str] = json.loads(WORDS.read_text(encoding="utf-8"))
LOCALES: dict[str, Callable[[str], str]] = {"en": str, "zh": in_chinese}
