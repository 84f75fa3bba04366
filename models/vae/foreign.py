"""Reading VAEs from safetensors files of other programs.

These are AutoencoderKL and AutoencoderTiny of diffusers, the first one also with the names of the
original program and inside a checkpoint of Stable Diffusion, and the two files of a TAESD. The
names of the weights say which it is. Sizes are checked before any memory is allocated.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from ..pretrained.layers import Shapes
from ..training.diverged import UnsuitableError
from .config import FACTOR, VaeConfig
from .make import make_vae

LARGEST = 4 * 2**30  # limit for the size of the weights in bytes, as float32
SCALE = 0.18215  # of AutoencoderKL: the number by which latents are multiplied, if none is named
GROUPS = 32  # of AutoencoderKL: groups of a group norm, if none is named
SIZE = 256  # edge of the pictures if it is not known
_CHECKPOINT = "first_stage_model."  # prefix of the VAE in a checkpoint of a diffusion model
_PARTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")

# Parts of names in AutoencoderKL of diffusers or of the original program, and ours, in this order.
_KL = (
    (r"^quant_conv\.", "moments."),
    (r"^post_quant_conv\.", "latents."),
    (r"\.conv_in\.", ".first."),
    (r"\.(conv_)?norm_out\.", ".norm."),
    (r"\.conv_out\.", ".last."),
    (r"\.(down_blocks|up_blocks|down|up)\.(\d+)\.", r".levels.\2."),
    (r"\.(resnets|block)\.(\d+)\.", r".blocks.\2."),
    (r"\.(downsamplers\.0|downsample)\.conv\.", ".down."),
    (r"\.(upsamplers\.0|upsample)\.conv\.", ".up."),
    (r"\.(conv|nin)_shortcut\.", ".skip."),
    (r"\.(mid_block\.blocks\.0|mid\.block_1)\.", ".middle.first."),
    (r"\.(mid_block\.blocks\.1|mid\.block_2)\.", ".middle.second."),
    (r"\.(mid_block\.attentions\.0|mid\.attn_1)\.", ".middle.attention."),
    (r"\.attention\.group_norm\.", ".attention.norm."),
    (r"\.attention\.(to_q|q)\.", ".attention.query."),
    (r"\.attention\.(to_k|k)\.", ".attention.key."),
    (r"\.attention\.(to_v|v)\.", ".attention.value."),
    (r"\.attention\.(to_out\.0|proj_attn|proj_out)\.", ".attention.output."),
)


class ReadVae(NamedTuple):
    """A VAE of another program: its config, its weights, and one line about it."""

    config: VaeConfig
    state: dict[str, Tensor]
    line: str


class _Stored(NamedTuple):
    """A tensor in a file."""

    path: Path
    name: str
    shape: tuple[int, ...]


class _Found(NamedTuple):
    """Which VAE a file contains, and its tensors by our names."""

    kind: str
    method: str
    tensors: dict[str, _Stored]
    unused: int  # tensors of the file that do not belong to the VAE


def read_vae(path: Path, beside: Sequence[Path]) -> ReadVae | None:
    """Returns the VAE in a safetensors file, or None if its names are those of something else.

    beside: files of the same folder that may belong to it: a config.json, and the other half of a
            TAESD.
    Raises: UnsuitableError if the weights do not fit together, or half of them is missing.
    """
    found = _find(path, beside)
    if found is None:
        return None
    settings, named = _settings(beside)
    try:
        shapes, flat = _our_shapes(found.tensors)
        config, mean, std = _config(found, shapes, settings)
        network = make_vae(config, shapes)
        _check_names(shapes, network.state_dict())
        state = _read(found.tensors, flat)
    except ValueError as error:
        what = f"{path.name} is {found.kind}, but {error}"
        raise UnsuitableError(what, f"use one of Stable Diffusion, or with f={FACTOR}") from error
    count = sum(value.numel() for value in state.values())
    state |= {"latent_mean": mean, "latent_std": std}
    unused = f"; {found.unused} tensors of the file are not used" if found.unused else ""
    line = (
        f"{path.name}: {found.kind}, {count / 1e6:.1f} million weights, latents of"
        f" {config.channels} channels divided by {float(std.mean()):.4g} ({named}){unused}"
    )
    return ReadVae(config, state, line)


def _find(path: Path, beside: Sequence[Path]) -> _Found | None:
    """Returns which VAE a file contains, or None."""
    stored = _tensors(path)
    names = {name.removeprefix(_CHECKPOINT) for name in stored if name.startswith(_CHECKPOINT)}
    prefix = _CHECKPOINT if names else ""
    names = names or set(stored)
    if {"encoder.conv_in.weight", "decoder.conv_in.weight"} <= names:
        where = " in a checkpoint" if prefix else ""
        ours = {
            name.removeprefix(prefix): tensor
            for name, tensor in stored.items()
            if name.removeprefix(prefix).startswith(_PARTS) and name.startswith(prefix)
        }
        tensors = _renamed(ours, _kl_names(ours))
        unused = len(stored) - len(tensors)
        return _Found(f"an AutoencoderKL{where}", "autoencoder_kl", tensors, unused)
    if {"encoder.layers.0.weight", "decoder.layers.0.weight"} <= names:
        tensors = _renamed(stored, lambda name: name.replace(".layers.", ".", 1))
        return _Found("an AutoencoderTiny", "autoencoder_tiny", _in_a_row(tensors), 0)
    if half := _half(names):
        tensors = _renamed(stored, lambda name: f"{half}.{name}")
        other = {"encoder": "decoder", "decoder": "encoder"}[half]
        for file in beside:
            if file.suffix == path.suffix and _half(more := _tensors(file)) == other:
                tensors |= _renamed(more, lambda name: f"{other}.{name}")
                return _Found("a TAESD", "autoencoder_tiny", _in_a_row(tensors), 0)
        raise UnsuitableError(
            f"{path.name} is only the {half} of a TAESD",
            f"put the {other} beside it, under the same name with {other!r} in place of {half!r}",
        )
    return None


def _half(names: set[str] | Mapping[str, object]) -> str:
    """Returns which half of a TAESD has tensors of these names; "" if it is not one."""
    if {"0.weight", "1.conv.0.weight"} <= set(names):
        return "encoder"
    return "decoder" if {"1.weight", "3.conv.0.weight"} <= set(names) else ""


def _tensors(path: Path) -> dict[str, _Stored]:
    """Returns the tensors of a file by name, without reading them."""
    with safe_open(path, framework="pt") as file:
        return {
            name: _Stored(path, name, tuple(file.get_slice(name).get_shape()))
            for name in file.keys()  # noqa: SIM118 - it is not a dict
        }


def _renamed(tensors: Mapping[str, _Stored], rename: Callable[[str], str]) -> dict[str, _Stored]:
    return {rename(name): tensor for name, tensor in tensors.items()}


def _kl_names(names: Mapping[str, object]) -> Callable[[str], str]:
    """Returns a function that renames the weights of an AutoencoderKL."""
    # The original program numbers the decoder's levels from the finest one on.
    levels = {int(m[1]) for name in names if (m := re.match(r"decoder\.up\.(\d+)\.", name))}

    def rename(name: str) -> str:
        if match := re.match(r"decoder\.up\.(\d+)\.(.*)", name):
            name = f"decoder.up.{max(levels) - int(match[1])}.{match[2]}"
        for theirs, ours in _KL:
            name = re.sub(theirs, ours, name)
        return name

    return rename


def _in_a_row(tensors: Mapping[str, _Stored]) -> dict[str, _Stored]:
    """Returns the tensors of a tiny autoencoder, whose layers are numbered without gaps."""
    layers: dict[str, list[int]] = {"encoder": [], "decoder": []}
    for name in tensors:
        match = re.match(r"(encoder|decoder)\.(\d+)\.", name)
        if match and int(match[2]) not in layers[match[1]]:
            layers[match[1]].append(int(match[2]))

    def rename(name: str) -> str:
        part, number, rest = name.split(".", 2)
        if not number.isdigit() or part not in layers:
            return name
        rest = re.sub(r"^conv\.([024])\.", lambda m: f"conv{int(m[1]) // 2 + 1}.", rest)
        return f"{part}.{sorted(layers[part]).index(int(number))}.{rest}"

    return _renamed(tensors, lambda name: rename(name) if name.count(".") > 1 else name)


def _our_shapes(tensors: Mapping[str, _Stored]) -> tuple[Shapes, set[str]]:
    """Returns the shapes in our network, and the names of the weights that become flat.

    The original program has convolutions of 1 x 1 for the attention.
    Raises: ValueError if the weights are too large.
    """
    if 4 * sum(math.prod(tensor.shape) for tensor in tensors.values()) > LARGEST:
        raise ValueError(f"its weights need more than {LARGEST >> 30} GiB")
    flat = {
        name
        for name, tensor in tensors.items()
        if ".attention." in name and tensor.shape[2:] == (1, 1)
    }
    shapes = {name: t.shape[:2] if name in flat else t.shape for name, t in tensors.items()}
    return shapes, flat


def _check_names(shapes: Shapes, state: Mapping[str, Tensor]) -> None:
    """Raises: ValueError if there are weights that the network lacks, or other shapes."""
    needed = {k: tuple(v.shape) for k, v in state.items() if k not in ("latent_mean", "latent_std")}
    for name in needed.keys() ^ shapes.keys():
        what = "is missing" if name in needed else "belongs to another kind of network"
        raise ValueError(f"{name:.80} {what}")
    for name, shape in needed.items():
        if shapes[name] != shape:
            raise ValueError(f"{name:.80} has the shape {shapes[name]} instead of {shape}")


def _read(tensors: Mapping[str, _Stored], flat: set[str]) -> dict[str, Tensor]:
    """Returns the weights as float32. Raises: ValueError if some are whole numbers."""
    state = {}
    for path in {tensor.path for tensor in tensors.values()}:
        with safe_open(path, framework="pt") as file:
            for name, tensor in tensors.items():
                if tensor.path != path:
                    continue
                value = file.get_tensor(tensor.name)
                if not value.is_floating_point():
                    raise ValueError(f"{tensor.name:.80} contains whole numbers")
                value = value.float()
                state[name] = (value.flatten(1) if name in flat else value).contiguous()
    return state


def _settings(beside: Sequence[Path]) -> tuple[dict[str, Any], str]:
    """Returns the settings in a config.json of diffusers, and what to call their source."""
    for path in beside:
        if path.name != "config.json":
            continue
        try:
            found = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            what = f"config.json beside the weights can't be read ({error!s:.80})"
            raise UnsuitableError(what, "copy it again, or remove it") from error
        if isinstance(found, dict) and "Autoencoder" in str(found.get("_class_name", "")):
            return found, "config.json"
    return {}, "without a config.json"


def _config(
    found: _Found, shapes: Shapes, settings: Mapping[str, Any]
) -> tuple[VaeConfig, Tensor, Tensor]:
    """Returns the config, and mean and deviation by which latents are normalised, (C, 1, 1)."""
    kl = found.method == "autoencoder_kl"
    first = "latents.weight" if "latents.weight" in shapes else "decoder.first.weight"
    shape = shapes.get(first if kl else "decoder.0.weight", ())
    if len(shape) != 4:
        raise ValueError("the first layer of the decoder is not a convolution")
    activation = settings.get("act_fn", "silu" if kl else "relu")
    if activation != ("silu" if kl else "relu"):
        raise ValueError(f"its activation is {activation!r:.40}, which artgraph does not have")
    size = settings.get("sample_size", SIZE)
    size = size if type(size) is int else SIZE
    config = VaeConfig(
        found.method,  # type: ignore[arg-type]
        min(512, max(32, size // FACTOR * FACTOR)),
        shape[1],
        groups=settings.get("norm_num_groups", GROUPS) if kl else 0,
    )
    scale = _numbers(settings, "scaling_factor", config.channels, SCALE if kl else 1.0)
    shift = _numbers(settings, "shift_factor", config.channels, 0.0)
    mean = _numbers(settings, "latents_mean", config.channels, 0.0)
    std = _numbers(settings, "latents_std", config.channels, 1.0)
    if (scale <= 0).any() or (std <= 0).any():
        raise ValueError("the scale of its latents in config.json is not above 0")
    return config, (mean + shift)[:, None, None], (std / scale)[:, None, None]


def _numbers(settings: Mapping[str, Any], name: str, channels: int, usual: float) -> Tensor:
    """Returns a setting as numbers for each channel: the usual one if there is none."""
    value = settings.get(name)
    values = value if isinstance(value, list) else [usual if value is None else value] * channels
    if len(values) != channels or not all(type(v) in (int, float) for v in values):
        raise ValueError(f"{name} in config.json is {value!r:.60}")
    return torch.tensor(values, dtype=torch.float32)
