"""The kinds of values that wires carry: shape, range, and form in the store.

The annotation of a node names the kind: `image: Image`, `dataset: Dataset | None = None`. Encoding
splits a value into JSON and named tensors (or bytes); decoding builds it again. The index of the
store contains the JSON, and a safetensors file contains the tensors. docs/data.md describes each
kind for users. Datasets and models have files of their own. Torch is imported inside the functions,
when a value is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from .dataset import DATASET_FORM, Dataset
from .explored import Directions, Encoder
from .files import Files
from .models import Classifier, Gan, Restyler, Vae
from .pictures import CHANNELS, PictureBatch, parts, quantise
from .socket import Blob, Buffers, Json, Rows, Socket, require

if TYPE_CHECKING:
    from torch import Tensor

# Image, Mask


def _encode_image(value: Any) -> tuple[Json, Buffers]:
    import torch

    if isinstance(value, PictureBatch):
        return None, {"image": Rows(value.shape, map(_quantise_finite, parts(value)))}
    require(
        isinstance(value, torch.Tensor), f"an image must be a tensor, not {type(value).__name__}"
    )
    require(
        value.ndim == 4 and value.shape[3] in CHANNELS and value.numel() > 0,
        f"an image must have shape (N, H, W, 3 or 4), not {tuple(value.shape)}",
    )
    require(value.dtype == torch.float32, f"an image must be float32, not {value.dtype}")
    pixels = torch.empty(value.shape, dtype=torch.uint8)
    for part, levels in zip(value.split(1), pixels.split(1), strict=True):  # needs little memory
        levels.copy_(_quantise_finite(part))
    return None, {"image": pixels}


def _quantise_finite(part: Tensor) -> Tensor:
    require(bool(part.isfinite().all()), "an image has values that are not finite")
    return quantise(part)


def _decode_image(_: Json, blob: Blob | None) -> Tensor:
    assert blob is not None
    return blob.tensor("image").float().div_(255)


def _decode_pictures(_: Json, blob: Blob | None) -> PictureBatch:
    assert blob is not None
    read, (count, *size) = blob.rows, blob.shape("image")
    return PictureBatch(size, range(count), lambda rows: read("image", rows).float().div_(255))


Image = Annotated[
    "Tensor",
    Socket("image", "float32 (N, H, W, 3 or 4) in 0..1, sRGB", _encode_image, _decode_image),
]


# The same socket, for nodes that read the pictures in parts or pass them on: see pictures.py.
Pictures = Annotated[
    "Tensor",
    Socket("image", "float32 (N, H, W, 3 or 4) in 0..1, sRGB", _encode_image, _decode_pictures),
]


def _encode_mask(value: Any) -> tuple[Json, Buffers]:
    import torch

    require(isinstance(value, torch.Tensor), f"a mask must be a tensor, not {type(value).__name__}")
    require(
        value.ndim == 3 and value.numel() > 0 and value.dtype == torch.float32,
        f"a mask must be float32 (N, H, W), not {value.dtype} {tuple(value.shape)}",
    )
    require(bool(value.isfinite().all()), "a mask has values that are not finite")
    return None, {"mask": quantise(value)}


def _decode_mask(_: Json, blob: Blob | None) -> Tensor:
    assert blob is not None
    return blob.tensor("mask").float().div_(255)


Mask = Annotated[
    "Tensor",
    Socket("mask", "float32 (N, H, W) in 0..1; 1: transparent", _encode_mask, _decode_mask),
]


# Latents


@dataclass(frozen=True)
class GanLatent:
    """Points in a GAN's latent space: z (N, D) and class weights (N, C) that sum to 1, float32.

    Latents of `mix_styles` contain one for each level, side by side: (N, L D) and (N, L C).

    shift: (N, L S), added to the style of each level, or None. Latents have it if `invert` found
           them or `move_latent` moved them: then no z may give their style.
    """

    z: Tensor
    classes: Tensor
    shift: Tensor | None = None

    @property
    def lengths(self) -> tuple[int, int, int]:
        """Lengths of z, class weights and shift; 0 without a shift."""
        shift = 0 if self.shift is None else self.shift.shape[1]
        return self.z.shape[1], self.classes.shape[1], shift

    @staticmethod
    def encode(value: GanLatent) -> tuple[Json, Buffers]:
        require(
            isinstance(value, GanLatent),
            f"a GAN latent must be a GanLatent, not {type(value).__name__}",
        )
        for tensor in (value.z, value.classes):
            _require_points(tensor, "a GAN latent", 2)
        if value.shift is None:
            return None, {"z": value.z, "classes": value.classes}
        _require_points(value.shift, "the shift of a GAN latent", 2)
        buffers = {"z": value.z, "classes": value.classes, "shift": value.shift}
        return {"shifted": True}, buffers

    @staticmethod
    def decode(meta: Json, blob: Blob | None) -> GanLatent:
        assert blob is not None
        shift = blob.tensor("shift") if meta and meta.get("shifted") else None
        return GanLatent(blob.tensor("z"), blob.tensor("classes"), shift)


@dataclass(frozen=True)
class VaeLatent:
    """Points in a VAE's latent space: z (N, C, h, w) float32."""

    z: Tensor

    @staticmethod
    def encode(value: VaeLatent) -> tuple[Json, Buffers]:
        require(
            isinstance(value, VaeLatent),
            f"a VAE latent must be a VaeLatent, not {type(value).__name__}",
        )
        _require_points(value.z, "a VAE latent", 4)
        return None, {"z": value.z}

    @staticmethod
    def decode(_: Json, blob: Blob | None) -> VaeLatent:
        assert blob is not None
        return VaeLatent(blob.tensor("z"))


