"""The vision transformers of DINOv2, also those with registers.

Papers: Dosovitskiy et al. 2021, "An image is worth 16x16 words", figure 1; Oquab et al. 2023,
"DINOv2"; Touvron et al. 2021, "Going deeper with image transformers", eq. 9 (scaled layers);
Darcet et al. 2023, "Vision transformers need registers".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Shapes, children, convolution, dense, layer_norm

HEAD = 64  # width of an attention head
PARTS = 4  # number of equal parts of the blocks; a map is returned after each


class Block(nn.Module):
    """Self-attention and two dense layers, each after a norm, and scaled."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.norm1, self.norm2 = layer_norm(shapes, "norm1"), layer_norm(shapes, "norm2")
        self.qkv, self.proj = dense(shapes, "qkv"), dense(shapes, "proj")
        self.fc1, self.fc2 = dense(shapes, "fc1"), dense(shapes, "fc2")
        width = self.proj.out_features
        self.scale1, self.scale2 = (nn.Parameter(torch.empty(width)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        count, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(count, length, 3, width // HEAD, HEAD)
        queries, keys, values = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(queries, keys, values)
        x = x + self.scale1 * self.proj(attended.transpose(1, 2).reshape(count, length, width))
        output: Tensor = x + self.scale2 * self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return output


class VisionTransformer(nn.Module):
    """Patches as tokens after a class token and registers. Pictures may have any size."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.patch = shapes["patches.weight"][2]
        self.patches = convolution(shapes, "patches", self.patch)
        self.patches.padding = (0, 0)
        width = self.patches.out_channels
        if width % HEAD:
            raise ValueError(f"the width {width} is not a multiple of {HEAD}")
        self.class_token = nn.Parameter(torch.empty(shapes["class_token"]))
        self.registers = nn.Parameter(torch.empty(shapes["registers"]))
        self.class_position = nn.Parameter(torch.empty(shapes["class_position"]))
        self.positions = nn.Parameter(torch.empty(shapes["positions"]))
        self.blocks = nn.ModuleList(Block(block) for block in children(shapes, "blocks."))
        self.norm = layer_norm(shapes, "norm")

    def last_part(self) -> list[nn.Module]:
        """Returns the modules that are trained if the network is fine-tuned."""
        return [*self.blocks[-math.ceil(len(self.blocks) / PARTS) :], self.norm]

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Returns maps at four depths, all of one size, and the class token (N, D) of pictures.

        The sides of the pictures are resized to whole patches first.
        """
        rows, columns = (max(1, round(side / self.patch)) for side in x.shape[2:])
        if x.shape[2:] != (shape := (rows * self.patch, columns * self.patch)):
            x = F.interpolate(x, shape, mode="bicubic", antialias=True)
        tokens = self.patches(x).flatten(2).mT + self._positions(rows, columns)
        first = torch.cat([self.class_token + self.class_position, self.registers], 1)
        tokens = torch.cat([first.expand(len(x), -1, -1), tokens], 1)
        normed = []
        for block in self.blocks:
            tokens = block(tokens)
            normed.append(self.norm(tokens))
        depth = len(normed)
        returned = [normed[math.ceil(depth * part / PARTS) - 1] for part in range(1, PARTS + 1)]
        patches = [
            tokens[:, first.shape[1] :].mT.unflatten(2, (rows, columns)) for tokens in returned
        ]
        return patches, normed[-1][:, 0]

    def _positions(self, rows: int, columns: int) -> Tensor:
        """Returns the embeddings of the places (1, rows x columns, D), resized if necessary."""
        edge = math.isqrt(self.positions.shape[1])
        if (rows, columns) == (edge, edge):
            return self.positions
        square = self.positions.mT.unflatten(2, (edge, edge))
        resized = F.interpolate(square, (rows, columns), mode="bicubic", antialias=True)
        return resized.flatten(2).mT
