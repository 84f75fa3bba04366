"""Models as files: safetensors, with the kind of model and its config in the header."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import InputError, NodeError
from ..contract.file_kinds import beside_weights, kind_of_file
from ..contract.spec import node
from ..contract.values.explored import Encoder
from ..contract.values.files import Files, file_name
from ..contract.values.model import Model
from ..contract.values.models import Classifier, Gan, Restyler, Vae
from ..contract.widgets import Advanced, FileName, InputModel

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.vae.foreign import ReadVae

KINDS: dict[str, type[Model]] = {
    "gan": Gan,
    "vae": Vae,
    "classifier": Classifier,
    "restyler": Restyler,
    "encoder": Encoder,
}
SHIPPED = Path(__file__).parents[1] / "graphs" / "base"
HEADER = "artgraph"  # the only key of the metadata in the header
MAX_BYTES = 4 * 2**30  # limit for the size of a file

AnyModel = TypeVar("AnyModel", Gan, Vae, Classifier, Restyler, Encoder)


@node(
    title="Save model",
    category="save",
    words="checkpoint, export, weights, safetensors, 保存模型, 导出",
)
def save_model(
    model: AnyModel,
    *,
    name: FileName = "",
    precision: Annotated[
        Literal["float32", "float16"],
        Field(description="float16 halves the file, and is good enough to draw with"),
        Advanced,
    ] = "float32",
) -> Files:
    """Save a GAN, VAE, classifier, restyler or encoder, with its config, as a safetensors file.

    The header of the file also says what a GAN learnt from (`origin`): how many pictures, from
    which GAN it started, and which features helped.

    Raises: NodeError if a weight is too large for float16.
    """
    import torch
    from safetensors.torch import save

    kind = next(kind for kind, cls in KINDS.items() if isinstance(model, cls))
    about = {"kind": kind, "config": model.config}
    if model.origin is not None:
        about["origin"] = model.origin
    header = json.dumps(about, sort_keys=True)
    dtype = getattr(torch, precision)
    state = {
        key: (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous()
        for key, tensor in model.state.items()
    }
    if _not_finite(state) and not _not_finite(model.state):
        raise NodeError("a weight of the model is too large for float16", "save it as float32")
    return Files({file_name(name, ".safetensors"): save(state, {HEADER: header})})


class LoadedModel(NamedTuple):
    """What `load_model` returns: only the output for the kind of model in the file is set."""

    gan: Gan | None
    vae: Vae | None
    classifier: Classifier | None
    restyler: Restyler | None
    encoder: Encoder | None


@node(
    title="Load model",
    category="draw",
    version=4,
    words="checkpoint, weights, pkl, safetensors, open model, 打开模型, 权重",
)
def load_model(
    *,
    path: Annotated[
        InputModel,
        Field(
            description="A safetensors file that save_model wrote, or a VAE of another program"
            " (AutoencoderKL, AutoencoderTiny or TAESD)"
        ),
    ],
    ctx: Context,
) -> LoadedModel:
    """Load a model that `save_model` saved, or a VAE that another program has trained.

    Wire the output for its kind; the others are empty. Nothing in the file is executed.
    Half-precision weights become float32. An encoder belongs to one GAN, and `invert` refuses it
    with another one.

    A VAE of another program is an AutoencoderKL (of diffusers, or with the names of the original
    program, also inside a checkpoint of Stable Diffusion), an AutoencoderTiny, or a TAESD of two
    files, of which the other one is found beside the one that you name. A `config.json` beside the
    file says how the latents are scaled. Its pictures may have any size, in multiples of 8 px, and
    `train_prior` learns to draw with it. `train_vae` does not continue its training.

    Raises: InputError if the file is not such a model.
    Paper: Rombach et al. 2022, "High-resolution image synthesis with latent diffusion models".
    """
    foreign = _foreign(path)
    if foreign is not None:
        ctx.log(foreign.line)
        return LoadedModel(None, Vae(foreign.config.to_dict(), foreign.state), None, None, None)
    return read_model(path)


def _foreign(path: Path) -> ReadVae | None:
    """Returns the VAE of another program in a file; None if it is something else."""
    from safetensors import SafetensorError, safe_open

    from ..models.training.diverged import UnsuitableError
    from ..models.vae.foreign import read_vae

    try:
        with safe_open(path, framework="pt") as file:
            if HEADER in (file.metadata() or {}):
                return None
        found = read_vae(path, beside_weights(path))
    except (SafetensorError, OSError) as error:
        raise InputError(*_not_safetensors(path, error)) from error
    except UnsuitableError as error:
        raise InputError(str(error), error.advice) from error
    except RuntimeError as error:  # a file of terabytes
        raise InputError(f"{path.name} is too large to be opened", "name another file") from error
    if found is not None and (wrong := _not_finite(found.state)):
        what = f"{path.name} contains numbers that are not finite (in {wrong!r})"
        raise InputError(what, "copy or download it again")
    return found


def read_model(path: Path) -> LoadedModel:
    """Returns the model in a file of `save_model`."""
    kind, config, origin = _header(path)
    from safetensors.torch import load_file

    try:
        state = load_file(path)
        model = KINDS[kind](
            config,
            {k: v.float() if v.is_floating_point() else v for k, v in state.items()},
            origin,
        )
        model.check()
    except Exception as error:
        reason = _MISFIT.search(str(error))
        shown = " ".join((reason[0] if reason else str(error)).split())[:200]
        advice = "update artgraph, if a newer version saved it; else save it again with save_model"
        raise InputError(f"{path.name} is not a valid {kind}: {shown}", advice) from error
    wrong = _not_finite(model.state)
    if wrong:
        raise InputError(
            f"{path.name} contains numbers that are not finite (in {wrong!r}), so it can't draw or"
            " recognise anything",
            "load an earlier file; if a training made it, train again with a lower `rate`",
        )
    return LoadedModel(**{name: model if name == kind else None for name in KINDS})  # type: ignore[arg-type]


def shipped_classifier() -> Classifier:
    """Returns the classifier that comes with artgraph, which knows no picture of the user."""
    classifier = read_model(SHIPPED / "classifier_64.safetensors").classifier
    assert classifier is not None
    return classifier


@cache
def shipped_gans() -> dict[str, Gan]:
    """Returns the GANs that come with artgraph, by name."""
    found = {path.stem: read_model(path).gan for path in sorted(SHIPPED.glob("gan_*.safetensors"))}
    return {name: gan for name, gan in found.items() if gan is not None}


def named_start(start: Gan) -> dict[str, Any]:
    """Returns what the origin of a GAN says about the one that its training started from."""
    digest = start.digest()
    names = [f"base/{name}" for name, gan in shipped_gans().items() if gan.digest() == digest]
    return {"name": next(iter(names), None), "weights": digest, "origin": start.origin}


# The first of the mistakes that PyTorch lists if weights do not fit a network.
_MISFIT = re.compile(r"(size mismatch for|Missing key|Unexpected key)[^\n]*")


def _not_finite(state: Mapping[str, Tensor]) -> str | None:
    """Returns the name of a tensor that contains NaN or an infinity, or None."""
    floats = (key for key, value in state.items() if value.is_floating_point())
    return next((key for key in floats if not state[key].isfinite().all()), None)


def _header(path: Path) -> tuple[str, dict[str, Any], dict[str, Any] | None]:
    """Returns kind, config and origin of the model in a file."""
    from safetensors import SafetensorError, safe_open

    if path.stat().st_size > MAX_BYTES:
        raise InputError(
            f"{path.name} is larger than {MAX_BYTES >> 30} GiB, so save_model did not write it",
            "name a file that save_model wrote",
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(*_not_safetensors(path, error)) from error
    try:
        header = json.loads(metadata[HEADER])
        kind, config, origin = header["kind"], header["config"], header.get("origin")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path.name} is a model of another program, which artgraph can't use",
            "name a file that save_model wrote, or the VAE of Stable Diffusion or a TAESD",
        ) from error
    if kind not in KINDS or not isinstance(config, dict):
        raise InputError(
            f"{path.name} contains a model of the kind {str(kind)[:40]!r}, which this artgraph does"
            f" not know, only {', '.join(KINDS)}",
            "update artgraph",
        )
    return kind, config, origin if isinstance(origin, dict) else None


def _not_safetensors(path: Path, error: Exception) -> tuple[str, str]:
    """Returns what is wrong with a file that is not safetensors, and what to do."""
    with path.open("rb") as file:
        beginning = file.read(1024)
    size = path.stat().st_size
    found = kind_of_file(beginning)
    if not size:
        return f"{path.name} is empty", "copy or download it again"
    length = int.from_bytes(beginning[:8], "little")  # of the header, which follows
    if beginning[8:9] == b"{" and length < 100 * 2**20:
        whole = _whole_size(path, length)
        if whole is None or size < whole:
            of = "" if whole is None else f" of {whole}"
            what = f"{path.name} is cut short: it has only {size}{of} bytes"
            return what, "copy or download it again; was the disk full?"
        if size > whole:
            what = f"{path.name} has {size} bytes instead of {whole}"
            return what, "copy or download it again"
    if found is not None and "LFS" in found:
        return f"{path.name} is {found}", "run `git lfs pull`, or download the file itself"
    if found == "an HTML page":
        what = f"{path.name} is {found}, not a model"
        return what, "download the file itself, instead of the page that shows it"
    if found in ("a Python pickle", "a ZIP archive"):
        what = f"{path.name} is {found}, like the .pt and .ckpt files of PyTorch, not safetensors"
        return what, "name a file that save_model wrote; artgraph never opens pickles"
    if found is not None:
        return f"{path.name} is {found}, not a model", "name a file that save_model wrote"
    reason = " ".join(str(error).split())[:100]
    return f"{path.name} is damaged, or not a safetensors file ({reason})", (
        "copy it again, or name another file that save_model wrote"
    )


def _whole_size(path: Path, length: int) -> int | None:
    """Returns the size of a safetensors file by its header, or None if the header is cut short."""
    with path.open("rb") as file:
        text = file.read(8 + length)[8:]
    try:
        tensors = [entry for key, entry in json.loads(text).items() if key != "__metadata__"]
        return 8 + length + max((int(entry["data_offsets"][1]) for entry in tensors), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None
