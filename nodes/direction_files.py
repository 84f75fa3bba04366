"""Directions of a GAN's latents as files: safetensors, with a digest of the GAN."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import Field

from ..contract.errors import InputError, NodeError
from ..contract.spec import node
from ..contract.values.explored import Directions
from ..contract.values.files import Files, file_name
from ..contract.values.models import Gan
from ..contract.values.socket import SocketError
from ..contract.widgets import FileName, InputModel
from .latent_files import read_tensors

HEADER = "artgraph_directions"  # the only key of the metadata in the header


@node(
    title="Save directions",
    category="save",
    words="export directions, sliders, ganspace, 保存方向",
)
def save_directions(directions: Directions, *, name: FileName = "") -> Files:
    """Save directions of a GAN as a safetensors file, for other graphs.

    The file contains a digest of the GAN, and `load_directions` accepts it with this GAN only, bent
    or not, and saved in any precision.
    """
    from safetensors.torch import save

    meta, tensors = Directions.encode(directions)
    data = {key: value.contiguous() for key, value in tensors.items()}  # type: ignore[union-attr]
    header = {HEADER: json.dumps(meta, sort_keys=True)}
    return Files({file_name(name, ".safetensors"): save(data, header)})


@node(
    title="Load directions",
    category="save",
    words="open directions, import directions, sliders, ganspace, 载入方向",
)
def load_directions(
    gan: Annotated[Gan, Field(description="The GAN whose latents are moved")],
    *,
    path: Annotated[InputModel, Field(description="A safetensors file that save_directions wrote")],
) -> Directions:
    """Load directions that `save_directions` saved, for the GAN of which they are.

    Nothing in the file is executed.

    Raises: InputError if the file does not contain directions, or those of another GAN.
    """
    about, tensors = read_tensors(path, HEADER, "directions", "save_directions")
    damaged = f"{path.name} does not contain valid directions", "save them again"
    names, vectors = about.get("names"), tensors.get("vectors")
    if not isinstance(names, list) or vectors is None:
        raise InputError(*damaged)
    found = Directions(tuple(names), vectors, str(about.get("model")), tensors.get("frame"))
    try:
        Directions.encode(found)
    except SocketError as error:
        raise InputError(*damaged) from error
    try:
        found.check_gan(gan)
    except NodeError as error:
        raise InputError(
            f"{path.name} contains directions of another GAN", "wire the GAN of which they are"
        ) from error
    return found
