"""The generator of the projected GAN: class and latent modulate every layer (FiLM)."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import LEAK
from ..repeatable import attention, attention_by_products, enlarged
from .bends import Bends
from .config import CELLS, STYLE, GanConfig
from .layers import ClassEmbedding, initialise_normal, initialise_patches

HEAD = 32  # number of channels of an attention head


class ProjectedGenerator(nn.Module):
    """Global latent and class weights modulate every layer; noise maps decide the details.

    The levels are residual blocks at 8, 16, ... px (see `map_shape`), modulated by FiLM (Perez et
    al. 2018). The last layer draws patches (pixel shuffle, Shi et al. 2016). Coarse levels have
    self-attention, so that distant places match. A level that fine-tuning added draws details on
    the enlarged picture of the level before (as Karras et al. 2020, StyleGAN2, section 4); they are
    zero at first.
    """

    def __init__(self, config: GanConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.channels
        self.embedding = ClassEmbedding(len(config.classes), 64)
        self.mapping = nn.Sequential(
            nn.Linear(config.latent + 64, STYLE),
            nn.LeakyReLU(LEAK),
            nn.Linear(STYLE, STYLE),
            nn.LeakyReLU(LEAK),
        )
        height, width = config.map_shape(4)
        self.start = nn.Linear(STYLE, widths[0] * height * width)
        self.places = nn.Parameter(torch.empty(1, widths[0], *config.map_shape(CELLS)))
        self.noises = nn.ModuleList(
            NoiseInput(shape[0], width)
            for shape, width in zip(config.noise_maps, widths, strict=False)
        )
        self.levels = nn.ModuleList(
            nn.ModuleList(FilmBlock(width, config.normed) for _ in range(config.blocks))
            for width in widths
        )
        self.attention = nn.ModuleList(
            Attention(width)
            for width, side in zip(widths, config.resolutions, strict=True)
            if side <= config.attention
        )
        self.between = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in pairwise(widths))
        base = config.base_levels
        self.patches = PatchOutput(
            widths[base - 1],
            config.base_edge // config.resolutions[base - 1],
            config.planes,
            blank=False,
        )
        self.details = nn.ModuleList(
            PatchOutput(width, 2, config.planes, blank=True) for width in widths[base:]
        )
        self.bends = Bends(config.bends)

    def forward(self, z: Tensor, class_weights: Tensor, shift: Tensor | None = None) -> Tensor:
        """Returns pictures float32 (N, C, H, W) in -1..1 for latents and class weights (N, C).

        Instead of one latent and one set of weights for each picture, there may be one for each
        level, side by side. `shift` (N, levels STYLE) is added to the styles of the levels.
        """
        levels, parts = len(self.levels), z.shape[1] // self.config.latent_dim
        read = [
            self._read(*pair)
            for pair in zip(z.chunk(parts, 1), class_weights.chunk(parts, 1), strict=True)
        ]
        styles, noise = zip(*(read if parts > 1 else read * levels), strict=True)
        if shift is not None:
            moves = shift.chunk(levels, 1)
            styles = tuple(style + move for style, move in zip(styles, moves, strict=True))
        x = self.start(styles[0]).unflatten(1, (-1, *self.config.map_shape(4)))
        height, width = self.places.shape[2:]  # an odd number of cells is less than twice the map
        x = enlarged(x)[:, :, :height, :width] + self.places
        x = x.contiguous(memory_format=torch.channels_last)
        for level, (blocks, edge) in enumerate(
            zip(self.levels, self.config.resolutions, strict=True)
        ):
            if level > 0:
                x = F.interpolate(self.between[level - 1](x), self.config.map_shape(edge))
            style = styles[level]
            if level < len(self.noises):
                x = x + self.noises[level](noise[level][level])
            for number, block in enumerate(blocks):  # type: ignore[arg-type, var-annotated]
                x = block(x, style)
                if number == 0 and level < len(self.attention):
                    x = self.attention[level](x, style)
            x = self.bends(x, level)
            if level == self.config.base_levels - 1:
                drawn = self.patches(x, style)
            elif level >= self.config.base_levels:
                drawn = enlarged(drawn)
                drawn = drawn + self.details[level - self.config.base_levels](x, style)
        if self.config.smooth:
            drawn = without_stripes(drawn)
        return drawn.tanh()  # type: ignore[no-any-return]

    def _read(self, z: Tensor, class_weights: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Returns the style (N, STYLE) and the noise maps of latents (N, latent_dim)."""
        shapes = self.config.noise_maps
        sizes = [self.config.latent, *(math.prod(shape) for shape in shapes)]
        vector, *flat = torch.split(z, sizes, 1)
        maps = [m.view(-1, *shape) for m, shape in zip(flat, shapes, strict=True)]
        return self.style(vector, class_weights), maps

    def style(self, vector: Tensor, class_weights: Tensor) -> Tensor:
        """Returns the style (N, STYLE) of global latents (N, latent) and class weights (N, C)."""
        return self.mapping(  # type: ignore[no-any-return]
            torch.cat([vector, self.embedding(class_weights)], 1)
        )

    def initialise_(self, random: torch.Generator) -> None:
        """Use smaller weights than He et al. 2015, as large style vectors give noise at first."""
        nn.init.normal_(self.places, 0, 0.1, generator=random)
        for layer in (self.start, *self.between, *self.mapping):
            if isinstance(layer, nn.Linear | nn.Conv2d):
                initialise_normal(layer, 1, random)


