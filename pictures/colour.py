"""Convert a picture of any mode to sRGB by its colour profile, with or without transparency."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageCms

from .profiles import profile_of
from .sixteen_bits import in_sixteen_bits, is_deep

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS = 256  # rows that are mixed with a colour at once, to save memory
_LIMIT = 1  # levels of 255 that sRGB itself may differ by, as profiles round their numbers
_MODES = {"RGB ": ("RGB",), "GRAY": ("L", "I;16"), "CMYK": ("CMYK",)}  # by a profile's colours
_DEVICES = ("mntr", "scnr", "prtr", "spac")  # classes of profiles that describe colours


Note = Callable[[str], None]


def ignore(_: str) -> None:
    """Does not report what could not be used."""


def in_srgb(
    picture: Image.Image, note: Note = ignore, background: str | None = "white"
) -> Image.Image:
    """Returns a loaded picture as RGB in sRGB, with a colour behind transparent parts.

    The colours are converted first, and then mixed with the colour.

    note: is called if there is a colour profile that can't be used
    background: the colour; None to return RGBA, with straight colours
    """
    colours, alpha = _colours_and_alpha(picture)
    rgb = _in_srgb(colours, profile_of(picture), note)
    if background is None:
        rgb = rgb.copy() if rgb is picture else rgb
        rgb.putalpha(alpha or 255)
        return rgb
    return rgb if alpha is None else on_colour(rgb, alpha, background)


def on_colour(rgb: Image.Image, alpha: Image.Image, background: str) -> Image.Image:
    """Returns a picture in RGB, which is changed, with a colour behind its transparent parts."""
    for top in range(0, rgb.height, _ROWS):
        box = (0, top, rgb.width, min(top + _ROWS, rgb.height))
        over = rgb.crop(box).convert("RGBA")
        over.putalpha(alpha.crop(box))
        ground = Image.new("RGBA", over.size, background)
        rgb.paste(Image.alpha_composite(ground, over).convert("RGB"), box)
    return rgb


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    """Returns a picture in another mode. Unlike Pillow, copies nothing if it is in this mode."""
    return picture if picture.mode == mode else picture.convert(mode)


def _colours_and_alpha(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Returns a picture in L, I;16, RGB, CMYK or LAB, and its opacity in L if it has one."""
    clear = picture.info.get("transparency")
    if is_deep(picture):
        alpha = None
        if isinstance(clear, int):
            alpha = Image.fromarray(np.uint8(255) * (np.asarray(picture) != clear))
        return in_sixteen_bits(picture), alpha
    if picture.mode in ("LA", "La"):
        grey = _in_mode(picture, "LA")
        return grey.getchannel(0), grey.getchannel(1)
    if picture.mode in ("1", "L"):
        grey = _in_mode(picture, "L")
        if not isinstance(clear, int):
            return grey, None
        return grey, grey.point([0 if level == clear else 255 for level in range(256)])
    if picture.mode in ("CMYK", "LAB"):
        return picture, None
    if picture.has_transparency_data:
        both = _in_mode(picture, "RGBA")
        return both.convert("RGB"), both.getchannel(3)
    return _in_mode(picture, "RGB"), None


def _in_srgb(colours: Image.Image, profile: bytes | None, note: Note = ignore) -> Image.Image:
    """Convert to sRGB. A profile that is damaged or belongs to other colours is not used."""
    if colours.mode == "LAB":
        return _transformed(colours, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    if profile:
        try:
            return _by_profile(colours, ImageCms.ImageCmsProfile(BytesIO(profile)))
        except (OSError, ValueError, ImageCms.PyCMSError):
            note("its colour profile can't be used, so its colours were read as sRGB")
    if colours.mode == "I;16":
        return _by_table(colours, (np.arange(65536) + 128) // 257)
    return _in_mode(colours, "RGB")


def _by_profile(colours: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    """Convert to sRGB by a profile. If the profile is sRGB's, the picture stays as it is.

    Raises: ValueError if the profile is not one of such colours.
    """
    space, device = profile.profile.xcolor_space, profile.profile.device_class
    if space == "RGB " and colours.mode in ("L", "I;16"):
        colours = _in_srgb(colours, None)
    if space == "GRAY" and colours.mode == "RGB" and _is_grey(colours):  # WebP has no mode for grey
        colours = colours.getchannel(0)
    if colours.mode not in _MODES.get(space, ()) or device not in _DEVICES:
        raise ValueError(f"a profile for {space} can't be used for a picture in {colours.mode}")
    if colours.mode == "CMYK":
        return _transformed(colours, profile)
    probe = _probe(colours.mode)
    converted = np.asarray(_transformed(probe, profile))
    if np.abs(converted - np.asarray(_in_srgb(probe, None), np.int16)).max() <= _LIMIT:
        return _in_srgb(colours, None)
    if colours.mode == "RGB":
        return _transformed(colours, profile)
    return _by_table(colours, converted[0, :, 0])


def _is_grey(colours: Image.Image) -> bool:
    red, green, blue = (np.asarray(colours.getchannel(i)) for i in range(3))
    return bool((red == green).all() and (green == blue).all())


def _transformed(colours: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    """Convert with relative colorimetric intent: white stays white, and black becomes black."""
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    if colours.mode in ("L", "I;16"):
        flags |= ImageCms.Flags.NOOPTIMIZE  # otherwise dark greys are up to 10 levels off
    srgb, intent = ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC
    return ImageCms.buildTransform(profile, srgb, colours.mode, "RGB", intent, flags).apply(colours)


def _by_table(grey: Image.Image, levels: NDArray[Any]) -> Image.Image:
    """Returns grey as RGB, with the level 0..255 that the table has for each value."""
    return Image.fromarray(levels.astype(np.uint8)[np.asarray(grey)]).convert("RGB")


def _probe(mode: str) -> Image.Image:
    """Returns all greys, or colours of all kinds, to find out what a profile changes."""
    if mode != "RGB":
        every = (
            np.arange(65536, dtype=np.uint16) if mode == "I;16" else np.arange(256, dtype=np.uint8)
        )
        return Image.fromarray(every[None])
    levels = np.arange(0, 256, 15)
    colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    greys = np.arange(256)[None, :, None].repeat(3, 2)
    return Image.fromarray(np.concatenate([colours, greys], 1).astype(np.uint8))
