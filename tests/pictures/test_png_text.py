"""The text in PNG files, also after another program wrote the file again."""

import io
import struct
import zlib

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from artgraph.pictures.png_text import TextError, add_text, read_text, without_text

TEXT = "title: Gr\u00fc\u00dfe \u753b\nnodes: {}\n"


def png(info=None):
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def chunk(kind, body):
    head = struct.pack(">I", len(body)) + kind + body
    return head + struct.pack(">I", zlib.crc32(head[4:]))


def with_chunk(kind, body, at_end=False):
    data = png()
    place = len(data) - 12 if at_end else 33
    return data[:place] + chunk(kind, body) + data[place:]


def itxt(text, packed=0, language=b"de", name="K"):
    data = zlib.compress(text) if packed else text
    return b"artgraph\0" + bytes([packed, 0]) + language + b"\0" + name.encode() + b"\0" + data


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"iTXt", itxt(TEXT.encode())),
        (b"iTXt", itxt(TEXT.encode(), packed=1)),
        (b"iTXt", itxt(TEXT.encode(), packed=1, language=b"", name="")),
        (b"tEXt", b"artgraph\0" + TEXT.encode()),
        (b"zTXt", b"artgraph\0\0" + zlib.compress(TEXT.encode())),
    ],
)
def test_every_form_of_text_is_read(kind, body, at_end):
    data = with_chunk(kind, body, at_end)
    Image.open(io.BytesIO(data)).load()
    assert read_text(data, "artgraph") == TEXT
    assert read_text(data, "art") is None
    assert read_text(without_text(data, ["artgraph"]), "artgraph") is None


def test_latin_1_is_read_as_the_standard_says():
    assert read_text(with_chunk(b"tEXt", b"artgraph\0Gr\xfc\xdfe"), "artgraph") == "Gr\u00fc\u00dfe"
    packed = b"artgraph\0\0" + zlib.compress(b"Gr\xfc\xdfe")
    assert read_text(with_chunk(b"zTXt", packed), "artgraph") == "Gr\u00fc\u00dfe"


def test_what_pillow_writes_is_read():
    info = PngInfo()
    info.add_text("prompt", "{}", zip=True)
    info.add_itxt("artgraph", TEXT, zip=True)
    info.add_text("workflow", "{}")
    data = png(info)
    found = [read_text(data, key) for key in ("artgraph", "prompt", "workflow", "none")]
    assert found == [TEXT, "{}", "{}", None]
    assert read_text(add_text(png(), "artgraph", TEXT), "artgraph") == TEXT


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (b"zTXt", b"artgraph\0\0" + zlib.compress(bytes(65 * 2**20)), "larger than 64 MiB"),
        (b"iTXt", itxt(bytes(65 * 2**20), packed=1), "larger than 64 MiB"),
        (b"zTXt", b"artgraph\0\0not packed", "damaged"),
        (b"zTXt", b"artgraph\0\0" + zlib.compress(TEXT.encode() * 9)[:-9], "cut short"),
        (b"iTXt", itxt(b"\xff\xfe"), "damaged"),
    ],
)
def test_bombs_and_damaged_texts_are_refused(kind, body, words):
    with pytest.raises(TextError, match=words):
        read_text(with_chunk(kind, body), "artgraph")


def test_a_bomb_of_another_keyword_does_no_harm():
    bomb = chunk(b"zTXt", b"other\0\0" + zlib.compress(bytes(65 * 2**20)))
    data = add_text(png(), "artgraph", TEXT)
    assert read_text(data[:33] + bomb + data[33:], "artgraph") == TEXT


def test_a_file_that_ends_within_the_text_is_refused():
    data = add_text(png(), "artgraph", TEXT)
    with pytest.raises(TextError, match="cut short"):
        read_text(data[:60], "artgraph")