class NoiseInput(nn.Conv2d):
    """Convolves a noise map; the result is added to the features of its level."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width, 3, padding=1, bias=False)

    def initialise_(self, random: torch.Generator) -> None:
        initialise_normal(self, 0.6, random)


class Film(nn.Module):
    """Maps a style (N, STYLE) to `pairs` scales around 1 and `pairs` shifts: (N, width, 1, 1)."""

    def __init__(self, width: int, pairs: int, gain: float) -> None:
        super().__init__()
        self.steer = nn.Linear(STYLE, 2 * pairs * width)
        self._pairs, self._gain = pairs, gain

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        values = self.steer(style)[:, :, None, None].chunk(2 * self._pairs, 1)
        return tuple(1 + v if i % 2 == 0 else v for i, v in enumerate(values))

    def initialise_(self, random: torch.Generator) -> None:
        initialise_normal(self.steer, self._gain, random)


class FilmBlock(nn.Module):
    """x + conv(act(film(norm(conv(act(film(norm(x)))))))), without a change of width."""

    def __init__(self, width: int, normed: bool) -> None:
        super().__init__()
        self._norm = unit_size if normed else nn.Identity()
        self.film = Film(width, 2, gain=0.5)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift, scale2, shift2 = self.film(style)
        hidden = F.leaky_relu(torch.addcmul(shift, self._norm(x), scale), LEAK)
        hidden = self._norm(self.first(hidden))
        hidden = F.leaky_relu(torch.addcmul(shift2, hidden, scale2), LEAK)
        return x + self.second(hidden)  # type: ignore[no-any-return]

    def initialise_(self, random: torch.Generator) -> None:
        initialise_normal(self.second, 0.3, random)


class Attention(nn.Module):
    """x + attention(film(norm(x))) over all places of the map (Zhang et al. 2019, SAGAN).

    With `quick`, which a search sets, gradients need less time on the processor, and the last bits
    of pictures are others.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.quick = False
        self.heads = width // HEAD if width % HEAD == 0 else 1
        self.film = Film(width, 1, gain=0.5)
        self.ask = nn.Conv2d(width, 3 * width, 1)
        self.answer = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.film(style)
        projected = self.ask(torch.addcmul(shift, unit_size(x), scale)).flatten(2).transpose(1, 2)
        # (N, H W, 3 C) becomes three tensors (N, heads, H W, C / heads)
        query, key, value = projected.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        quick = self.quick and query.is_cpu
        attended = (attention_by_products if quick else attention)(query, key, value)
        attended = attended.transpose(2, 3).reshape(x.shape)
        return x + self.answer(attended)  # type: ignore[no-any-return]

    def initialise_(self, random: torch.Generator) -> None:
        initialise_normal(self.ask, 1, random)
        initialise_normal(self.answer, 0.1, random)


class PatchOutput(nn.Module):
    """Maps features to unbounded pixels of `planes` channels; a place draws `patch` x `patch` px.

    At first all pixels of a patch are equal or, if `blank`, zero.
    """

    def __init__(self, width: int, patch: int, planes: int, blank: bool) -> None:
        super().__init__()
        self.patch, self._planes, self._blank = patch, planes, blank
        self.film = Film(width, 1, gain=0.1)
        self.pixels = nn.Conv2d(width, planes * patch**2, 3, padding=1)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.film(style)
        pixels = self.pixels(F.leaky_relu(torch.addcmul(shift, x, scale), LEAK))
        return F.pixel_shuffle(pixels, self.patch).float()

    def initialise_(self, random: torch.Generator) -> None:
        initialise_patches(self.pixels, self._planes, random)
        if self._blank:
            nn.init.zeros_(self.pixels.weight)


def without_stripes(x: Tensor) -> Tensor:
    """Returns pictures (N, C, H, W) without the finest stripes, of 1 px in turn.

    The last layer draws patches of 2 px (see `PatchOutput`), and easily gives the same place in all
    patches another brightness. The filter (-1, 4, 10, 4, -1) / 16 removes this frequency alone from
    each direction, and keeps three quarters of stripes of 2 px. Pixels of the border are repeated.
    """
    for dim in (2, 3):
        first, last = x.narrow(dim, 0, 1), x.narrow(dim, x.shape[dim] - 1, 1)
        wide = torch.cat([first, first, x, last, last], dim)
        shifted = [wide.narrow(dim, place, x.shape[dim]) for place in range(5)]
        x = (
            (10 / 16) * x
            + (4 / 16) * (shifted[1] + shifted[3])
            - (1 / 16) * (shifted[0] + shifted[4])
        )
    return x


def unit_size(x: Tensor) -> Tensor:
    """Returns features with RMS 1 over the channels of each place (Zhang and Sennrich 2019)."""
    return x / x.float().square().mean(1, keepdim=True).add(1e-3).sqrt().to(x.dtype)