def _require_points(tensor: Tensor, name: str, dimensions: int) -> None:
    import torch

    require(
        tensor.dtype == torch.float32
        and tensor.ndim == dimensions
        and tensor.numel() > 0
        and bool(tensor.isfinite().all()),
        f"{name} must be finite float32 with {dimensions} dimensions, not {tuple(tensor.shape)}",
    )


# Tables, numbers, texts

X = "step"  # name of the column that is the default x of a table


@dataclass(frozen=True)
class Table:
    """Named columns of equal length.

    columns: each contains only numbers or only texts; None is an unknown value.
    x:       name of the column over which curves are drawn, if the table has this column.
    """

    columns: dict[str, list[Any]]
    x: str = X

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    @staticmethod
    def encode(value: Table) -> tuple[Json, Buffers]:
        require(isinstance(value, Table), f"a table must be a Table, not {type(value).__name__}")
        require(
            len({len(column) for column in value.columns.values()}) <= 1,
            "the columns of a table must have the same length",
        )
        columns = [
            [name, [_finite(cell) for cell in column]] for name, column in value.columns.items()
        ]
        if value.x == X:
            return columns, {}
        require(
            value.x in value.columns,
            f"the x of a table must be one of its columns, not {value.x!r}",
        )
        # The name of x is an empty first column. Older versions, which have no x, ignore it because
        # the column of this name that follows replaces it.
        return [[value.x, []], *columns], {}

    @staticmethod
    def decode(meta: Json, _: Blob | None) -> Table:
        columns = {name: list(column) for name, column in meta}
        return Table(columns, X if len(columns) == len(meta) else meta[0][0])


def _finite(cell: Any) -> Any:
    """Returns a cell in a form that JSON can represent: None for NaN and infinities."""
    require(
        cell is None or isinstance(cell, int | float | str),
        "a cell must be a number, a text or None",
    )
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _encode_number(value: int | float) -> tuple[Json, Buffers]:
    require(
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
        f"a number must be finite, not {value!r}",
    )
    return value, {}


def _encode_text(value: str) -> tuple[Json, Buffers]:
    require(isinstance(value, str), f"a text must be a string, not {type(value).__name__}")
    return value, {}


Number = Annotated[
    int | float, Socket("number", "a finite number", _encode_number, lambda value, _: value)
]
Text = Annotated[str, Socket("text", "a string", _encode_text, lambda value, _: value)]

# For nodes that accept either kind of latent, and return the kind that they received.
Latent = TypeVar("Latent", GanLatent, VaeLatent)

_VALUES: dict[type, Socket] = {
    cls: Socket(name, about, cls.encode, cls.decode)
    for cls, name, about in (
        (Dataset, "dataset", DATASET_FORM),
        (Gan, "gan", "a GAN's config and weights"),
        (Vae, "vae", "a VAE's config and weights, and those of its prior if it has one"),
        (Classifier, "classifier", "a classifier's config and weights"),
        (Restyler, "restyler", "a classifier's and a decoder's config and weights"),
        (Encoder, "encoder", "the config and weights of a GAN's encoder"),
        (GanLatent, "gan_latent", "float32 (N, D), with class weights (N, C)"),
        (Directions, "directions", "names, with float32 (K, D)"),
        (VaeLatent, "vae_latent", "float32 (N, C, h, w)"),
        (Table, "table", "named columns of numbers or text"),
        (Files, "files", "named files for the output folder"),
    )
}


def socket_of(annotation: Any) -> Socket | None:
    """Returns the socket of an annotation, or None if it does not have one."""
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(extra, Socket):
            return extra
    return _VALUES.get(annotation) or getattr(annotation, "__socket__", None)
