"""ICC profiles assembled by hand, and the colours they mean, computed with floats."""

import struct

import numpy as np

D50 = (0.9642, 1.0, 0.8249)
SRGB = [(0.43607, 0.22250, 0.01393), (0.38506, 0.71688, 0.09710), (0.14308, 0.06062, 0.71417)]
ADOBE = [(0.60976, 0.31112, 0.01948), (0.20524, 0.62566, 0.06089), (0.14922, 0.06322, 0.74484)]
P3 = [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)]


def rgb_profile(name, primaries, curve):
    columns = zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)
    curves = [(tag, _curve(curve)) for tag in (b"rTRC", b"gTRC", b"bTRC")]
    return _profile(b"RGB ", name, [*((tag, _xyz(value)) for tag, value in columns), *curves])


def grey_profile(curve):
    return _profile(b"GRAY", "grey", [(b"kTRC", _curve(curve))])


def expected(pixels, primaries, curve, top=255):
    """The colours in sRGB, 0..255, of values 0..top; primaries of None are grey's."""
    linear = decode(np.asarray(pixels) / top, curve)
    if primaries is None:
        linear = np.repeat(linear[..., None], 3, -1)
    else:
        linear = linear @ np.array(primaries) @ np.linalg.inv(np.array(SRGB))
    return encode(np.clip(linear, 0, 1)) * 255


def decode(values, curve):
    if curve == "srgb":
        return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return values**curve


def encode(linear):
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _number(value):
    return struct.pack(">i", round(value * 65536))


def _xyz(value):
    return b"XYZ \0\0\0\0" + b"".join(map(_number, value))


def _curve(curve):
    if curve == "srgb":
        table = decode(np.linspace(0, 1, 4096), curve) * 65535
        data = np.round(table).astype(">u2").tobytes()
        return b"curv\0\0\0\0" + struct.pack(">I", 4096) + data
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(curve * 256)) + b"\0\0"


def _profile(space, name, tags):
    text = name.encode() + b"\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78
    tags = [(b"desc", description), (b"cprt", b"text\0\0\0\0-\0"), (b"wtpt", _xyz(D50)), *tags]
    start, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for tag, data in tags:
        padded = data + b"\0" * (-len(data) % 4)
        table += tag + struct.pack(">II", start + len(body), len(padded))
        body += padded
    size = start + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    return head + b"".join(map(_number, D50)) + b"\0" * 48 + table + body
