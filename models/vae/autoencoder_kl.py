"""The VAE of latent diffusion, which diffusers calls AutoencoderKL.

Its sizes are read from the shapes of its weights. `foreign.py` reads them from files.

Paper: Rombach et al. 2022, "High-resolution image synthesis with latent diffusion models",
appendix G, with the networks of Esser et al. 2021, table 7.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ..pretrained.layers import Shapes, children, convolution, dense, under
from .networks import ForeignVae


class ResidualBlock(nn.Module):
    """Two convolutions, each after a group norm and SiLU."""

    def __init__(self, shapes: Shapes, groups: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = _norm(shapes, "norm1", groups), convolution(shapes, "conv1")
        self.norm2, self.conv2 = _norm(shapes, "norm2", groups), convolution(shapes, "conv2")
        self.skip = convolution(shapes, "skip") if "skip.weight" in shapes else None

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.conv1(F.silu(self.norm1(x)))
        change = self.conv2(F.silu(self.norm2(change)))
        return change + (x if self.skip is None else self.skip(x))


class Attention(nn.Module):
    """Attention with one head between all places of a map."""

    def __init__(self, shapes: Shapes, groups: int) -> None:
        super().__init__()
        self.norm = _norm(shapes, "norm", groups)
        self.query, self.key = dense(shapes, "query"), dense(shapes, "key")
        self.value, self.output = dense(shapes, "value"), dense(shapes, "output")

    def forward(self, x: Tensor) -> Tensor:
        places = self.norm(x).flatten(2).transpose(1, 2)[:, None]  # (N, 1, places, C)
        found = F.scaled_dot_product_attention(
            self.query(places), self.key(places), self.value(places)
        )
        change: Tensor = self.output(found[:, 0])
        return x + change.transpose(1, 2).reshape(x.shape)


class Middle(nn.Module):
    """A residual block, attention in most VAEs, and another residual block."""

    def __init__(self, shapes: Shapes, groups: int) -> None:
        super().__init__()
        attention = under(shapes, "attention.")
        self.first = ResidualBlock(under(shapes, "first."), groups)
        self.attention = Attention(attention, groups) if attention else None
        self.second = ResidualBlock(under(shapes, "second."), groups)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        if self.attention is not None:
            x = self.attention(x)
        mixed: Tensor = self.second(x)
        return mixed


class Level(nn.Module):
    """Residual blocks at one size. Most levels end with a convolution to the next size."""

    def __init__(self, shapes: Shapes, groups: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualBlock(s, groups) for s in children(shapes, "blocks."))
        self.down = self.up = None
        if "down.weight" in shapes:
            self.down = convolution(shapes, "down", stride=2)
            self.down.padding = (0, 0)
        if "up.weight" in shapes:
            self.up = convolution(shapes, "up")

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        if self.down is not None:  # padded at the right and at the bottom only
            x = self.down(F.pad(x, (0, 1, 0, 1)))
        if self.up is not None:
            x = self.up(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return x


class Encoder(nn.Module):
    """From pictures to the moments of latents."""

    def __init__(self, shapes: Shapes, groups: int) -> None:
        super().__init__()
        self.first = convolution(shapes, "first")
        self.levels = nn.ModuleList(Level(s, groups) for s in children(shapes, "levels."))
        self.middle = Middle(under(shapes, "middle."), groups)
        self.norm, self.last = _norm(shapes, "norm", groups), convolution(shapes, "last")

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for level in self.levels:
            x = level(x)
        moments: Tensor = self.last(F.silu(self.norm(self.middle(x))))
        return moments


class Decoder(nn.Module):
    """From latents to pictures. The first level is the coarsest one."""

    def __init__(self, shapes: Shapes, groups: int) -> None:
        super().__init__()
        self.first = convolution(shapes, "first")
        self.middle = Middle(under(shapes, "middle."), groups)
        self.levels = nn.ModuleList(Level(s, groups) for s in children(shapes, "levels."))
        self.norm, self.last = _norm(shapes, "norm", groups), convolution(shapes, "last")

    def forward(self, x: Tensor) -> Tensor:
        x = self.middle(self.first(x))
        for level in self.levels:
            x = level(x)
        pictures: Tensor = self.last(F.silu(self.norm(x)))
        return pictures


class AutoencoderKl(ForeignVae):
    """The VAE of latent diffusion.

    Some have another convolution after the encoder, and one before the decoder: `moments` and
    `latents`.
    """

    def __init__(self, channels: int, shapes: Shapes, groups: int) -> None:
        super().__init__(channels)
        self.encoder = Encoder(under(shapes, "encoder."), groups)
        self.decoder = Decoder(under(shapes, "decoder."), groups)
        self.moments = convolution(shapes, "moments") if "moments.weight" in shapes else None
        self.latents = convolution(shapes, "latents") if "latents.weight" in shapes else None

    def posterior(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        found = self.encoder(pictures)
        if self.moments is not None:
            found = self.moments(found)
        mean, log_variance = found.float().chunk(2, 1)
        return mean, log_variance.clamp(-30, 20)

    def picture(self, latents: Tensor) -> Tensor:
        if self.latents is not None:
            latents = self.latents(latents)
        pictures: Tensor = self.decoder(latents).float()
        return pictures


def _norm(shapes: Shapes, name: str, groups: int) -> nn.GroupNorm:
    """Returns a group norm. Raises: ValueError if there are no such groups."""
    channels = shapes.get(f"{name}.weight", (0,))[0]
    if not channels:
        raise ValueError(f"{name}.weight is missing")
    if channels % groups:
        raise ValueError(
            f"{channels} channels can't be divided into {groups} groups (norm_num_groups)"
        )
    return nn.GroupNorm(groups, channels, eps=1e-6)
