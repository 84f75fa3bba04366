"""Finds out what a file is by its first bytes, for messages about files of another kind."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = (".safetensors", ".pth", ".pt", ".bin")  # suffixes of files with weights of networks
_HALVES = (("encoder", "decoder"), ("decoder", "encoder"))  # names of the files of a TAESD

# The beginning of a file: what it is.
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"%PDF", "a PDF file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
    (b"GGUF", "a GGUF model"),
    (b"\x89HDF", "an HDF5 file"),
    (
        b"version https://git-lfs.github.com/spec/",
        "a pointer of Git LFS instead of the file itself",
    ),
)


def kind_of_file(data: bytes) -> str | None:
    """Returns what a file with these first bytes is, for a sentence; None if it is not known."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "a WebP picture"
    if data[4:8] == b"ftyp":
        return "a HEIC or AVIF picture, or a film"
    for beginning, name in _BEGINNINGS:
        if data.startswith(beginning):
            return name
    if data[:1_000].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html")):
        return "an HTML page"
    return None


def beside_weights(path: Path) -> list[Path]:
    """Returns the files in the same folder that may say more about a file of weights.

    These are a config.json, and the other half of an autoencoder in two files. They are part of
    the file's fingerprint.
    """
    if path.suffix.lower() not in WEIGHTS:
        return []
    names = ["config.json", *(path.name.replace(a, b) for a, b in _HALVES if a in path.name)]
    return [path.with_name(name) for name in names if path.with_name(name).is_file()]
