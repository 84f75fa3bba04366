"""The networks of the VAEs: encoder and decoder."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..alpha import more_inputs, more_outputs
from .config import FACTOR
from .fsq import nearest, quantise

START_LOG_VARIANCE = -4.0  # of the posterior at the start, while the latents' variance is 1
HIDDEN = 400  # units of the classic VAE's hidden layers


class VaeNetwork(nn.Module):
    """Base of both VAEs.

    Outside of the network, latents are normalised to mean 0 and variance 1 per channel. The two
    buffers contain the mean and the deviation of the raw latents, as measured after training.
    """

    latent_mean: Tensor  # (C, 1, 1)
    latent_std: Tensor  # (C, 1, 1)
    pixels_at_once: int | None = None  # most pixels that are processed at a time, if limited

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("latent_mean", torch.zeros(channels, 1, 1))
        self.register_buffer("latent_std", torch.ones(channels, 1, 1))

    def initialise_(self, random: torch.Generator) -> None:
        nn.init.zeros_(self.latent_mean)
        nn.init.ones_(self.latent_std)

    def posterior(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        """Encode pictures (N, C, H, W) in -1..1.

        Returns mean and log variance, (N, C, h, w) each, of the raw latents. If the VAE quantises
        its latents, returns the quantised latents and None.
        """
        raise NotImplementedError

    def encoders(self) -> tuple[nn.Module, ...]:
        """Returns the modules that only `posterior` uses."""
        raise NotImplementedError

    def picture(self, latents: Tensor) -> Tensor:
        """Returns the pictures (N, C, H, W), about in -1..1, of raw latents (N, C, h, w)."""
        raise NotImplementedError

    def requantised(self, latents: Tensor) -> Tensor:
        """Returns the nearest latents that the encoder can produce: unchanged if not quantised."""
        return latents


class Block(nn.Module):
    """A residual block that does not change the shape. It is initialised to the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, width)
        self.conv1 = nn.Conv2d(width, width, 3, 1, 1)
        self.norm2 = nn.GroupNorm(8, width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1)

    def initialise_(self, random: torch.Generator) -> None:
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.conv1(F.silu(self.norm1(x)))
        change = self.conv2(F.silu(self.norm2(change)))
        return x + change


