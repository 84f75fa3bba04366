"""Latents as files: safetensors, with a digest of the model to which they belong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

from pydantic import Field

from ..contract.errors import InputError, NodeError
from ..contract.spec import node
from ..contract.values.files import Files, file_name
from ..contract.values.kinds import GanLatent, Latent, VaeLatent
from ..contract.values.models import Gan, Vae
from ..contract.values.socket import SocketError
from ..contract.widgets import FileName, InputModel

if TYPE_CHECKING:
    from torch import Tensor

HEADER = "artgraph_latents"  # the only key of the metadata in the header
MAX_BYTES = 2**30  # limit for the size of a file

DrawingModel = TypeVar("DrawingModel", Gan, Vae)


@node(
    title="Save latents",
    category="save",
    words="export latents, store seeds, keep pictures, latent file, 保存潜变量, 导出潜变量",
)
def save_latents(model: DrawingModel, latent: Latent, *, name: FileName = "") -> Files:
    """Save latents of a GAN or a VAE as a safetensors file, from which they are drawn again.

    The file contains a digest of the model's weights and classes. `load_latents` accepts it with
    this model, saved in any precision and bent or not, and with no other one.

    Raises: NodeError if the latents are not of this model.
    """
    from safetensors.torch import save

    require_latents_of(model, latent)
    tensors = {"z": latent.z.contiguous()}
    if isinstance(latent, GanLatent):
        tensors["classes"] = latent.classes.contiguous()
        if latent.shift is not None:
            tensors["shift"] = latent.shift.contiguous()
    about = {"kind": _kind(model), "model": model.latents_digest()}
    return Files(
        {
            file_name(name, ".safetensors"): save(
                tensors, {HEADER: json.dumps(about, sort_keys=True)}
            )
        }
    )


class LoadedLatents(NamedTuple):
    """What `load_latents` returns: only the output for the kind of model that is wired is set."""

    gan_latent: GanLatent | None
    vae_latent: VaeLatent | None


@node(
    title="Load latents",
    category="explore",
    words="open latents, import latents, latent file, 打开潜变量, 载入潜变量",
)
def load_latents(
    gan: Annotated[
        Gan | None, Field(description="The GAN of the latents; wire this or `vae`")
    ] = None,
    vae: Annotated[Vae | None, Field(description="The VAE of the latents")] = None,
    *,
    path: Annotated[InputModel, Field(description="A safetensors file that save_latents wrote")],
) -> LoadedLatents:
    """Load latents that `save_latents` saved, for the model with which they were saved.

    The output for the kind of model is set; the other one is empty. Nothing in the file is
    executed.

    Raises: NodeError unless one model is wired; InputError if the file does not contain latents, or
    those of another model.
    """
    if (gan is None) == (vae is None):
        raise NodeError("latents need the model that draws them", "wire either `gan` or `vae`")
    model: Gan | Vae = gan or vae  # type: ignore[assignment]
    about, tensors = read_tensors(path, HEADER, "latents", "save_latents")
    damaged = f"{path.name} does not contain valid latents", "save them again with save_latents"
    if about.get("kind") != _kind(model):
        what = f"{path.name} contains latents of another kind of model, not of a {model.noun}"
        raise InputError(what, "wire the model with which they were saved")
    if about.get("model") != model.latents_digest():
        raise InputError(
            f"{path.name} contains latents of another {model.noun}, whose pictures would be others",
            f"wire the {model.noun} with which they were saved",
        )
    z, classes = tensors.get("z"), tensors.get("classes")
    if z is None or (gan is not None and classes is None):
        raise InputError(*damaged)
    latent: GanLatent | VaeLatent = VaeLatent(z)
    if gan is not None and classes is not None:
        latent = GanLatent(z, classes, tensors.get("shift"))
    try:
        type(latent).encode(latent)  # type: ignore[arg-type]
        require_latents_of(model, latent)
    except (NodeError, SocketError) as error:
        raise InputError(*damaged) from error
    if isinstance(latent, GanLatent):
        return LoadedLatents(latent, None)
    return LoadedLatents(None, latent)


def _kind(model: Gan | Vae) -> str:
    return "gan" if isinstance(model, Gan) else "vae"


def require_latents_of(model: Gan | Vae, latent: GanLatent | VaeLatent) -> None:
    """Raises: NodeError if the latents are not of this model."""
    if isinstance(model, Gan) and isinstance(latent, GanLatent):
        parts = [latent.z, latent.classes, *([] if latent.shift is None else [latent.shift])]
        if len(model.classes) and len({len(part) for part in parts}) == 1:
            model.check_latents(*latent.lengths)
            return
    elif isinstance(model, Vae) and isinstance(latent, VaeLatent):
        model.check_latents(tuple(latent.z.shape[1:]))
        return
    raise NodeError(
        f"these latents are not of a {model.noun}", "wire the model that draws these latents"
    )


def read_tensors(
    path: Path, header: str, noun: str, saver: str
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Returns what the key `header` of a file says, and its tensors.

    `noun` is what the file should contain, and `saver` the node that writes such files.

    Raises: InputError if it is another file.
    """
    from safetensors import SafetensorError, safe_open

    wrong = f"{path.name} does not contain {noun}", f"name a file that {saver} wrote"
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path.name} is larger than {MAX_BYTES >> 30} GiB", wrong[1])
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})[header])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(*wrong) from error
    if not isinstance(about, dict):
        raise InputError(*wrong)
    return about, tensors
