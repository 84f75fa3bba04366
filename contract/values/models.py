"""Trained models as they flow along a wire: a config that the network follows from, and weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ..errors import NodeError
from .socket import Blob, Buffers, Json, require

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ...models.classifier.networks import ClassicNet, ResidualNet
    from ...models.vae.config import VaeConfig
    from ...models.vae.networks import VaeNetwork
    from ...models.vae.prior_network import PriorNet

Network = TypeVar("Network", bound="nn.Module")


@dataclass(frozen=True)
class Model:
    """A trained model: plain config and state dict; `network()` builds it, in eval mode."""

    noun: ClassVar[str] = "model"  # what messages call it

    config: dict[str, Any]
    state: dict[str, Tensor]

    def network(self, device: str = "cpu") -> nn.Module:
        raise NotImplementedError

    def check(self) -> None:
        """Build all networks; an error says that config or weights are not sound."""
        self.network()

    @classmethod
    def encode(cls, value: Model) -> tuple[Json, Buffers]:
        require(isinstance(value, cls), f"not a {cls.__name__}: {type(value).__name__}")
        return value.config, value.state

    @classmethod
    def decode(cls, meta: Json, blob: Blob | None) -> Model:
        return cls(meta, {name: blob.tensor(name) for name in blob.names()} if blob else {})

    @property
    def size(self) -> int:
        """Edge of the pictures it was trained on, in pixels."""
        return int(self.config["size"])

    def check_size(self, size: int) -> None:
        """Raises: NodeError if pictures of `size` px are larger or smaller than this model's."""
        if size != self.size:
            raise NodeError(
                f"the pictures are {size} px, the {self.noun}'s {self.size} px",
                "load both in one size",
            )


class Gan(Model):
    """A generative adversarial network; `network()` is its generator."""

    noun = "GAN"

    def network(self, device: str = "cpu") -> nn.Module:
        from ...models.gan.api import GanConfig, make_generator

        config = GanConfig.from_dict(self.config)
        return _load(lambda: make_generator(config), self.state, "generator.", device)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.config["classes"])


class Vae(Model):
    """A variational autoencoder, perhaps with a prior: what draws latents of it."""

    noun = "VAE"

    def network(self, device: str = "cpu") -> VaeNetwork:
        from ...models.vae.api import make_vae

        config = self._checked()
        state = {key: v for key, v in self.state.items() if not key.startswith("prior.")}
        return _load(lambda: make_vae(config), state, "", device)

    def prior(self, device: str = "cpu") -> PriorNet | None:
        """The prior's network, where there is one."""
        from ...models.vae.prior_network import PriorNet

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
        from ...models.vae.api import VaeConfig

        return VaeConfig.from_dict(self.config)


class Classifier(Model):
    """A convolutional classifier."""

    noun = "classifier"

    def network(self, device: str = "cpu") -> ResidualNet | ClassicNet:
        from ...models.classifier.networks import ClassifierConfig, make_classifier

        config = ClassifierConfig.from_dict(self.config)
        return _load(lambda: make_classifier(config), self.state, "", device)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.config["classes"])

    def features(self, device: str) -> nn.Module:
        """Returns a network that returns the feature maps of this one.

        Raises: NodeError for a classic classifier, whose features are too few.
        """
        from ...models.classifier.networks import Features, ResidualNet

        network = self.network(device)
        if not isinstance(network, ResidualNet):
            raise NodeError(
                "a classic classifier has no features for other nodes",
                "train it with method residual, or leave `classifier` unwired",
            )
        return Features(network)


def _load(
    make: Callable[[], Network], state: dict[str, Tensor], prefix: str, device: str
) -> Network:
    """The network of `state` (its names under `prefix`), frozen, in eval mode, on `device`."""
    import torch

    from ...models.blocks import blank

    network = blank(make)
    mine = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    network.load_state_dict(mine)
    return network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
