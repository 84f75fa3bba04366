"""Compares our networks with those of timm and torchvision, on random weights and pictures.

    python tests/support/compare_with_timm.py [NAME ...]

It needs timm or torchvision, and artgraph on the Python path. Names are those of timm, or of
torchvision after `tv:`; without names, one or more of each kind is compared. Each line has the
largest difference of the last layer's inputs, and of the logits. The exit code is 1 if one is
above 1e-4 of the largest value.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch

from artgraph.models.pretrained.network import load_pretrained
from artgraph.models.pretrained.weights import read_file

NAMES = (
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "efficientnet_b0",
    "efficientnet_b1",
    "tf_efficientnet_b0",
    "tf_efficientnet_lite0",
    "efficientnet_lite0",
    "convnext_atto",
    "convnext_tiny",
    "vit_small_patch14_dinov2",
    "vit_small_patch14_reg4_dinov2",
    "vit_base_patch14_dinov2",
    "tv:resnet18",
    "tv:resnet101",
    "tv:efficientnet_b0",
    "tv:efficientnet_b5",
    "tv:convnext_tiny",
)
MOST = 1e-4  # largest difference, as a share of the largest value


def original(name: str) -> torch.nn.Module:
    """Returns a network of timm or torchvision with random weights, norms and scales."""
    if name.startswith("tv:"):
        import torchvision

        network = torchvision.models.get_model(name[3:], weights=None)
    else:
        import timm

        sizes = {"dynamic_img_size": True} if name.startswith("vit_") else {}
        network = timm.create_model(name, pretrained=False, **sizes)
    for key, value in network.state_dict().items():
        if "running_var" in key or "gamma" in key or "layer_scale" in key:
            value.uniform_(0.5, 1)
        elif "running_mean" in key or (value.ndim == 1 and "bias" in key):
            value.normal_(0, 0.1)
        elif "token" in key or "pos_embed" in key:
            value.normal_(0, 0.5)
    return network.eval().double()


def difference(name: str, folder: Path) -> tuple[float, str]:
    """Returns the largest difference of the outputs, and the line about the file."""
    theirs = original(name)
    path = folder / f"{name.removeprefix('tv:')}.pth"
    torch.save({name: value.float() for name, value in theirs.state_dict().items()}, path)
    config, state, line = read_file(path)
    ours = load_pretrained(config, state)
    signed = torch.rand(2, 3, config.edge, config.edge, dtype=torch.float64) * 2 - 1
    normalised = ours.eval().double()._normalised(signed)
    logits = theirs(normalised)
    pooled = ours.pooled(signed)
    mine = pooled[:, -logits.shape[1] :] if ours.head is None else ours.logits(pooled)
    return float((mine - logits).abs().max() / logits.abs().max()), line


def main() -> int:
    """Compare all networks. Returns 1 if one differs, else 0."""
    worst = 0.0
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        for name in sys.argv[1:] or NAMES:
            found, line = difference(name, Path(folder))
            worst = max(worst, found)
            print(f"{name}: {found:.1e} ({line})", flush=True)
    return int(worst > MOST)


if __name__ == "__main__":
    raise SystemExit(main())
