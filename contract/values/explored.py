"""What is found out about a GAN: the encoder of its pictures, and directions of its latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import NodeError
from .model import Model, load_network
from .models import Gan
from .socket import Blob, Buffers, Json, require

if TYPE_CHECKING:
    from torch import Tensor

    from ...models.gan.encoder import GanEncoder

MOST_DIRECTIONS = 256


class Encoder(Model):
    """The encoder of a GAN; `network()` finds the latents of a picture."""

    noun = "encoder"

    def network(self, device: str = "cpu") -> GanEncoder:
        from ...models.gan.encoder import EncoderConfig
        from ...models.gan.encoder import GanEncoder as Network

        config = EncoderConfig.from_dict(self.config)
        return load_network(lambda: Network(config), self.state, "", device)

    def check_gan(self, gan: Gan) -> None:
        """Raises: NodeError if it was trained for another GAN."""
        if self.config["model"] != gan.latents_digest():
            raise NodeError(
                "the encoder was trained for another GAN",
                "train one for this GAN with train_encoder, or leave `encoder` unwired",
            )


@dataclass(frozen=True)
class Directions:
    """Directions in which the latents of a GAN can be moved.

    names:   of the directions, all different.
    vectors: float32 (K, D), one a direction. A step of strength 1 is the whole vector. D is the
             length of a style (method projected) or of the global part of a latent.
    model:   digest of the GAN.
    frame:   float32 (R + 1, D), or None: a centre, and an orthonormal basis of what moving along
             any of these directions replaces (see models/gan/directions.py).
    """

    names: tuple[str, ...]
    vectors: Tensor
    model: str
    frame: Tensor | None = None

    def __len__(self) -> int:
        return len(self.names)

    def check_gan(self, gan: Gan) -> None:
        """Raises: NodeError if they are directions of another GAN."""
        from ...models.gan.api import GanConfig

        config = GanConfig.from_dict(gan.config)
        if self.model != gan.latents_digest() or self.vectors.shape[1] != (
            config.style or config.latent
        ):
            raise NodeError(
                "the directions are from another GAN",
                "find those of this GAN with latent_directions",
            )

    @staticmethod
    def encode(value: Directions) -> tuple[Json, Buffers]:
        import torch

        require(
            isinstance(value, Directions),
            f"directions must be Directions, not {type(value).__name__}",
        )
        require(
            0 < len(value.names) == len(set(value.names)) <= MOST_DIRECTIONS
            and all(isinstance(name, str) and 0 < len(name) <= 1000 for name in value.names),
            f"directions need 1 to {MOST_DIRECTIONS} different names",
        )
        tensors = {"vectors": value.vectors}
        if value.frame is not None:
            tensors["frame"] = value.frame
        width = value.vectors.shape[-1]
        for tensor in tensors.values():
            require(
                tensor.dtype == torch.float32
                and tensor.ndim == 2
                and tensor.numel() > 0
                and tensor.shape[1] == width
                and bool(tensor.isfinite().all()),
                "directions must be finite float32 (K, D)",
            )
        require(len(value.vectors) == len(value.names), "directions need a name each")
        return {"names": [*value.names], "model": value.model}, tensors

    @staticmethod
    def decode(meta: Json, blob: Blob | None) -> Directions:
        assert blob is not None
        frame = blob.tensor("frame") if "frame" in blob.names() else None
        return Directions(tuple(meta["names"]), blob.tensor("vectors"), str(meta["model"]), frame)
