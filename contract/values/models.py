"""Trained models as values: a config that describes the network, and its weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...models.configs import size_text
from ..errors import NodeError
from .model import Model, load_network

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ...models.classifier.networks import ClassicNet, Features, ResidualNet
    from ...models.pretrained.network import PretrainedFeatures, PretrainedNet
    from ...models.repaint.adain import Restyler as RestylerNet
    from ...models.vae.config import VaeConfig
    from ...models.vae.networks import VaeNetwork
    from ...models.vae.prior_network import PriorNet

ENCODER = "encoder."  # how the names of a restyler's weights begin that are the classifier's


class Gan(Model):
    """A generative adversarial network; `network()` is its generator."""

    noun = "GAN"
    _not_drawing = ("critic.", "features.")

    def network(self, device: str = "cpu") -> nn.Module:
        from ...models.gan.api import GanConfig, make_generator

        config = GanConfig.from_dict(self.config)
        return load_network(lambda: make_generator(config), self.state, "generator.", device)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.config["classes"])

    def check_latents(self, length: int, classes: int, shift: int = 0) -> bool:
        """Returns whether latents with these lengths contain one for each level, side by side.

        `shift` is the length of their shift, 0 if they have none.

        Raises: NodeError if they are not latents of this GAN.
        """
        from ...models.gan.api import GanConfig

        config = GanConfig.from_dict(self.config)
        levels = len(config.channels)
        by_level = (levels * config.latent_dim, levels * len(config.classes))
        if shift in (0, levels * config.style):
            if (length, classes) == (config.latent_dim, len(config.classes)):
                return False
            if config.method == "projected" and (length, classes) == by_level:
                return True
        raise NodeError("the latents are from another GAN", "wire latents of this GAN")


class Vae(Model):
    """A variational autoencoder, perhaps with a prior: a network that draws random latents."""

    noun = "VAE"
    _not_drawing = ("prior.",)

    def network(self, device: str = "cpu") -> VaeNetwork:
        from ...models.vae.api import make_vae

        config = self._vae_config()
        state = {key: v for key, v in self.state.items() if not key.startswith("prior.")}
        shapes = {key: tuple(value.shape) for key, value in state.items()}
        return load_network(lambda: make_vae(config, shapes), state, "", device)

    def prior(self, device: str = "cpu") -> PriorNet | None:
        """Returns the network of the prior, or None if there is none."""
        from ...models.vae.prior_network import PriorNet

        config = self._vae_config()
        prior = config.prior
        if prior is None:
            return None
        return load_network(lambda: PriorNet(config.channels, prior), self.state, "prior.", device)

    def check(self) -> None:
        self.network()
        self.prior()

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the prior; empty without a prior."""
        return tuple((self.config.get("prior") or {}).get("classes", ()))

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Shape of one latent: (channels, height, width)."""
        return self._vae_config().latent_shape

    @property
    def any_size(self) -> bool:
        """Whether pictures may have any size: those of a VAE of another program, without prior."""
        config = self._vae_config()
        return config.is_foreign and config.prior is None

    def size_for(self, height: int, width: int) -> tuple[int, int]:
        """Returns the height and width at which pictures of this size are encoded.

        Raises: NodeError if they are too small or too large.
        """
        from ...models.vae.config import FACTOR, MOST_PIXELS

        if not self.any_size:
            return self.height, self.width
        rows, columns = height // FACTOR * FACTOR, width // FACTOR * FACTOR
        if not 0 < rows * columns <= MOST_PIXELS:
            edge = math.isqrt(MOST_PIXELS)
            raise NodeError(
                f"pictures of {size_text(height, width)} are too small or too large for this VAE",
                f"resize them to {FACTOR} to {edge} px",
            )
        return rows, columns

    def check_size(self, height: int, width: int) -> None:
        from ...models.vae.config import FACTOR

        if not self.any_size:
            super().check_size(height, width)
        elif self.size_for(height, width) != (height, width):
            raise NodeError(
                f"the VAE needs pictures of multiples of {FACTOR} px, not"
                f" {size_text(height, width)}",
                "load them with such a size",
            )

    def check_latents(self, shape: tuple[int, ...]) -> None:
        """Raises: NodeError if latents of this shape are not those of this VAE."""
        from ...models.vae.config import FACTOR

        expected = self.latent_shape
        if self.any_size and shape[0] == expected[0]:
            self.size_for(FACTOR * shape[1], FACTOR * shape[2])
        elif shape != expected:
            needed = f"{expected[0]} channels" if self.any_size else f"the shape {expected}"
            raise NodeError(
                f"these latents come from another VAE: this one needs {needed}, not {shape}",
                "wire latents of this VAE",
            )

    def _vae_config(self) -> VaeConfig:
        from ...models.vae.api import VaeConfig

        return VaeConfig.from_dict(self.config)


class Classifier(Model):
    """A convolutional classifier."""

    noun = "classifier"

    def network(self, device: str = "cpu") -> ResidualNet | ClassicNet | PretrainedNet:
        from ...models.classifier.networks import ClassifierConfig, make_classifier

        if self.is_pretrained:
            return self._pretrained(device)
        config = ClassifierConfig.from_dict(self.config)
        return load_network(lambda: make_classifier(config), self.state, "", device)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.config["classes"])

    @property
    def is_pretrained(self) -> bool:
        """Whether it is a pretrained network, or was trained from one."""
        return self.config.get("method") == "pretrained"

    def check_classes(self) -> None:
        """Raises: NodeError if it has no classes, but only features."""
        if not self.classes:
            raise NodeError(
                "this pretrained classifier has features, but no classes",
                "wire it to `start` of train_classifier, and use the classifier that is trained",
            )

    def features(self, device: str) -> Features | PretrainedFeatures:
        """Returns a network that returns the feature maps of this one.

        Raises: NodeError for a classifier of the classic method, which has too few features.
        """
        from ...models.classifier.networks import Features, ResidualNet

        if self.is_pretrained:
            from ...models.pretrained.network import PretrainedFeatures

            return PretrainedFeatures(self._pretrained(device))
        network = self.network(device)
        if not isinstance(network, ResidualNet):
            raise NodeError(
                "a classifier of the classic method has no features for other nodes",
                "train one with method residual, or leave `classifier` unwired",
            )
        return Features(network)

    def _pretrained(self, device: str) -> PretrainedNet:
        import torch

        from ...models.pretrained.network import PretrainedConfig, load_pretrained

        network = load_pretrained(PretrainedConfig.from_dict(self.config), self.state)
        network.eval().requires_grad_(False)
        return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


class Restyler(Model):
    """A network that repaints pictures in any style: a classifier and a decoder of its features."""

    noun = "restyler"

    def network(self, device: str = "cpu") -> RestylerNet:
        from ...models.repaint.adain import Restyler as RestylerNet
        from ...models.repaint.adain import RestylerConfig, decoder_of

        config = RestylerConfig.from_dict(self.config)
        weights = self.decoder
        decoder = load_network(lambda: decoder_of(weights, config.width), weights, "", device)
        return RestylerNet(self.classifier.features(device), decoder)

    @property
    def decoder(self) -> dict[str, Tensor]:
        """The weights of the decoder."""
        return {k: v for k, v in self.state.items() if not k.startswith(ENCODER)}

    @property
    def classifier(self) -> Classifier:
        """The classifier whose features it uses."""
        state = {k.removeprefix(ENCODER): v for k, v in self.state.items() if k.startswith(ENCODER)}
        return Classifier(dict(self.config["classifier"]), state)
