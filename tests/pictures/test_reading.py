import errno
import io
import os
import threading
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile
from raw_files import png, tiff

from artgraph.contract.errors import InputError
from artgraph.nodes.data import load_image
from artgraph.pictures import suffixes
from artgraph.pictures.reading import UnreadableError, read_picture

Y, X = np.mgrid[0:150, 0:200]
PIXELS = np.stack([X, Y, X * Y // 120], -1).astype(np.uint8)
PICTURE = Image.fromarray(PIXELS)


def need(form):
    if form == "HEIF":
        pytest.importorskip("pillow_heif", reason="HEIC needs the extra `heif`")
        suffixes.is_readable(suffixes.Path("a.heic"))  # lets Pillow write HEIC too


def saved(form, **options):
    need(form)
    buffer = io.BytesIO()
    PICTURE.save(buffer, form, **options)
    return buffer.getvalue()


# Formats

EXACT = {"avif": {"quality": 100}, "heic": {"quality": -1, "chroma": 444}, "jp2": {}, "tga": {}}


@pytest.mark.parametrize(
    "suffix", ["avif", "heic", "heif", "hif", "jp2", "j2k", "ppm", "tga", "qoi", "apng", "dib"]
)
def test_formats_that_are_read_besides_the_usual_ones(tmp_path, suffix):
    form = {"heif": "HEIF", "hif": "HEIF", "heic": "HEIF", "apng": "PNG", "dib": "BMP"}.get(suffix)
    need(form)
    PICTURE.save(tmp_path / f"a.{suffix}", form, **EXACT.get(suffix, {}))
    assert suffixes.is_readable(tmp_path / f"a.{suffix}")
    found = np.asarray(read_picture(tmp_path / f"a.{suffix}")).astype(int)
    assert np.abs(found - PIXELS).mean() <= 3


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "pjpeg", "pjp", "mpo", "JPG"])
def test_other_names_of_jpeg(tmp_path, suffix):
    (tmp_path / f"a.{suffix}").write_bytes(saved("JPEG"))
    assert suffixes.is_readable(tmp_path / f"a.{suffix}")
    assert read_picture(tmp_path / f"a.{suffix}").size == (200, 150)


@pytest.mark.parametrize("form", ["WEBP", "AVIF", "TIFF", "QOI", "JPEG2000", "BMP"])
def test_a_file_is_read_by_its_content(tmp_path, form):
    (tmp_path / "a.jpg").write_bytes(saved(form))
    assert read_picture(tmp_path / "a.jpg").size == (200, 150)


def test_grey_ppm_of_sixteen_bits_and_floats(tmp_path):
    grey = PIXELS[..., 0]
    deep = (grey.astype(np.uint16) * 257).astype(">u2").tobytes()
    (tmp_path / "a.pgm").write_bytes(b"P5 200 150 65535\n" + deep)
    (tmp_path / "a.pfm").write_bytes(
        b"Pf\n200 150\n-1.0\n" + (grey[::-1] / 255).astype("<f4").tobytes()
    )
    for name in ("a.pgm", "a.pfm"):
        found = np.asarray(read_picture(tmp_path / name))[..., 1].astype(int)
        assert np.abs(found - grey).max() <= 1


def test_a_file_is_taken_for_tga_only_by_its_name(tmp_path):
    PICTURE.save(tmp_path / "a.tga")
    (tmp_path / "a.tga").rename(tmp_path / "a.png")
    with pytest.raises(UnreadableError, match="not a picture"):
        read_picture(tmp_path / "a.png")


UNREAD = {
    "a.cr2": "RAW", "a.NEF": "RAW", "a.dng": "RAW", "a.psd": "Photoshop", "a.svg": "lines",
    "a.eps": "lines", "a.pdf": "document", "a.mp4": "film", "a.ico": "icon",
}  # fmt: skip


