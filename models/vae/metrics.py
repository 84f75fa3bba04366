"""How close reconstructions are to the original pictures: error, structure and sharpness.

All functions accept float pictures (N, H, W, 3) in 0..1 and return one number per picture.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW, SPREAD = 11, 1.5  # width and standard deviation of SSIM's window, in pixels
STEADY1, STEADY2 = 0.01**2, 0.03**2  # SSIM's constants, for a range of 1
LUMINANCE = (0.299, 0.587, 0.114)  # weights of red, green and blue (ITU-R BT.601)
BEST_PSNR = 100.0  # dB, returned for pictures without any error


def psnr(reconstructed: Tensor, original: Tensor) -> Tensor:
    """Returns the peak signal-to-noise ratio in dB, at most BEST_PSNR."""
    error = (reconstructed - original).square().mean((1, 2, 3))
    return (-10 * error.log10()).clamp(max=BEST_PSNR)


def absolute_error(reconstructed: Tensor, original: Tensor) -> Tensor:
    """Returns the mean absolute error of the values."""
    return (reconstructed - original).abs().mean((1, 2, 3))


def ssim(reconstructed: Tensor, original: Tensor) -> Tensor:
    """Returns the structural similarity of the luminances (Wang et al. 2004, eq. 13).

    It is 1 for equal pictures.
    """
    weights = torch.tensor(LUMINANCE, device=reconstructed.device)
    x, y = ((pictures @ weights)[:, None] for pictures in (reconstructed, original))
    mean_x, mean_y = _blurred(x), _blurred(y)
    spread_x = _blurred(x * x) - mean_x * mean_x
    spread_y = _blurred(y * y) - mean_y * mean_y
    shared = _blurred(x * y) - mean_x * mean_y
    similar = (2 * mean_x * mean_y + STEADY1) * (2 * shared + STEADY2)
    total = (mean_x**2 + mean_y**2 + STEADY1) * (spread_x + spread_y + STEADY2)
    return (similar / total).mean((1, 2, 3))


def gradient_energy(pictures: Tensor) -> Tensor:
    """Returns the mean squared difference of adjacent pixels, which is large for sharp pictures."""
    across, down = pictures.diff(dim=2).square(), pictures.diff(dim=1).square()
    return across.mean((1, 2, 3)) + down.mean((1, 2, 3))


def _blurred(planes: Tensor) -> Tensor:
    """Returns the weighted means of all windows within planes (N, 1, H, W)."""
    offset = torch.arange(WINDOW, device=planes.device) - (WINDOW - 1) / 2
    bell = torch.exp(-offset.square() / (2 * SPREAD**2))
    bell = bell / bell.sum()
    down = F.conv2d(planes, bell.view(1, 1, -1, 1))
    return F.conv2d(down, bell.view(1, 1, 1, -1))
