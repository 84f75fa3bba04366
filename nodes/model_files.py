"""Models as files: safetensors, with kind and config in the header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import Field

from ..contract.errors import InputError
from ..contract.spec import node
from ..contract.values.files import Files, file_name
from ..contract.values.models import Classifier, Gan, Model, Vae
from ..contract.widgets import FileName, InputFile

KINDS: dict[str, type[Model]] = {"gan": Gan, "vae": Vae, "classifier": Classifier}
HEADER = "artgraph"  # the one key of the file's metadata
MAX_BYTES = 4 * 2**30

AnyModel = TypeVar("AnyModel", Gan, Vae, Classifier)


@node(title="Save model", category="model")
def save_model(
    model: AnyModel,
    *,
    name: Annotated[FileName, Field(description="The file's name; empty: that of the node")] = "",
    precision: Annotated[
        Literal["float32", "float16"],
        Field(description="float16 makes the file half as large, and is good enough to draw with"),
    ] = "float32",
) -> Files:
    """Save a trained GAN, VAE or classifier as a safetensors file with its config."""
    import torch
    from safetensors.torch import save

    kind = next(kind for kind, cls in KINDS.items() if isinstance(model, cls))
    header = json.dumps({"kind": kind, "config": model.config}, sort_keys=True)
    dtype = getattr(torch, precision)
    state = {
        key: (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous()
        for key, tensor in model.state.items()
    }
    return Files({file_name(name, ".safetensors"): save(state, {HEADER: header})})


class LoadedModel(NamedTuple):
    """What `load_model` gives: the one kind of model that the file holds."""

    gan: Gan | None
    vae: Vae | None
    classifier: Classifier | None


@node(title="Load model", category="model")
def load_model(
    *, path: Annotated[InputFile, Field(description="A safetensors file saved by save_model")]
) -> LoadedModel:
    """Load a model that `save_model` saved; wire the output of the kind that it is.

    Nothing in the file is run. Half-precision weights become float32.

    Raises: InputError for a file that is not such a model.
    """
    kind, config = _header(path)
    from safetensors.torch import load_file

    try:
        state = load_file(path)
        model = KINDS[kind](
            config, {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        )
        model.check()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path.name} is no sound {kind}: {reason}", "get the file again"
        ) from error
    return LoadedModel(**{name: model if name == kind else None for name in KINDS})  # type: ignore[arg-type]


def _header(path: Path) -> tuple[str, dict[str, Any]]:
    """Kind and config, from the metadata."""
    from safetensors import SafetensorError, safe_open

    if path.stat().st_size > MAX_BYTES:
        raise InputError(
            f"{path.name} is over {MAX_BYTES >> 30} GiB", "no model of ours is as large"
        )
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[HEADER])
        kind, config = header["kind"], header["config"]
        if kind not in KINDS or not isinstance(config, dict):
            raise ValueError(kind)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path.name} is no model saved by artgraph", "save one with save_model"
        ) from error
    return kind, config
