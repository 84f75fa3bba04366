import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from profiled import ADOBE, P3, SRGB, expected, grey_profile, rgb_profile
from raw_files import png, tiff

from artgraph.pictures.reading import UnreadableError, read_picture

STEPS = np.array([0, 5, 20, 60, 128, 200, 250, 255])
COLOURS = np.stack(np.meshgrid(STEPS, STEPS, STEPS), -1).reshape(8, 64, 3).astype(np.uint8)
GREYS = np.arange(256, dtype=np.uint8).reshape(8, 32)
PROFILES = {
    "P3": (P3, "srgb"),
    "Adobe RGB": (ADOBE, 2.19921875),
    "linear": (SRGB, 1.0),
    "gamma 1.8": (SRGB, 1.8),
}


def seen(path):
    return np.asarray(read_picture(path)).astype(float)


def close(path, wanted, levels=2):
    return np.abs(seen(path) - wanted).max() <= levels


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("ending", ["png", "tiff", "webp"])
def test_a_profile_is_followed_with_and_without_alpha(tmp_path, name, mode, ending):
    path = tmp_path / f"a.{ending}"
    options = {"lossless": True} if ending == "webp" else {}
    icc = rgb_profile(name, *PROFILES[name])
    Image.fromarray(COLOURS).convert(mode).save(path, icc_profile=icc, **options)
    wanted = expected(COLOURS, *PROFILES[name])
    assert np.abs(wanted - COLOURS).max() > 10
    assert close(path, wanted)


def test_a_palette_has_the_colours_of_its_profile(tmp_path):
    few = COLOURS[:2]
    icc = rgb_profile("wide", ADOBE, 2.19921875)
    palette = Image.fromarray(few).quantize(256)
    assert (np.asarray(palette.convert("RGB")) == few).all()
    for ending in ("png", "tiff"):
        palette.save(tmp_path / f"a.{ending}", icc_profile=icc)
        assert close(tmp_path / f"a.{ending}", expected(few, ADOBE, 2.19921875))


@pytest.mark.parametrize("curve", [1.0, 1.8, 2.2])
@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_grey_profile_is_followed(tmp_path, curve, mode):
    Image.fromarray(GREYS).convert(mode).save(tmp_path / "a.png", icc_profile=grey_profile(curve))
    assert close(tmp_path / "a.png", expected(GREYS, None, curve))


def test_a_grey_profile_is_followed_in_modes_for_rgb(tmp_path):
    icc = grey_profile(1.8)
    grey = Image.fromarray(GREYS)
    grey.convert("RGB").save(tmp_path / "a.webp", icc_profile=icc, lossless=True)
    deep = np.stack([GREYS.astype(np.uint16) * 257, np.full(GREYS.shape, 65535)], -1)
    packed = b"grey\0\0" + zlib.compress(icc)
    png(tmp_path / "a.png", deep.astype(np.uint16), (b"iCCP", packed))
    for ending in ("webp", "png"):
        assert close(tmp_path / f"a.{ending}", expected(GREYS, None, 1.8))


@pytest.mark.parametrize("curve", [1.0, 2.2])
@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_a_grey_profile_is_followed_with_sixteen_bits(tmp_path, curve, ending):
    deep = np.linspace(0, 65535, 4096).reshape(64, 64).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / f"a.{ending}", icc_profile=grey_profile(curve))
    assert close(tmp_path / f"a.{ending}", expected(deep, None, curve, 65535))


def test_a_grey_picture_may_have_a_profile_for_rgb(tmp_path):
    icc = rgb_profile("linear", SRGB, 1.0)
    Image.fromarray(GREYS).save(tmp_path / "a.png", icc_profile=icc)
    assert close(tmp_path / "a.png", expected(GREYS, None, 1.0))


def test_srgb_is_recognised_by_its_colours_and_not_by_its_name(tmp_path):
    picture = Image.fromarray(COLOURS)
    true = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for number, icc in enumerate((true, rgb_profile("nothing", SRGB, "srgb"))):
        picture.save(tmp_path / f"{number}.png", icc_profile=icc)
        assert (seen(tmp_path / f"{number}.png") == COLOURS).all()
    picture.save(tmp_path / "a.png", icc_profile=rgb_profile("sRGB IEC61966-2.1", P3, "srgb"))
    assert close(tmp_path / "a.png", expected(COLOURS, P3, "srgb"))


def test_white_is_mixed_in_after_the_conversion(tmp_path):
    pixels = np.concatenate([COLOURS, np.full((8, 64, 1), 128, np.uint8)], -1)
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=rgb_profile("w", ADOBE, 2.2))
    opacity = 128 / 255
    wanted = expected(COLOURS, ADOBE, 2.2) * opacity + 255 * (1 - opacity)
    assert close(tmp_path / "a.png", wanted)


def test_a_profile_for_other_colours_is_not_used(tmp_path):
    picture = Image.fromarray(COLOURS)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for icc in (grey_profile(1.8), lab, b"nonsense", rgb_profile("x", P3, 1.0)[:200]):
        picture.save(tmp_path / "a.png", icc_profile=icc)
        assert (seen(tmp_path / "a.png") == COLOURS).all()


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "LAB", "RGBX", "RGBa", "CMYK"])
def test_modes_that_few_programs_write(tmp_path, mode):
    from artgraph.pictures.colour import in_srgb

    picture = Image.new("RGB", (4, 4), (180, 90, 60))
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        other = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
    else:
        other = picture.convert("RGBA").convert(mode) if mode == "RGBa" else picture.convert(mode)
    assert other.mode == mode
    found = in_srgb(other).getpixel((1, 1))
    assert np.abs(np.subtract(found, (180, 90, 60))).max() <= 3
    if mode in ("LAB", "CMYK", "YCbCr"):
        other.save(tmp_path / "a.tiff")
        found = read_picture(tmp_path / "a.tiff").getpixel((1, 1))
        assert np.abs(np.subtract(found, (180, 90, 60))).max() <= 3


