"""PNG and TIFF files written byte by byte, in forms that Pillow does not write."""

import struct
import zlib

import numpy as np

_PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # the type of colour, by the number of channels


def png(path, pixels, *chunks, bits=None):
    """Write pixels, uint8 or uint16 (H, W, channels). Chunks are (name, data)."""
    pixels = np.asarray(pixels)
    height, width, channels = pixels.shape
    bits = bits or pixels.dtype.itemsize * 8
    if bits < 8:
        flat = np.unpackbits(pixels[..., 0, None], axis=-1)[..., 8 - bits :].reshape(height, -1)
        rows = np.packbits(flat, axis=1)
    else:
        rows = pixels.astype(f">u{bits // 8}").reshape(height, -1).view(np.uint8)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", width, height, bits, _PNG_COLOURS[channels], 0, 0, 0)
    chunks = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks))


def _chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def tiff(path, pixels, photometric=1, kind=1, bits=None, order="<", deflate=False, tags=()):
    """Write pixels (H, W) or (H, W, channels).

    kind: SampleFormat: 1 for unsigned numbers, 2 for signed ones, 3 for floats
    tags: further tags (number, kind of value, values)
    """
    pixels = np.asarray(pixels)
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    if bits == 12:
        first, second = pixels[:, 0::2].astype(int), pixels[:, 1::2].astype(int)
        parts = [first >> 4, (first & 15) << 4 | second >> 8, second & 255]
        data = np.stack(parts, -1).astype(np.uint8).tobytes()
    data = zlib.compress(data) if deflate else data
    bits = bits or pixels.dtype.itemsize * 8
    entries = {
        256: (3, [width]),
        257: (3, [height]),
        258: (3, [bits] * channels),
        259: (3, [8 if deflate else 1]),
        262: (3, [photometric]),
        273: (4, [8]),
        277: (3, [channels]),
        278: (3, [height]),
        279: (4, [len(data)]),
        339: (3, [kind] * channels),
    }
    entries |= {number: (form, values) for number, form, values in tags}
    path.write_bytes(_file(data, entries, order))


def _file(data, entries, order):
    codes = {1: "B", 3: "H", 4: "I", 11: "f"}
    data += b"\0" * (len(data) % 2)
    begin = 8 + len(data)
    beyond, table = b"", struct.pack(order + "H", len(entries))
    after = begin + 2 + 12 * len(entries) + 4
    for number, (form, values) in sorted(entries.items()):
        packed = struct.pack(f"{order}{len(values)}{codes[form]}", *values)
        if len(packed) > 4:
            place = struct.pack(order + "I", after + len(beyond))
            beyond += packed + b"\0" * (len(packed) % 2)
        else:
            place = packed.ljust(4, b"\0")
        table += struct.pack(order + "HHI", number, form, len(values)) + place
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, begin)
    return head + data + table + b"\0" * 4 + beyond
