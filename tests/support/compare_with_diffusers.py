"""Compares our networks of other programs' VAEs with those of diffusers, on random weights.

    python tests/support/compare_with_diffusers.py

It needs diffusers, and artgraph on the Python path. Each line has the largest difference of the
latents and of the pictures. The exit code is 1 if one is above 1e-4 of the largest value.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from artgraph.models.vae.foreign import read_vae
from artgraph.models.vae.make import make_vae

MOST = 1e-4  # largest difference, as a share of the largest value
LEVELS: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}
KL: dict[str, dict[str, Any]] = {
    "like Stable Diffusion": {"block_out_channels": (32, 64, 128, 128), "layers_per_block": 2},
    "16 channels, no 1x1 convolutions": {
        "block_out_channels": (32, 32, 64, 64),
        "latent_channels": 16,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
        "scaling_factor": 1.5305,
        "shift_factor": 0.0609,
        "norm_num_groups": 8,
    },
    "no attention": {"block_out_channels": (32,) * 4, "mid_block_add_attention": False},
}
TINY: dict[str, dict[str, Any]] = {
    "like TAESD": {},
    "16 channels": {"latent_channels": 16, "num_decoder_blocks": (1, 2, 1, 1)},
}


def difference(theirs: Any, folder: Path) -> tuple[float, float, str]:
    """Returns the largest differences of latents and pictures, and the line about the file."""
    for value in theirs.state_dict().values():
        value.copy_(torch.randn_like(value) / max(1, value[0].numel()) ** 0.5)
    theirs.eval()
    folder.mkdir()
    theirs.save_pretrained(folder)
    path, config = folder / "diffusion_pytorch_model.safetensors", folder / "config.json"
    if not path.exists():
        save_file(theirs.state_dict(), path)
        config.write_text(json.dumps(dict(theirs.config)))
    found = read_vae(path, [config])
    assert found is not None
    shapes = {name: tuple(value.shape) for name, value in found.state.items()}
    ours = make_vae(found.config, shapes).to_empty(device="cpu")
    ours.load_state_dict(found.state)
    pictures = torch.rand(2, 3, 64, 96) * 2 - 1
    encoded = theirs.encode(pictures)
    latents = encoded.latent_dist.mean if hasattr(encoded, "latent_dist") else encoded.latents
    mine, _ = ours.posterior(pictures)
    drawn = theirs.decode(latents).sample
    return _share(mine, latents), _share(ours.picture(latents), drawn), found.line


def _share(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


def main() -> int:
    """Compare all networks. Returns 1 if one differs, else 0."""
    from diffusers import AutoencoderKL, AutoencoderTiny

    torch.manual_seed(0)
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        networks = {name: AutoencoderKL(**{**LEVELS, **values}) for name, values in KL.items()}
        networks |= {f"tiny, {name}": AutoencoderTiny(**values) for name, values in TINY.items()}
        for number, (name, theirs) in enumerate(networks.items()):
            latents, drawn, line = difference(theirs, Path(folder) / str(number))
            worst = max(worst, latents, drawn)
            print(f"{name}: {latents:.1e}, {drawn:.1e} ({line})", flush=True)
    return int(worst > MOST)


if __name__ == "__main__":
    raise SystemExit(main())