def test_png_chunks_describe_colours_without_a_profile(tmp_path):
    path = tmp_path / "a.png"
    p3 = [31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000]
    chromaticities, gamma = struct.pack(">8I", *p3), struct.pack(">I", 45455)
    png(path, COLOURS, (b"cICP", bytes([12, 13, 0, 1])))
    assert close(path, expected(COLOURS, P3, "srgb"))
    png(path, COLOURS, (b"gAMA", gamma), (b"cHRM", chromaticities))
    assert close(path, expected(COLOURS, P3, "srgb"))
    png(path, COLOURS, (b"sRGB", b"\0"), (b"gAMA", gamma), (b"cHRM", chromaticities))
    assert (seen(path) == COLOURS).all()
    png(path, COLOURS, (b"gAMA", gamma))
    assert (seen(path) == COLOURS).all()
    png(path, COLOURS, (b"gAMA", struct.pack(">I", 100000)))
    assert close(path, expected(COLOURS, SRGB, 1.0))
    png(path, GREYS[..., None], (b"gAMA", struct.pack(">I", 100000)))
    assert close(path, expected(GREYS, None, 1.0))
    for nonsense in (struct.pack(">8I", *[0] * 8), struct.pack(">8I", *[31270, 32900] * 4)):
        png(path, COLOURS, (b"gAMA", gamma), (b"cHRM", nonsense))
        assert (seen(path) == COLOURS).all()


def test_hdr_is_refused(tmp_path):
    png(tmp_path / "a.png", COLOURS, (b"cICP", bytes([9, 16, 0, 1])))
    with pytest.raises(UnreadableError, match="HDR"):
        read_picture(tmp_path / "a.png")


def test_a_camera_says_adobe_rgb_in_its_exif_data(tmp_path):
    exif = Image.Exif()
    exif[0x8769] = {0xA001: 0xFFFF, 0xA005: {1: "R03"}}
    flat = np.full((32, 32, 3), (60, 180, 80), np.uint8)
    Image.fromarray(flat).save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    assert close(tmp_path / "a.jpg", expected(flat, ADOBE, 2.19921875), 4)
    Image.fromarray(flat).save(tmp_path / "b.jpg", quality=100, subsampling=0)
    assert close(tmp_path / "b.jpg", flat, 3)


# Transparency


def test_one_colour_is_transparent_at_any_number_of_bits(tmp_path):
    path = tmp_path / "a.png"
    for bits in (1, 2, 4):
        pixels = np.array([[0, 1, (1 << bits) - 1]], np.uint8)[..., None]
        png(path, pixels, (b"tRNS", struct.pack(">H", 0)), bits=bits)
        assert seen(path)[0, 0, 0] == 255
        png(path, pixels, (b"tRNS", struct.pack(">H", 1)), bits=bits)
        assert seen(path)[0, 1, 0] == 255
        assert seen(path)[0, 0, 0] == 0
    deep = np.array([[1000, 1001, 60000]], np.uint16)[..., None]
    png(path, deep, (b"tRNS", struct.pack(">H", 1000)))
    assert seen(path)[0, :, 0].tolist() == [255, 4, 233]
    deep = np.repeat(deep, 3, -1)
    png(path, deep, (b"tRNS", struct.pack(">3H", 1000, 1000, 1000)))
    assert np.abs(seen(path)[0, :, 0] - [255, 4, 233]).max() <= 1


@pytest.mark.parametrize("channels", [2, 4])
def test_sixteen_bits_with_alpha(tmp_path, channels):
    pixels = np.full((2, 2, channels), 20000, np.uint16)
    pixels[..., -1] = [[0, 65535], [32768, 65535]]
    png(tmp_path / "a.png", pixels)
    level = 20000 / 257
    wanted = [[255, level], [level / 2 + 127.5, level]]
    assert np.abs(seen(tmp_path / "a.png")[..., 0] - wanted).max() <= 2


@pytest.mark.parametrize("channels", [2, 4])
def test_a_tiff_whose_colours_are_multiplied_with_its_alpha(tmp_path, channels):
    pixels = np.full((2, 2, channels), 50, np.uint8)
    pixels[..., -1] = 128
    photometric = 1 if channels == 2 else 2
    tiff(tmp_path / "a.tif", pixels, photometric, tags=[(338, 3, [1])])
    assert np.abs(seen(tmp_path / "a.tif") - (50 + 127)).max() <= 2


def test_a_palette_with_degrees_of_transparency(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([200, 0, 0, 0, 0, 200])
    picture.putdata([0, 1])
    picture.save(tmp_path / "a.png", transparency=bytes([255, 128]))
    assert np.abs(seen(tmp_path / "a.png")[0] - [[200, 0, 0], [127, 127, 227]]).max() <= 1


def test_a_cmyk_jpeg_follows_its_profile_or_the_formula(tmp_path):
    buffer = io.BytesIO()
    Image.new("CMYK", (16, 16), (0, 200, 100, 50)).save(buffer, "JPEG", quality=100)
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    wanted = [255 * (1 - 50 / 255), 55 * (1 - 50 / 255), 155 * (1 - 50 / 255)]
    assert np.abs(seen(tmp_path / "a.jpg")[8, 8] - wanted).max() <= 4
