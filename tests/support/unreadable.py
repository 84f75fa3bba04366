"""Files that are not pictures, or only seem to be: what makes each, and what is said about it."""

import io
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image


def huge_png(path, edge=60_000):
    """A PNG whose header promises far more than there is."""
    chunks = b""
    for kind, body in (
        (b"IHDR", struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    ):
        check = struct.pack(">I", zlib.crc32(kind + body))
        chunks += struct.pack(">I", len(body)) + kind + body + check
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def truncated(path):
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(whole, "JPEG")
    path.write_bytes(whole.getvalue()[:900])


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "hello")


HOSTILE = {
    "huge.png": (huge_png, "pixels"),
    "large.png": (lambda path: huge_png(path, 9_000), "9000 x 9000 pixels, more than 80 million"),
    "truncated.jpg": (truncated, "cut short"),
    "zip.png": (zipped, "not a picture"),
    "empty.png": (lambda path: path.write_bytes(b""), "not a picture"),
    "text.gif": (lambda path: path.write_text("GIF89a"), "damaged|not a picture"),
    "script.tif": (lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n"), "not a picture"),
}
