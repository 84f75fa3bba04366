"""Which films are read: their formats by the beginning of the file, and their decoders."""

from __future__ import annotations

from typing import IO

from .reading import UnreadableError

_START = 512  # bytes at the beginning of a file that show what it is
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_PICTURES = (b"avif", b"heic", b"heix", b"mif1")  # brands of pictures in such boxes
_MARKS = {  # how films begin, and FFmpeg's name of the format
    b"\x1aE\xdf\xa3": "matroska,webm",
    b"OggS": "ogg",
    b"FLV\x01": "flv",
    b"\0\0\1\xba": "mpeg",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "asf",
}
# Decoders in wide use, without those that run other code or read other files.
DECODERS = (
    *("h264", "hevc", "vp8", "vp9", "libdav1d", "av1", "mpeg1video", "mpeg2video", "mpeg4"),
    *("msmpeg4v2", "msmpeg4", "wmv1", "wmv2", "wmv3", "vc1", "h263", "flv", "theora", "mjpeg"),
    *("prores", "dnxhd", "dvvideo", "ffv1", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "qtrle"),
    *("png", "rawvideo", "cfhd", "vp6f", "vp6a", "cinepak", "svq3"),
)


def format_of(file: IO[bytes]) -> str:
    """Returns FFmpeg's name of a film's format, by the beginning of the file."""
    start = file.read(_START)
    file.seek(0)
    if not start:
        raise UnreadableError("it is empty")
    if start[4:8] in _BOXES:
        if start[8:12] in _PICTURES:
            raise UnreadableError("it is a picture, and not a film", "load it with load_image")
        return "mov,mp4,m4a,3gp,3g2,mj2"
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        return "avi"
    if any(start[at : at + 189 + step : 188 + step] == b"GG" for at, step in ((0, 0), (4, 4))):
        return "mpegts"
    found = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
    if found is None:
        raise UnreadableError("it is not a film, or its format is not supported")
    return found