class Up(nn.Module):
    """Doubles the size by nearest neighbours and a convolution, without checkerboard artifacts.

    Paper: Odena et al. 2016.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        larger: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return larger


class ResidualVae(VaeNetwork):
    """A VAE of convolutions only, for sides of any multiple of 8 px; f = 8 (Rombach et al. 2022).

    Encoder and decoder are residuals of a linear autoencoder of 8 x 8 px patches. It is initialised
    to its optimum, the principal components (Baldi and Hornik 1989), so training only needs to
    learn what a linear map can't do.
    """

    def __init__(
        self, channels: int, width: int, levels: tuple[int, ...] = (), planes: int = 3
    ) -> None:
        super().__init__(channels)
        self.levels = levels
        full, fine, middle, coarse = width // 4, width, 3 * width // 2, 2 * width
        self.linear_encoder = nn.Conv2d(planes, channels, FACTOR, FACTOR)
        self.linear_decoder = nn.ConvTranspose2d(channels, planes, FACTOR, FACTOR)
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * planes, fine, 3, 1, 1),
            Block(fine),
            nn.Conv2d(fine, middle, 3, 2, 1),
            Block(middle),
            nn.Conv2d(middle, coarse, 3, 2, 1),
            Block(coarse),
            nn.GroupNorm(8, coarse),
            nn.SiLU(),
            nn.Conv2d(coarse, channels if levels else 2 * channels, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(channels, coarse, 3, 1, 1),
            Block(coarse),
            Up(coarse, middle),
            Block(middle),
            Up(middle, fine),
            Block(fine),
            nn.GroupNorm(8, fine),
            nn.SiLU(),
            Up(fine, full),
        )
        # Works at full size, with the linear picture as input: repairs the seams between patches.
        self.finish = nn.Sequential(
            nn.Conv2d(full + planes, full, 3, 1, 1), nn.SiLU(), nn.Conv2d(full, planes, 3, 1, 1)
        )

    def initialise_(self, random: torch.Generator) -> None:
        super().initialise_(random)
        for last in (self.encoder[-1], self.finish[-1]):
            assert isinstance(last, nn.Conv2d)
            nn.init.zeros_(last.weight)

    @torch.no_grad()
    def fit_linear(self, pictures: Tensor) -> None:
        """Set the linear autoencoder to the principal components of pictures (N, C, H, W)."""
        patches = F.unfold(pictures, FACTOR, stride=FACTOR).transpose(1, 2).flatten(0, 1)
        mean = patches.mean(0)
        centred = patches - mean
        variances, directions = torch.linalg.eigh(centred.T @ centred / len(patches))
        channels = len(self.latent_mean)
        scales = variances[-channels:].clamp(min=1e-4).sqrt()
        directions = directions[:, -channels:]
        shape = self.linear_encoder.weight.shape
        self.linear_encoder.weight.copy_((directions / scales).T.reshape(shape))
        self.linear_decoder.weight.copy_((directions * scales).T.reshape(shape))
        if self.levels:
            # The gain by which the rounded components are nearest to the components.
            components = (centred @ (directions / scales)).T[None, :, None]
            rounded = quantise(components, self.levels)
            energy = rounded.square().sum((0, 2, 3)).clamp(min=1e-6)
            gain = (components * rounded).sum((0, 2, 3)) / energy
            self.linear_decoder.weight.mul_(gain.view(-1, 1, 1, 1))
        assert self.linear_encoder.bias is not None
        assert self.linear_decoder.bias is not None
        self.linear_encoder.bias.copy_(-(mean @ directions) / scales)
        self.linear_decoder.bias.copy_(mean.view(pictures.shape[1], -1).mean(1))
        last = self.encoder[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        last.bias[channels:] = START_LOG_VARIANCE

    def posterior(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        linear = self.linear_encoder(pictures).float()
        change = self.encoder(pictures).float()
        if self.levels:
            return quantise(linear + change, self.levels), None
        change, log_variance = change.chunk(2, 1)
        return linear + change, log_variance.clamp(-20, 10)

    def encoders(self) -> tuple[nn.Module, ...]:
        return self.linear_encoder, self.encoder

    def requantised(self, latents: Tensor) -> Tensor:
        if not self.levels:
            return latents
        raw = latents * self.latent_std.cpu() + self.latent_mean.cpu()
        return (nearest(raw, self.levels) - self.latent_mean.cpu()) / self.latent_std.cpu()

    def picture(self, latents: Tensor) -> Tensor:
        linear = self.linear_decoder(latents)
        change = self.finish(torch.cat([self.decoder(latents), linear], 1))
        pictures: Tensor = linear.float() + change.float()
        return pictures


class ForeignVae(VaeNetwork):
    """Base of VAEs that other programs have trained; artgraph does not train them.

    Pictures may have any sides of multiples of 8 px.
    """

    pixels_at_once = 1 << 17


class ClassicVae(VaeNetwork):
    """A VAE of dense layers, for one size of pictures (Kingma and Welling 2014, appendix C)."""

    def __init__(self, height: int, width: int, channels: int, planes: int = 3) -> None:
        super().__init__(channels)
        self.shape = (planes, height, width)
        values = math.prod(self.shape)
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(values, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * channels)
        )
        self.decoder = nn.Sequential(
            nn.Flatten(), nn.Linear(channels, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, values)
        )

    def encoders(self) -> tuple[nn.Module, ...]:
        return (self.encoder,)

    def posterior(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        if pictures.shape[1:] != self.shape:
            _, height, width = self.shape
            raise ValueError(f"this VAE needs pictures of {width} x {height} px")
        both = self.encoder(pictures).float()[..., None, None]
        mean, log_variance = both.chunk(2, 1)
        return mean, log_variance.clamp(-20, 10)

    def logits(self, latents: Tensor) -> Tensor:
        """Returns the logits (N, C, H, W) of the pixels' values in 0..1."""
        values: Tensor = self.decoder(latents).float()
        return values.view(-1, *self.shape)

    def picture(self, latents: Tensor) -> Tensor:
        return self.logits(latents).sigmoid() * 2 - 1


def with_alpha(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns the weights of a residual VAE for pictures with alpha, which it draws opaque.

    The encoder does not use the alpha channel yet.
    """
    full = state["finish.0.weight"].shape[1] + 1
    changes: dict[str, Callable[[Tensor], Tensor]] = {
        "linear_encoder.weight": lambda w: more_inputs(w, 4),
        "linear_decoder.weight": lambda w: more_inputs(w, 4),  # a transposed convolution
        "linear_decoder.bias": lambda w: more_outputs(w, 4, 1.0),
        "encoder.1.weight": lambda w: more_inputs(w, 16),
        "finish.0.weight": lambda w: more_inputs(w, full),
        "finish.2.weight": lambda w: more_outputs(w, 4),
        "finish.2.bias": lambda w: more_outputs(w, 4),
    }
    return {name: changes[name](w) if name in changes else w for name, w in state.items()}
