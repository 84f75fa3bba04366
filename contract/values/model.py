"""What all trained models have in common: a config that describes the network, and its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ...models.configs import Size, sides_of, size_text
from ..errors import NodeError
from .socket import Blob, Buffers, Json, require

if TYPE_CHECKING:
    from torch import Tensor, nn

Network = TypeVar("Network", bound="nn.Module")
_ORIGIN = "origin"  # the key of the origin beside the config; no config has such a field


@dataclass(frozen=True)
class Model:
    """A trained model: its config and its state dict; `network()` builds it, in eval mode.

    origin: what it learnt from, as plain JSON; None if that was not recorded.
    """

    noun: ClassVar[str] = "model"  # the kind of model in messages
    # How the names of weights begin that neither read nor draw pictures.
    _not_drawing: ClassVar[tuple[str, ...]] = ()

    config: dict[str, Any]
    state: dict[str, Tensor]
    origin: dict[str, Any] | None = None

    def network(self, device: str = "cpu") -> nn.Module:
        """Returns the network on `device`, frozen and in eval mode."""
        raise NotImplementedError

    def check(self) -> None:
        """Builds all networks; raises an error if the config or the weights are not valid."""
        self.network()

    @classmethod
    def encode(cls, value: Model) -> tuple[Json, Buffers]:
        require(
            isinstance(value, cls),
            f"a {cls.noun} must be a {cls.__name__}, not {type(value).__name__}",
        )
        origin = {} if value.origin is None else {_ORIGIN: value.origin}
        return {**value.config, **origin}, value.state

    @classmethod
    def decode(cls, meta: Json, blob: Blob | None) -> Model:
        config = dict(meta)
        origin = config.pop(_ORIGIN, None)
        state = {name: blob.tensor(name) for name in blob.names()} if blob else {}
        return cls(config, state, origin)

    def digest(self) -> str:
        """Returns a digest of the weights, in the order of their names, as 32 hex digits."""
        import torch
        from blake3 import blake3

        found = blake3()
        for _, tensor in sorted(self.state.items()):
            found.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        return found.hexdigest(16)

    def latents_digest(self) -> str:
        """Returns a digest of what decides which latents fit, as 32 hex digits.

        It covers the names of the classes and the weights of the decoding network, rounded to
        float16, so a model that was saved as float16 has the digest of the original.
        """
        import json

        import torch
        from blake3 import blake3

        found = blake3(json.dumps([self.noun, [*self.config.get("classes", ())]]).encode())
        for name, tensor in sorted(self.state.items()):
            if name.startswith(self._not_drawing):
                continue
            rounded = tensor.half() if tensor.is_floating_point() else tensor
            found.update(rounded.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        return found.hexdigest(16)

    @property
    def height(self) -> int:
        """Height of the pictures it was trained on, in pixels."""
        return sides_of(self._size)[0]

    @property
    def width(self) -> int:
        """Width of the pictures it was trained on, in pixels."""
        return sides_of(self._size)[1]

    @property
    def has_alpha(self) -> bool:
        """Whether its pictures have an alpha channel."""
        return bool(self.config.get("alpha"))

    @property
    def _size(self) -> Size:
        size = self.config["size"]
        return tuple(size) if isinstance(size, list) else size

    def check_size(self, height: int, width: int) -> None:
        """Raises: NodeError if pictures of this height and width do not fit this model."""
        if (height, width) != (self.height, self.width):
            needed = size_text(self.height, self.width)
            raise NodeError(
                f"the {self.noun} needs pictures of {needed}, not {size_text(height, width)}",
                f"load them with size {self.height}"
                if self.height == self.width
                else f"load them with the `size` and `aspect` of this {self.noun}'s dataset",
            )


def load_network(
    make: Callable[[], Network], state: dict[str, Tensor], prefix: str, device: str
) -> Network:
    """Returns the network with the weights that begin with `prefix`, frozen, in eval mode."""
    import torch

    from ...models.blocks import blank

    network = blank(make)
    weights = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
