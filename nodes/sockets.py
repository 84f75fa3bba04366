"""Each kind of value that flows along a wire: shape, range, and its form in the store.

A node's annotation names the kind: `image: Image`, `dataset: Dataset | None = None`. Encoding
splits a value into JSON and named tensors (or raw bytes); decoding puts it together again. A
value without tensors stands in the store's index, one with tensors in a safetensors file.
docs/data.md says the same for readers. Torch is imported only where a value is touched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

from .batches import PictureBatch, in_levels, parts

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..models.classifier import ClassicNet, ResidualNet
    from ..models.prior_network import PriorNet
    from ..models.vae_networks import Vae as VaeNetwork
    from ..models.vae_networks import VaeConfig

Json = Any
Network = TypeVar("Network", bound="nn.Module")


@dataclass(frozen=True)
class Rows:
    """A uint8 buffer that is written as it comes: its whole shape, and the parts of it."""

    shape: tuple[int, ...]
    parts: Iterable[Tensor]


Buffers = Mapping[str, "Tensor | bytes | Rows"]


class Blob(Protocol):
    """A stored file of named buffers."""

    def tensor(self, name: str) -> Tensor:
        """A tensor mapped from the file; writing to it changes this copy only."""

    def shape(self, name: str) -> list[int]:
        """The shape of a tensor."""

    def rows(self, name: str, rows: Sequence[int]) -> Tensor:
        """Some rows of a uint8 tensor, read from the file; little memory is taken for long."""

    def names(self) -> list[str]:
        """All names, those with a dot grouped by their prefix."""

    def raw(self, name: str) -> bytes:
        """The bytes of one buffer."""


@dataclass(frozen=True)
class Socket:
    """One kind of value. `about` says shape, type and range in one line."""

    name: str
    about: str
    encode: Callable[[Any], tuple[Json, Buffers]]
    decode: Callable[[Json, Blob], Any]


class SocketError(ValueError):
    """A node returned something that is not what its annotation says."""


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise SocketError(what)


# Image


def _encode_image(value: Any) -> tuple[Json, Buffers]:
    import torch

    if isinstance(value, PictureBatch):
        return None, {"image": Rows(value.shape, map(_checked_levels, parts(value)))}
    _require(isinstance(value, torch.Tensor), f"an image is a tensor, not {type(value).__name__}")
    _require(
        value.ndim == 4 and value.shape[3] == 3 and value.numel() > 0,
        f"an image has shape (N, H, W, 3), not {tuple(value.shape)}",
    )
    _require(value.dtype == torch.float32, f"an image is float32, not {value.dtype}")
    pixels = torch.empty(value.shape, dtype=torch.uint8)
    for part, levels in zip(value.split(1), pixels.split(1), strict=True):  # little memory
        levels.copy_(_checked_levels(part))
    return None, {"image": pixels}


def _checked_levels(part: Tensor) -> Tensor:
    _require(bool(part.isfinite().all()), "an image has values that are not finite")
    return in_levels(part)


def _decode_image(_: Json, blob: Blob) -> Tensor:
    return blob.tensor("image").float().div_(255)


def _decode_pictures(_: Json, blob: Blob) -> PictureBatch:
    count, *size = blob.shape("image")
    return PictureBatch(size, range(count), lambda rows: blob.rows("image", rows).float().div_(255))


Image = Annotated[
    "Tensor",
    Socket("image", "float32 (N, H, W, 3) in 0..1, sRGB", _encode_image, _decode_image),
]


# The same, for nodes that take pictures one by one or pass them on: see `batches`.
Pictures = Annotated[
    "Tensor",
    Socket("image", "float32 (N, H, W, 3) in 0..1, sRGB", _encode_image, _decode_pictures),
]


# Dataset


@dataclass(frozen=True)
class Dataset:
    """Pictures with labels: images uint8 (N, H, W, 3), labels int64 (N,), names of the files."""

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def size(self) -> int:
        """Edge of the square pictures in pixels."""
        return int(self.images.shape[1])

    @staticmethod
    def encode(value: Dataset) -> tuple[Json, Buffers]:
        import torch

        _require(isinstance(value, Dataset), f"not a dataset: {type(value).__name__}")
        shape, count = tuple(value.images.shape), len(value.names)
        _require(
            value.images.dtype == torch.uint8
            and len(shape) == 4
            and shape[0] == count > 0
            and shape[1] == shape[2]
            and shape[3] == 3,
            f"a dataset's images are uint8 (N, S, S, 3) with a name each, not {shape}",
        )
        labels = value.labels
        _require(
            labels.dtype == torch.int64
            and labels.shape == (count,)
            and int(labels.min()) >= 0
            and int(labels.max()) < len(value.classes),
            "a dataset's labels are int64 (N,), each an index into its classes",
        )
        meta = {"classes": list(value.classes), "names": list(value.names)}
        return meta, {"images": value.images, "labels": labels}

    @staticmethod
    def decode(meta: Json, blob: Blob) -> Dataset:
        return Dataset(
            blob.tensor("images"),
            blob.tensor("labels"),
            tuple(meta["classes"]),
            tuple(meta["names"]),
        )


# Models: a config from which the network is built, and its weights


@dataclass(frozen=True)
class Model:
    """A trained model: plain config and state dict; `network()` builds it, in eval mode."""

    config: dict[str, Any]
    state: dict[str, Tensor]

    def network(self, device: str = "cpu") -> nn.Module:
        raise NotImplementedError

    def check(self) -> None:
        """Build all networks; an error says that config or weights are not sound."""
        self.network()

    @classmethod
    def encode(cls, value: Model) -> tuple[Json, Buffers]:
        _require(isinstance(value, cls), f"not a {cls.__name__}: {type(value).__name__}")
        return value.config, value.state

    @classmethod
    def decode(cls, meta: Json, blob: Blob) -> Model:
        return cls(meta, {name: blob.tensor(name) for name in blob.names()})

    @property
    def size(self) -> int:
        """Edge of the pictures it was trained on, in pixels."""
        return int(self.config["size"])


class Gan(Model):
    """A generative adversarial network; `network()` is its generator."""

    def network(self, device: str = "cpu") -> nn.Module:
        from ..models.gan import GanConfig, make_generator

        config = GanConfig.from_dict(self.config)
        return _load(lambda: make_generator(config), self.state, "generator.", device)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.config["classes"])


class Vae(Model):
    """A variational autoencoder, perhaps with a prior: what draws latents of it."""

    def network(self, device: str = "cpu") -> VaeNetwork:
        from ..models.vae import make_vae

        config = self._checked()
        state = {key: v for key, v in self.state.items() if not key.startswith("prior.")}
        return _load(lambda: make_vae(config), state, "", device)

    def prior(self, device: str = "cpu") -> PriorNet | None:
        """The prior's network, where there is one."""
        from ..models.prior_network import PriorNet

        config = self._checked()
        prior = config.prior
        if prior is None:
            return None
        return _load(lambda: PriorNet(config.channels, prior), self.state, "prior.", device)

    def check(self) -> None:
        self.network()
        self.prior()

    @property
    def classes(self) -> tuple[str, ...]:
        """Those that the prior knows; none without one."""
        return tuple((self.config.get("prior") or {}).get("classes", ()))

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Of one latent: (channels, height, width)."""
        return self._checked().latent_shape

    def _checked(self) -> VaeConfig:
        from ..models.vae import VaeConfig

        return VaeConfig.from_dict(self.config)


class Classifier(Model):
    """A convolutional classifier."""

    def network(self, device: str = "cpu") -> ResidualNet | ClassicNet:
        from ..models.classifier import ClassifierConfig, make_classifier

        config = ClassifierConfig.from_dict(self.config)
        return _load(lambda: make_classifier(config), self.state, "", device)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.config["classes"])


def _load(
    make: Callable[[], Network], state: dict[str, Tensor], prefix: str, device: str
) -> Network:
    """The network of `state` (its names under `prefix`), frozen, in eval mode, on `device`."""
    import torch

    from ..models.blocks import blank

    network = blank(make)
    mine = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    network.load_state_dict(mine)
    return network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


# Latents


@dataclass(frozen=True)
class GanLatent:
    """Points in a GAN's latent space: z (N, D) and class weights (N, C) that sum to 1, float32."""

    z: Tensor
    classes: Tensor

    @staticmethod
    def encode(value: GanLatent) -> tuple[Json, Buffers]:
        _require(isinstance(value, GanLatent), f"not a GAN latent: {type(value).__name__}")
        for tensor in (value.z, value.classes):
            _require_points(tensor, "a GAN latent", 2)
        return None, {"z": value.z, "classes": value.classes}

    @staticmethod
    def decode(_: Json, blob: Blob) -> GanLatent:
        return GanLatent(blob.tensor("z"), blob.tensor("classes"))


