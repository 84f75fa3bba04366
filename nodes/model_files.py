"""Models as files: safetensors, with the kind of model and its config in the header."""

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
HEADER = "artgraph"  # the only key of the metadata in the header
MAX_BYTES = 4 * 2**30  # limit for the size of a file

AnyModel = TypeVar("AnyModel", Gan, Vae, Classifier)


@node(title="Save model", category="model")
def save_model(
    model: AnyModel,
    *,
    name: FileName = "",
    precision: Annotated[
        Literal["float32", "float16"],
        Field(description="float16 halves the file, and is good enough to draw with"),
    ] = "float32",
) -> Files:
    """Save a trained GAN, VAE or classifier, with its config, as a safetensors file."""
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
    """What `load_model` returns: only the output for the kind of model in the file is set."""

    gan: Gan | None
    vae: Vae | None
    classifier: Classifier | None


@node(title="Load model", category="model")
def load_model(
    *, path: Annotated[InputFile, Field(description="A safetensors file that save_model wrote")]
) -> LoadedModel:
    """Load a model that `save_model` saved.

    Wire the output for its kind; the other two are empty. Nothing in the file is executed.
    Half-precision weights become float32.

    Raises: InputError if the file is not such a model.
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
            f"{path.name} is not a valid {kind}: {reason}", "save or copy the file again"
        ) from error
    return LoadedModel(**{name: model if name == kind else None for name in KINDS})  # type: ignore[arg-type]


def _header(path: Path) -> tuple[str, dict[str, Any]]:
    """Returns kind and config of the model in a file."""
    from safetensors import SafetensorError, safe_open

    if path.stat().st_size > MAX_BYTES:
        raise InputError(
            f"{path.name} is larger than {MAX_BYTES >> 30} GiB",
            "choose a file that save_model saved",
        )
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[HEADER])
        kind, config = header["kind"], header["config"]
        if kind not in KINDS or not isinstance(config, dict):
            raise ValueError(kind)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path.name} is damaged, or is not a model that save_model wrote",
            "save or copy the file again",
        ) from error
    return kind, config
