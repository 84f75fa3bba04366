"""InceptionV3 up to its last pooling, with the weights of a file that the user has.

Paper: Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision", section 6.
The names of the weights are torchvision's. The file `pt_inception-2015-12-05-6726825d.pth` (of the
package pytorch-fid) contains those with which FID is defined. That network also differs in two
ways: the padding is not part of a mean, and its last block has a maximum instead of one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from artgraph.models.pretrained.layers import folded

FID_DIGEST = "6726825d"  # beginning of the SHA-256 of the weights with which FID is defined
FID_CLASSES = 1008  # their number of classes; torchvision's have 1,000
EDGE = 299
EPS = 1e-3  # of the batch norms

STEM: tuple[str, ...] = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "pool")
STEM += ("Conv2d_3b_1x1", "Conv2d_4a_3x3", "pool")
UNPADDED = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_4a_3x3")
# Branches of each kind of block, as chains of convolutions; `|` joins two with the same input.
# The blocks 6a and 7a halve the size with the last convolution of each branch.
BRANCHES = {
    "5": ("1x1", "5x5_1 5x5_2", "3x3dbl_1 3x3dbl_2 3x3dbl_3"),
    "6": ("1x1", "7x7_1 7x7_2 7x7_3", "7x7dbl_1 7x7dbl_2 7x7dbl_3 7x7dbl_4 7x7dbl_5"),
    "7": ("1x1", "3x3_1 3x3_2a|3x3_2b", "3x3dbl_1 3x3dbl_2 3x3dbl_3a|3x3dbl_3b"),
    "6a": ("3x3", "3x3dbl_1 3x3dbl_2 3x3dbl_3"),
    "7a": ("3x3_1 3x3_2", "7x7x3_1 7x7x3_2 7x7x3_3 7x7x3_4"),
}
BLOCKS = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")


class Inception:
    """Computes the inputs of the last layer.

    name:   of the distance in these features, which is FID only with the weights of FID.
    """

    def __init__(self, state: Mapping[str, Tensor], digest: str) -> None:
        """Raises: KeyError if a weight is missing."""
        self._as_fid = len(state["fc.weight"]) == FID_CLASSES
        is_fid = self._as_fid and digest.startswith(FID_DIGEST)
        self.name = "FID" if is_fid else f"Fréchet distance (not FID) by InceptionV3 {digest[:8]}"
        self._layers = {}
        for key in state:
            if key.endswith(".conv.weight") and not key.startswith("AuxLogits."):
                name = key.removesuffix(".conv.weight")
                norm = {
                    part: state[f"{name}.bn.{part}"].float()
                    for part in ("weight", "bias", "running_mean", "running_var")
                }
                self._layers[name] = folded(state[key].float(), norm, EPS)

    @torch.no_grad()
    def features(self, images: Tensor, batch: int = 32) -> Tensor:
        """Returns feature vectors, float64 (N, D), of uint8 pictures (N, H, W, 3)."""
        return torch.cat([self._vectors(part) for part in images.split(batch)])

    def _vectors(self, images: Tensor) -> Tensor:
        x = images.permute(0, 3, 1, 2).float() / 255
        x = F.interpolate(x, (EDGE, EDGE), mode="bilinear", align_corners=False) * 2 - 1
        for name in STEM:
            if name == "pool":
                x = F.max_pool2d(x, 3, 2)
            else:
                x = self._conv(x, name, 1 + (name == STEM[0]), name not in UNPADDED)
        for block in BLOCKS:
            x = self._block(x, block)
        return x.mean((2, 3)).double()

    def _block(self, x: Tensor, block: str) -> Tensor:
        halves = block in BRANCHES
        parts = []
        for branch in BRANCHES[block if halves else block[0]]:
            *first, last = branch.split()
            y = x
            for layer in first:
                y = self._conv(y, f"Mixed_{block}.branch{layer}")
            for layer in last.split("|"):
                name = f"Mixed_{block}.branch{layer}"
                parts.append(self._conv(y, name, 1 + halves, padded=not halves))
        if halves:
            return torch.cat([*parts, F.max_pool2d(x, 3, 2)], 1)
        if block == "7c" and self._as_fid:
            pooled = F.max_pool2d(x, 3, 1, 1)
        else:
            pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=not self._as_fid)
        return torch.cat([*parts, self._conv(pooled, f"Mixed_{block}.branch_pool")], 1)

    def _conv(self, x: Tensor, name: str, stride: int = 1, padded: bool = True) -> Tensor:
        weight, bias = self._layers[name]
        padding = tuple(side // 2 for side in weight.shape[2:]) if padded else 0
        return F.relu(F.conv2d(x, weight, bias, stride, padding))


def read_inception(path: Path) -> Inception:
    """Returns the network of a state dict, .pth or .safetensors; nothing in it is executed."""
    if path.suffix == ".safetensors":
        state = load_file(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        network = Inception(state, digest)
        network.features(torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
        return network
    except KeyError as error:
        advice = "name pt_inception-2015-12-05-6726825d.pth or torchvision's inception_v3"
        raise SystemExit(f"{path} has no weight {error.args[0]} - {advice}") from error
