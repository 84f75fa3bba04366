"""Finding out which network a state dict is of, and renaming its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from .layers import folded
from .sources import IGNORED, SOURCES, Source

State = Mapping[str, Tensor]

# Dicts in which trainings wrap their weights, the better ones first, and prefixes of their names.
_WRAPPED = ("state_dict_ema", "model_ema", "state_dict", "model", "teacher")
_PREFIXES = ("module.", "model.", "backbone.")
_LEAVES = r"(?:\.(weight|bias|running_mean|running_var))?"


def unwrapped(found: object) -> dict[str, Tensor]:
    """Returns the state dict that a file contains.

    Raises: ValueError if there is none.
    """
    for name in _WRAPPED:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
    if not isinstance(found, Mapping) or not found:
        raise ValueError("there are no weights")
    if other := [k for k, v in found.items() if not isinstance(k, str) or not torch.is_tensor(v)]:
        raise ValueError(f"{other[0]!r:.80} is not a tensor")
    state = dict(found)
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return _with_stages(state)


def find_source(state: State) -> Source | None:
    """Returns the kind of a state dict, or None if artgraph has no network for it."""
    return next((s for s in SOURCES if all(name in state for name in s.signature)), None)


def renamed(state: State, source: Source, eps: float) -> dict[str, Tensor]:
    """Returns float32 weights under our names, with batch norms folded into convolutions.

    eps: number that the batch norms add to the variance.
    Raises: ValueError for a name that no rule replaces, and for a batch norm that is not complete.
    """
    rules = [
        (re.compile(_pattern(theirs) + _LEAVES), ours.split(".")) for theirs, ours in source.rules
    ]
    weights: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.rpartition(".")[2] in IGNORED:
            continue
        match, ours = next(((m, o) for p, o in rules if (m := p.fullmatch(name))), (None, []))
        if match is None:
            raise ValueError(f"{name:.80} belongs to another kind of network")
        weights[_our_name(match, ours, source)] = value.detach().float()
    return _finished(_without_norms(weights, eps))


def _pattern(theirs: str) -> str:
    """Returns a pattern of a layer's name: S and I, alone or after a word, are numbers."""
    escaped = re.escape(theirs)
    return re.sub(
        r"S(?=\\\.|$)", r"(?P<S>\\d+)", re.sub(r"(?<=\.)I(?=\\\.)", r"(?P<I>\\d+)", escaped)
    )


def _our_name(match: re.Match[str], ours: list[str], source: Source) -> str:
    """Returns our name of a weight whose name matches a rule."""
    numbers = {key: int(value) for key, value in match.groupdict().items()}
    if "S" in numbers:
        numbers["S"] = source.stage(numbers["S"])
    parts = [str(numbers.get(part, part)) for part in ours]
    leaf = match.groups()[-1]
    return ".".join([*parts, leaf] if leaf else parts)


def _without_norms(weights: dict[str, Tensor], eps: float) -> dict[str, Tensor]:
    """Returns weights with each batch norm `x/norm` folded into the convolution `x`."""
    result = {name: value for name, value in weights.items() if "/norm." not in name}
    norms = {name.partition("/norm.")[0] for name in weights if "/norm." in name}
    for name in norms:
        norm = {
            leaf: weights.get(f"{name}/norm.{leaf}")
            for leaf in ("weight", "bias", "running_mean", "running_var")
        }
        convolution = result.get(f"{name}.weight")
        complete = {leaf: value for leaf, value in norm.items() if value is not None}
        if convolution is None or len(complete) < len(norm):
            raise ValueError(f"the batch norm of {name}, or its convolution, is not complete")
        if any(value.shape != convolution.shape[:1] for value in complete.values()):
            raise ValueError(f"the batch norm of {name} has another width than its convolution")
        result[f"{name}.weight"], result[f"{name}.bias"] = folded(convolution, complete, eps)
    return result


def _finished(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns weights in the shapes of our layers."""
    result = {}
    for name, value in weights.items():
        layer = name.split(".")[-2:]
        if layer[-1] == "gamma":
            value = value.flatten()
        if layer[0] in ("fc1", "fc2", "head") and layer[1] == "weight" and value.ndim == 4:
            value = value.flatten(1)
        result[name] = value.contiguous()
    if "positions" in result:
        _split_positions(result)
    return result


def _split_positions(weights: dict[str, Tensor]) -> None:
    """Separate the class token's position from the others, and add registers if there are none."""
    positions = weights["positions"]
    width = positions.shape[-1]
    weights.setdefault("registers", positions.new_zeros(1, 0, width))
    first = positions.shape[1] - int(positions.shape[1] ** 0.5) ** 2
    if first not in (0, 1):
        raise ValueError(f"pos_embed has {positions.shape[1]} places, which are not a square")
    weights["class_position"] = positions.new_zeros(1, 1, width)
    if first:
        weights["class_position"] = positions[:, :1].contiguous()
        weights["positions"] = positions[:, 1:].contiguous()


def _with_stages(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns the state, with numbers of stages in the names of efficientnet_pytorch.

    The first block of a stage has another number of channels than the block before it.
    """
    outputs: list[int] = []
    while (weight := state.get(f"_blocks.{len(outputs)}._project_conv.weight")) is not None:
        outputs.append(len(weight))
    places, stage, block = {}, 0, 0
    for number, width in enumerate(outputs):
        if number and width != outputs[number - 1]:
            stage, block = stage + 1, 0
        places[str(number)] = f"{stage}.{block}"
        block += 1

    def place(match: re.Match[str]) -> str:
        return f"_blocks.{places.get(match[1], match[1])}."

    return {re.sub(r"^_blocks\.(\d+)\.", place, name): value for name, value in state.items()}
