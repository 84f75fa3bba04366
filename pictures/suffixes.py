"""What a file's name says: which files are read as pictures, and why others are not."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

DISPLAYABLE = (".png", ".jpg", ".jpeg", ".webp", ".gif")  # formats that nodes save, browsers show
FILMS = {".mp4": "video/mp4", ".webm": "video/webm"}  # films that nodes save, and their MIME types

# The formats that are read, by Pillow's names. Pillow's other formats are not on the list, because
# they run other programs (EPS, WMF), contain several sizes or things that are not pictures (ICO,
# ICNS, CUR, DDS, FITS, MPEG), only a preview of layers (PSD), or are hardly used any more.
FORMATS = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".mpo"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "AVIF": (".avif", ".avifs"),
    "HEIF": (".heic", ".heif", ".hif", ".heics", ".heifs"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "JXL": (".jxl",),
    "QOI": (".qoi",),
    "TGA": (".tga",),
}
_FORMAT = {suffix: name for name, suffixes in FORMATS.items() for suffix in suffixes}
READABLE = tuple(dict.fromkeys((*DISPLAYABLE, *_FORMAT)))  # formats that nodes read


class Unread(NamedTuple):
    """Why a file is not read as a picture, and what to do about it."""

    why: str
    advice: str


RAW = Unread("it is a RAW photograph", "save a copy of it as TIFF or JPEG")
_RAWS = (
    "3fr arw cr2 cr3 crw dcr dng erf iiq k25 kdc mef mos mrw nef nrw orf pef raf rw2 rwl srw x3f"
)
_FILM = "3gp avi flv m2ts m4v mkv mov mp4 mpeg mpg mts ogv webm wmv"
_SAVED = "save a copy of it as PNG or JPEG"
_KINDS = {
    _RAWS: RAW,
    "psd psb": Unread("it is a Photoshop file with layers", _SAVED),
    "xcf kra clip ora afphoto procreate": Unread("it is a drawing program's own file", _SAVED),
    "svg svgz ai eps ps emf wmf": Unread(
        "it is a drawing of lines, and not a picture of pixels", _SAVED
    ),
    "pdf": Unread("it is a document", "save its pages as PNG or JPEG"),
    _FILM: Unread("it is a film", "load pictures of it with load_video"),
    "exr hdr": Unread("it contains brightness values for later exposure", _SAVED),
    "ico icns cur": Unread("it is an icon, which contains several sizes", "save one size as PNG"),
    "dds ktx ktx2": Unread("it is a texture for graphics cards", _SAVED),
    "pcx sgi ras xbm xpm": Unread("its format is not supported", _SAVED),
    "crdownload part partial": Unread("its download is not complete", "download it again"),
}
_UNREAD = {f".{suffix}": reason for kinds, reason in _KINDS.items() for suffix in kinds.split()}
# Suffixes of files that are not pictures, whose content is not examined.
_OTHER = (
    "7z aae bz2 caption css csv db doc docx gz h5 htm html ini ipynb js json jsonl lnk log m4a md"
    " mp3 npy npz ods odt parquet pkl pt py rar safetensors sqlite tar tgz thm tsv txt url wav xls"
    " xlsx xml xmp xz yaml yml zip zst"
)
_NOT_PICTURES = {f".{suffix}" for suffix in _OTHER.split()}
_STARTS = {  # how files begin that are not read, and a suffix that they should have
    b"8BPS": ".psd",
    b"%PDF": ".pdf",
    b"%!PS": ".eps",
    b"<svg": ".svg",
    b"\xff\x0a": ".jxl",
    b"\0\0\0\x0cJXL ": ".jxl",
    b"\x76\x2f\x31\x01": ".exr",
    b"#?RADIANCE": ".hdr",
    b"gimp xcf": ".xcf",
    b"DDS ": ".dds",
    b"\0\0\1\0": ".ico",
    b"\x1aE\xdf\xa3": ".mkv",
}
_PICTURES = {  # how pictures begin that are read, and the suffix of such a file
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF87a": ".gif",
    b"GIF89a": ".gif",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"qoif": ".qoi",
    b"\xff\x0a": ".jxl",
    b"\0\0\0\x0cJXL ": ".jxl",
    b"\0\0\0\x0cjP  \r\n": ".jp2",
}
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # sizes of the headers of BMP files
_BRANDS = {  # the suffixes of files that contain boxes, by their brand
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), ".heic"),
    **dict.fromkeys((b"avif", b"avis"), ".avif"),
    **dict.fromkeys((b"isom", b"mp41", b"mp42", b"qt  ", b"M4V "), ".mp4"),
    b"crx ": ".cr3",
}


def is_displayable(path: Path) -> bool:
    """Returns whether browsers show a file of this name as a picture."""
    return path.suffix.lower() in DISPLAYABLE


def is_listed(suffix: str) -> bool:
    """Returns whether files with this suffix, in lower case, are pictures of a format to read."""
    return suffix in _FORMAT


def is_film(path: Path) -> bool:
    """Returns whether browsers play a file of this name as a film."""
    return path.suffix.lower() in FILMS


def is_readable(path: Path) -> bool:
    """Returns whether nodes read a file of this name as a picture, on this computer."""
    suffix = path.suffix.lower()
    return suffix in _FORMAT and _what_is_missing(_FORMAT[suffix]) is None


def why_not_read(path: Path) -> Unread | None:
    """Returns why a file of this name is not read, or None if it is read or no kind of picture."""
    suffix = path.suffix.lower()
    if suffix in _FORMAT:
        return _what_is_missing(_FORMAT[suffix])
    return _UNREAD.get(suffix)


def says_nothing(suffix: str) -> bool:
    """Returns whether a file with this suffix, in lower case, may be a picture or anything else."""
    return suffix not in _FORMAT and suffix not in _UNREAD and suffix not in _NOT_PICTURES


def suffix_of_content(start: bytes) -> str | None:
    """Returns the suffix for a picture that starts with these bytes; None if it is not a picture.

    start: at least 18 bytes, if the file is that long.
    """
    if start[4:8] == b"ftyp":
        suffix = _BRANDS.get(start[8:12])
        return suffix if suffix in _FORMAT else None
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return ".webp"
    if start.startswith(b"BM") and int.from_bytes(start[14:18], "little") in _BMP_HEADERS:
        return ".bmp"
    return next((suffix for begin, suffix in _PICTURES.items() if start.startswith(begin)), None)


@cache
def unusual_formats() -> tuple[str, ...]:
    """Returns how this computer's formats differ from the usual ones, such as "without HEIF".

    JPEG XL is not usual, so that keys from before it was read stay valid without it.
    """
    read = {name: _what_is_missing(name) is None for name in FORMATS}
    missing = [f"without {name}" for name, is_read in read.items() if not is_read and name != "JXL"]
    return (*missing, *["with JXL"] * read["JXL"])


def why_content_not_read(start: bytes) -> Unread | None:
    """Returns why a file that starts with these bytes is not read, or None if that is unknown."""
    suffix = _BRANDS.get(start[8:12]) if start[4:8] == b"ftyp" else None
    if suffix is None:
        suffix = next((suffix for begin, suffix in _STARTS.items() if start.startswith(begin)), "")
    return why_not_read(Path(f"it{suffix}"))


@cache
def _what_is_missing(name: str) -> Unread | None:
    """Returns why a format of the list can't be read on this computer, or None if it can."""
    from PIL import features

    parts = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}
    if name == "HEIF" and not _register_heif():
        return Unread(
            "HEIC pictures need the package pillow-heif", 'run pip install "artgraph[heif]"'
        )
    if name == "JXL" and not _register_jxl():
        return Unread(
            "JPEG XL pictures need the package pillow-jxl-plugin",
            'run pip install "artgraph[jxl]", or save a copy of it as PNG or JPEG',
        )
    if name in parts and not _has(features, parts[name]):
        return Unread(f"the installed Pillow can't read {name}", "run pip install --upgrade pillow")
    return None


def _has(features: object, part: str) -> bool:
    """Returns whether Pillow was built with a part. An old Pillow does not know all names."""
    known = getattr(features, "modules", {}) | getattr(features, "codecs", {})
    return part in known and bool(features.check(part))  # type: ignore[attr-defined]


def _register_heif() -> bool:
    """Let Pillow read HEIC. Returns whether the package for it is installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener(thumbnails=False)
    return True


def _register_jxl() -> bool:
    """Let Pillow read JPEG XL. Returns whether the package for it is installed."""
    try:
        import pillow_jxl  # noqa: F401 - it registers itself
    except ImportError:
        return False
    return True


@cache
def open_formats(tga: bool) -> tuple[str, ...]:
    """Returns the names of the formats to try.

    tga: TGA files have no mark of their own, and other files could be mistaken for them. The format
        is tried only if the name of the file says so.
    """
    names = tuple(name for name in FORMATS if name != "TGA" and _what_is_missing(name) is None)
    return (*names, "TGA") if tga else names