@dataclass(frozen=True)
class VaeLatent:
    """Points in a VAE's latent space: z (N, C, h, w) float32."""

    z: Tensor

    @staticmethod
    def encode(value: VaeLatent) -> tuple[Json, Buffers]:
        _require(isinstance(value, VaeLatent), f"not a VAE latent: {type(value).__name__}")
        _require_points(value.z, "a VAE latent", 4)
        return None, {"z": value.z}

    @staticmethod
    def decode(_: Json, blob: Blob) -> VaeLatent:
        return VaeLatent(blob.tensor("z"))


def _require_points(tensor: Tensor, what: str, dimensions: int) -> None:
    import torch

    _require(
        tensor.dtype == torch.float32
        and tensor.ndim == dimensions
        and tensor.numel() > 0
        and bool(tensor.isfinite().all()),
        f"{what} is finite float32 with {dimensions} dimensions, not {tuple(tensor.shape)}",
    )


# Tables, numbers, texts, files


@dataclass(frozen=True)
class Table:
    """Named columns of equal length, each all numbers or all text (or None where unknown)."""

    columns: dict[str, list[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    @staticmethod
    def encode(value: Table) -> tuple[Json, Buffers]:
        _require(isinstance(value, Table), f"not a table: {type(value).__name__}")
        _require(
            len({len(column) for column in value.columns.values()}) <= 1,
            "a table's columns are equally long",
        )
        columns = [
            [name, [_finite(cell) for cell in column]] for name, column in value.columns.items()
        ]
        return columns, {}

    @staticmethod
    def decode(meta: Json, _: Blob) -> Table:
        return Table({name: list(column) for name, column in meta})


def _finite(cell: Any) -> Any:
    """A cell as JSON can hold it; not a number and infinities are unknown."""
    _require(cell is None or isinstance(cell, int | float | str), "a cell is a number or text")
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _encode_number(value: int | float) -> tuple[Json, Buffers]:
    _require(
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
        f"a number is finite, not {value!r}",
    )
    return value, {}


def _encode_text(value: str) -> tuple[Json, Buffers]:
    _require(isinstance(value, str), f"a text is a string, not {type(value).__name__}")
    return value, {}


@dataclass(frozen=True)
class Files:
    """Files to write into the output folder: name (no folder) to content.

    The runner writes them, so that a node that saves is a pure function like any other. A name
    that begins with `@` gets the name of the node in its graph there.
    """

    files: dict[str, bytes]

    @staticmethod
    def encode(value: Files) -> tuple[Json, Buffers]:
        _require(isinstance(value, Files), f"not files: {type(value).__name__}")
        for name in value.files:
            _require(is_file_name(name), f"{name!r} is no plain file name")
        return list(value.files), {f"{i:06}": data for i, data in enumerate(value.files.values())}

    @staticmethod
    def decode(meta: Json, blob: Blob) -> Files:
        return Files({name: blob.raw(f"{i:06}") for i, name in enumerate(meta)})


def file_name(name: str, ending: str) -> str:
    """The name of a file to save; without one, the node's own will be put in."""
    return (name or "@") + ending


_RESERVED = {"con", "prn", "aux", "nul"} | {f"{d}{i}" for d in ("com", "lpt") for i in range(10)}


def is_file_name(name: str) -> bool:
    """True for a plain name that is safe on every system: no folder, no device, not hidden."""
    return (
        0 < len(name.encode()) <= 200
        and not name.startswith((".", " "))
        and not name.endswith((".", " "))
        and not any(c in '<>:"/\\|?*' or ord(c) < 32 for c in name)
        and name.split(".")[0].lower() not in _RESERVED
    )


Number = Annotated[
    int | float, Socket("number", "a finite number", _encode_number, lambda value, _: value)
]
Text = Annotated[str, Socket("text", "a string", _encode_text, lambda value, _: value)]

# What goes in comes out: a node over either kind of latent.
Latent = TypeVar("Latent", GanLatent, VaeLatent)

_VALUES: dict[type, Socket] = {
    cls: Socket(name, about, cls.encode, cls.decode)
    for cls, name, about in (
        (Dataset, "dataset", "uint8 (N, S, S, 3) with labels, class names and file names"),
        (Gan, "gan", "a GAN's config and weights"),
        (Vae, "vae", "a VAE's config and weights, perhaps with a prior's"),
        (Classifier, "classifier", "a classifier's config and weights"),
        (GanLatent, "gan_latent", "float32 (N, D), with class weights (N, C)"),
        (VaeLatent, "vae_latent", "float32 (N, C, h, w)"),
        (Table, "table", "named columns of numbers or text"),
        (Files, "files", "named files for the output folder"),
    )
}


def socket_of(annotation: Any) -> Socket | None:
    """The socket that an annotation names, None where it names none."""
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(extra, Socket):
            return extra
    return _VALUES.get(annotation) or getattr(annotation, "__socket__", None)