@pytest.mark.parametrize("name", UNREAD)
def test_why_other_kinds_are_not_read(tmp_path, name):
    assert not suffixes.is_readable(tmp_path / name)
    assert UNREAD[name] in suffixes.why_not_read(tmp_path / name).why
    (tmp_path / name).write_bytes(b"%!PS")
    with pytest.raises(InputError, match=UNREAD[name]) as caught:
        load_image(path=tmp_path / name)
    assert ("load_video" if name == "a.mp4" else "save") in str(caught.value)


def test_names_that_are_not_pictures():
    for name in ("notes.txt", "labels.csv", "noname", "archive.zip", ".png"):
        path = suffixes.Path(name)
        assert not suffixes.is_readable(path)
        assert suffixes.why_not_read(path) is None


@pytest.mark.parametrize(
    ("start", "words"),
    [(b"8BPS\0\1", "Photoshop"), (b"%PDF-1.7", "document"),
     (b"", "empty"), (b"\0\0\0\x18ftypisom", "film"), (b"hello", "not a picture")],
)  # fmt: skip
def test_what_a_file_with_a_wrong_name_is(tmp_path, start, words):
    (tmp_path / "a.jpg").write_bytes(start)
    with pytest.raises(UnreadableError, match=words):
        read_picture(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("package", "extra", "name", "start"),
    [("pillow_heif", "heif", "HEIC", b"\0\0\0\x18ftypheic"),
     ("pillow_jxl", "jxl", "JXL", b"\xff\x0a")],
)  # fmt: skip
def test_without_a_package_the_reason_says_what_to_install(tmp_path, package, extra, name, start):
    # The registry of packages can't be changed for one test: the reason is that of a fresh process.
    import subprocess
    import sys

    (tmp_path / "a.jpg").write_bytes(start + bytes(100))
    code = (
        f"import sys; sys.modules['{package}'] = None\n"
        "from pathlib import Path\n"
        "from artgraph.pictures import suffixes\n"
        "from artgraph.pictures.reading import read_picture, UnreadableError\n"
        f"path = Path('a.{name}')\n"
        "print(suffixes.is_readable(path), *suffixes.why_not_read(path))\n"
        "try: read_picture(Path('a.jpg'))\n"
        "except UnreadableError as error: print(error, error.advice)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert found[0].startswith("False ")
    assert all(f"artgraph[{extra}]" in line for line in found)


def test_the_preview_inside_a_raw_photograph_is_not_taken_for_it(tmp_path):
    for tags in ([(50706, 1, [1, 4, 0, 0])], [(254, 4, [1]), (330, 4, [8])]):
        tiff(tmp_path / "a.tif", PIXELS, 2, tags=tags)
        with pytest.raises(UnreadableError, match="RAW"):
            read_picture(tmp_path / "a.tif")


# The end of a JPEG

JPEGS = {
    "plain": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 3},
    "finest": {"quality": 100, "subsampling": 0},
}


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_that_lacks_its_end_mark_is_read(tmp_path, kind):
    path = tmp_path / "a.jpg"
    path.write_bytes(saved("JPEG", **JPEGS[kind]))
    whole = np.asarray(read_picture(path))
    for missing in (1, 2):
        path.write_bytes(saved("JPEG", **JPEGS[kind])[:-missing])
        assert (np.asarray(read_picture(path)) == whole).all()
        assert read_picture(path, 16).width < 200
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_that_lacks_pixels_is_damaged(tmp_path, kind):
    data = saved("JPEG", **JPEGS[kind])
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    near = range(len(data) - 400, len(data) - 2, 3 if kind == "restarts" else 20)
    for end in (*near, len(data) // 2, scans[-1], scans[-1] + 20):
        (tmp_path / "a.jpg").write_bytes(data[:end])
        with pytest.raises(UnreadableError, match=r"damaged|cut short|not a picture"):
            read_picture(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    "form", ["PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "PPM", "QOI", "HEIF"]
)
def test_other_files_that_are_cut_short_are_damaged(tmp_path, form):
    data = saved(form)
    (tmp_path / "a.png").write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(UnreadableError, match=r"damaged|cut short|not a picture"):
        read_picture(tmp_path / "a.png")


# Errors of the system, which say nothing about the file


def test_a_file_that_is_away_is_not_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "a.png")
    with pytest.raises(InputError, match="No such file"):
        load_image(path=tmp_path / "a.png")


@pytest.mark.skipif(os.name == "nt", reason="has no limit of open files per process")
def test_too_many_open_files_is_not_damage(tmp_path):
    import resource

    PICTURE.save(tmp_path / "a.png")
    read_picture(tmp_path / "a.png")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(tmp_path, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files") as caught:
            read_picture(tmp_path / "a.png")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert caught.value.errno == errno.EMFILE


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the limit is Linux's")  # noqa: PTH110
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "a.avif", "a.bmp"])
def test_want_of_memory_is_not_damage(tmp_path, name):
    import subprocess
    import sys

    options = {"compression": "tiff_lzw"} if name == "a.tif" else {}
    Image.fromarray(np.tile(PIXELS, (17, 13, 1))).save(tmp_path / name, **options)
    PICTURE.save(tmp_path / f"small{name}", **options)
    code = f"""
import resource
from pathlib import Path
from artgraph.pictures.reading import read_picture
read_picture(Path("small{name}"))
status = Path("/proc/self/status").read_text().split()
size = int(status[status.index("VmSize:") + 1]) * 1024
for more in (2, 12, 26, 34, 50):
    resource.setrlimit(resource.RLIMIT_AS, (size + more * 1_000_000, -1))
    try:
        read_picture(Path("{name}"))
        print("read")
    except MemoryError:
        print("no memory")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("no memory")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_or_a_folder_is_refused_before_it_is_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "folder.png"):
        with pytest.raises(UnreadableError, match="not a file"):
            read_picture(tmp_path / name)


@pytest.mark.parametrize("size", [3_000_000, 500_000_000])
def test_texts_that_unpack_to_very_much_are_not_unpacked(tmp_path, size):
    text = b"k\0\1\0\0\0" + zlib.compress(bytes(size), 9)
    png(tmp_path / "a.png", PIXELS, (b"iTXt", text))
    tracemalloc.start()
    try:
        assert (np.asarray(read_picture(tmp_path / "a.png")) == PIXELS).all()
        assert tracemalloc.get_traced_memory()[1] < 400_000_000  # with what is only reserved
    finally:
        tracemalloc.stop()


def test_a_very_large_profile_is_reported(tmp_path):
    notes = []
    PICTURE.save(tmp_path / "a.png", icc_profile=bytes(3_000_000))
    assert (np.asarray(read_picture(tmp_path / "a.png", note=notes.append)) == PIXELS).all()
    assert notes == ["its colour profile is too large, so its colours were read as sRGB"]
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-200])
    with pytest.raises(UnreadableError, match="cut short"):
        read_picture(tmp_path / "a.png")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_data_does_not_matter(tmp_path):
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 200
    (tmp_path / "a.jpg").write_bytes(saved("JPEG", exif=exif))
    assert read_picture(tmp_path / "a.jpg").size == (200, 150)


def test_pictures_are_read_side_by_side(tmp_path):
    names = []
    for form in ("PNG", "JPEG", "TIFF", "WEBP"):
        (tmp_path / f"a.{form.lower()}").write_bytes(saved(form))
        names.append(tmp_path / f"a.{form.lower()}")
    (tmp_path / "cut.jpg").write_bytes(saved("JPEG")[:-2])
    names.append(tmp_path / "cut.jpg")
    whole = {path: read_picture(path).tobytes() for path in names}
    wrong = []

    def work():
        for _ in range(5):
            wrong.extend(p for p in names if read_picture(p).tobytes() != whole[p])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
