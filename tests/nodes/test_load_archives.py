"""Pictures in zip and tar files, whole and damaged, friendly and hostile."""

import gzip
import io
import json
import os
import shutil
import tarfile
import unicodedata
import zipfile

import pytest
import torch
from packing import by_name, load, png, write_folder, write_tar, write_zip

from artgraph.contract.errors import InputError

FILES = {
    "ink/10.png": png("red"),
    "wash/2.png": png("lime"),
    "ink/9.png": png("blue"),
    "top.png": png("white"),
    "ink/.hidden.png": png("red"),
    "ink/Thumbs.db": b"x",
    "notes.md": b"x",
}
ZIPS = {"stored": zipfile.ZIP_STORED, "deflate": zipfile.ZIP_DEFLATED, "lzma": zipfile.ZIP_LZMA}
TARS = {".tar": "", ".tar.gz": "gz", ".tgz": "gz", ".tar.bz2": "bz2", ".tar.xz": "xz"}


def packed(folder):
    """The same files in archives of all kinds."""
    for name, method in ZIPS.items():
        write_zip(folder / f"{name}.zip", FILES, method)
    for suffix, mode in TARS.items():
        write_tar(folder / f"a{suffix}", FILES, mode)
    write_tar(folder / "gnu.TAR", FILES, form=tarfile.GNU_FORMAT)
    return sorted(folder.iterdir())


def test_an_archive_is_read_as_the_folder_that_it_contains(tmp_path):
    write_folder(tmp_path / "folder", FILES)
    expected, lines = load(tmp_path / "folder", aspect="auto")
    assert expected.names == ("top.png", "ink/9.png", "ink/10.png", "wash/2.png")
    (tmp_path / "packed").mkdir()
    for path in packed(tmp_path / "packed"):
        loaded, said = load(path, aspect="auto")
        assert (loaded.names, loaded.classes, said) == (expected.names, expected.classes, lines)
        assert torch.equal(loaded.labels, expected.labels)
        assert torch.equal(loaded.images, expected.images)
    assert len(list((tmp_path / "packed").iterdir())) == 9  # nothing was unpacked


def test_one_folder_around_all_class_folders_is_left_out(tmp_path):
    write_zip(tmp_path / "a.zip", {f"set/{name}": data for name, data in FILES.items()})
    assert load(tmp_path / "a.zip")[0].classes == ("ink", "pictures", "wash")
    write_zip(tmp_path / "b.zip", {"cats/1.png": png("red"), "cats/2.png": png("red")})
    assert load(tmp_path / "b.zip")[0].classes == ("cats",)


class Named(zipfile.ZipInfo):
    """A file whose name is written as these bytes, without the mark for UTF-8."""

    raw = b""

    def _encodeFilenameFlags(self):  # noqa: N802
        return self.raw, 0


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("müll/a.png".encode("cp437"), "müll/a.png"),
        ("müll/風.png".encode(), "müll/風.png"),
        (unicodedata.normalize("NFD", "müll/a.png").encode(), "müll/a.png"),
        (b"ink\\a.png", "ink/a.png"),
        (b"ink/a\nb.png", "ink/a\\nb.png"),
    ],
)
def test_names_in_zip_files_are_read_as_they_are_meant(tmp_path, raw, name):
    info = Named("x")
    info.raw = raw
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, png("red"))
    assert load(tmp_path / "a.zip")[0].names == (name,)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_other_accents_in_tar_files(tmp_path, form):
    name = f"{'long' * 60}/{unicodedata.normalize('NFD', 'ü')}.png"
    write_tar(tmp_path / "a.tar", {name: png("red")}, form=form)
    assert load(tmp_path / "a.tar")[0].names == (f"{'long' * 60}/ü.png",)


def test_zip64(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    write_zip(tmp_path / "a.zip", FILES)
    assert b"PK\6\6" in (tmp_path / "a.zip").read_bytes()
    assert len(load(tmp_path / "a.zip")[0]) == 4


# What is refused


def odd_tar(path):
    with tarfile.open(path, "w") as archive:
        for name in ("../out.png", "/abs.png", "a/../../b.png", "good.png", "good.png"):
            info = tarfile.TarInfo(name)
            content = png("blue" if name == "good.png" else "red")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, kind in (("s.png", tarfile.SYMTYPE), ("h.png", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("pipe.png")
        info.type = tarfile.FIFOTYPE
        archive.addfile(info)


def test_names_that_lead_out_links_and_twins_are_left_out(tmp_path):
    odd_tar(tmp_path / "a.tar")
    loaded, lines = load(tmp_path / "a.tar")
    assert loaded.names == ("good.png",)
    assert lines == [
        "1 picture in 1 class; left out: 1 device, pipe or socket (pipe.png), 3 whose names lead"
        " out of the archive (/abs.png, ../out.png, a/../../b.png), 2 links in the archive (h.png,"
        " s.png), 1 replaced by a later file of its name (good.png)"
    ]


def test_a_link_in_a_zip_file_is_left_out(tmp_path):
    info = zipfile.ZipInfo("link.png")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
        archive.writestr("C:\\windows.png", png("red"))
        archive.writestr("more.zip", b"x")
        archive.writestr("good.png", png("red"))
    lines = load(tmp_path / "a.zip")[1]
    assert "1 whose name leads out of the archive (C:\\\\windows.png)" in lines[0]
    assert "1 link in the archive (link.png), 1 archive in the archive (more.zip)" in lines[0]


def test_encrypted_pictures_are_left_out(tmp_path):
    write_zip(tmp_path / "a.zip", {"a.png": png("red"), "b.png": png("red")})
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    loaded, lines = load(tmp_path / "a.zip")
    assert loaded.names == ("b.png",)
    assert "1 that is encrypted (a.png)" in lines[0]


def test_a_picture_that_would_unpack_to_very_much_is_left_out(tmp_path):
    write_zip(tmp_path / "a.zip", {"a.png": bytes(70 << 20), "b.png": png("red")})
    loaded, lines = load(tmp_path / "a.zip")
    assert loaded.names == ("b.png",)
    assert "1 that unpacks to over 200 times its size (a.png)" in lines[0]


def test_a_packed_tar_file_that_would_unpack_to_very_much_is_refused(tmp_path):
    info = tarfile.TarInfo("a.bin")
    info.size = 3 << 30
    zeros = bytes(1 << 22)
    with gzip.open(tmp_path / "a.tar.gz", "wb", 1) as file:
        file.write(info.tobuf())
        for _ in range(1100 // 4):
            file.write(zeros)
    with pytest.raises(InputError, match=r"\A'a.tar.gz': it unpacks to more than 200 times its"):
        load(tmp_path / "a.tar.gz")


def test_files_that_overlap_are_refused(tmp_path):
    write_zip(tmp_path / "a.zip", {"a.png": os.urandom(9000)})
    content = (tmp_path / "a.zip").read_bytes()
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    entry, last = content[start:end], bytearray(content[end:])
    last[8] = last[10] = 9
    last[12:16] = (9 * len(entry)).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(content[:start] + entry * 9 + last)
    with pytest.raises(InputError, match=r"'a\.zip': its files overlap, as in a zip bomb - choose"):
        load(tmp_path / "a.zip")


def test_a_header_of_huge_size_is_not_read(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    write_tar(tmp_path / "a.tar", {"a.png": png("red")})
    content = (tmp_path / "a.tar").read_bytes()[:1024]
    (tmp_path / "a.tar").write_bytes(content + info.tobuf() + bytes(4096))
    loaded, lines = load(tmp_path / "a.tar")
    assert loaded.names == ("a.png",)
    assert "a.tar is cut short or damaged: only what comes before is used" in lines[0]


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.parquet"])
@pytest.mark.parametrize("content", [b"", b"hello" * 999, b"PK\5\6", b"\x1f\x8b\x08"])
def test_what_is_not_an_archive_is_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        load(tmp_path / name)
    assert str(caught.value).startswith(f"'{name}': it is ")
    assert "\n" not in str(caught.value)
    assert caught.value.advice


# Damaged


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz"])
def test_an_archive_cut_anywhere_gives_what_is_whole_and_says_so(tmp_path, name):
    files = {f"c{i}/{i}.png": png("red", (60, 60)) + os.urandom(4000) for i in range(9)}
    if name.endswith("zip"):
        write_zip(tmp_path / name, files)
    else:
        write_tar(tmp_path / name, files, name.removeprefix("a.tar").removeprefix("."))
    whole = (tmp_path / name).read_bytes()
    found = []
    for length in range(1000, len(whole) - 1, len(whole) // 23):
        (tmp_path / name).write_bytes(whole[:length])
        try:
            loaded, lines = load(tmp_path / name)
        except InputError:
            found.append(0)
            continue
        found.append(len(loaded))
        assert loaded.names == tuple(files)[: len(loaded)]
        if length < len(whole) - 11_000:  # behind it is only padding
            assert "cut short or damaged" in lines[0]
    assert found == sorted(found)
    assert found[-1] >= (8 if name in ("a.zip", "a.tar", "a.tar.gz") else 0)


def test_a_cut_zip_file_that_was_written_as_a_stream(tmp_path):
    class Pipe(io.RawIOBase):
        data = b""

        def writable(self):
            return True

        def write(self, block):
            self.data += bytes(block)
            return len(block)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # sizes behind each file
        for number in range(4):
            archive.writestr(f"{number}.png", png("red"))
    (tmp_path / "a.zip").write_bytes(pipe.data[: pipe.data.index(b"PK\1\2")])
    assert len(load(tmp_path / "a.zip")[0]) == 4


def test_damage_inside_an_archive_affects_one_picture(tmp_path):
    write_zip(tmp_path / "a.zip", FILES, zipfile.ZIP_STORED)
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[content.index(b"ink/10.png") + 60] ^= 1
    (tmp_path / "a.zip").write_bytes(content)
    loaded, lines = load(tmp_path / "a.zip")
    assert len(loaded) == 3
    assert "1 unreadable (ink/10.png: it is damaged in the archive" in lines[0]


def test_tar_files_that_were_joined_are_reported(tmp_path):
    write_tar(tmp_path / "a.tar", FILES)
    with (tmp_path / "a.tar").open("ab") as file:
        file.write((tmp_path / "a.tar").read_bytes())
    assert "a.tar has more behind its end mark, which is not read" in load(tmp_path / "a.tar")[1][0]


# WebDataset


def samples(suffix, contents, first=0):
    files = {}
    for number, content in enumerate(contents, first):
        files[f"{number:03}.jpg"] = png("red")
        if content is not None:
            files[f"{number:03}.{suffix}"] = content
    return files


def test_classes_of_webdataset_samples(tmp_path):
    write_tar(tmp_path / "a.tar", samples("cls", [b"1", b"0\n", b"10", None]))
    loaded, lines = load(tmp_path / "a.tar")
    assert by_name(loaded) == {"000.jpg": "1", "001.jpg": "0", "002.jpg": "10"}
    assert loaded.classes == ("0", "1", "10")
    assert lines == [
        "3 pictures in 3 classes from .cls files; left out: 1 without a label (003.jpg)"
    ]


def test_classes_in_json_files(tmp_path):
    rows = [{"label": "cat", "hue": 1.0}, {"label": "dog", "hue": 2}]
    write_tar(tmp_path / "a.tar", samples("json", [json.dumps(row).encode() for row in rows]))
    assert load(tmp_path / "a.tar")[0].classes == ("cat", "dog")
    assert load(tmp_path / "a.tar", label="hue")[0].classes == ("1", "2")
    loaded, lines = load(tmp_path / "a.tar", label="size")
    assert loaded.classes == ("pictures",)
    assert "`label` is size, but there is no table with this column" in lines[0]


def test_texts_are_classes_only_if_they_repeat(tmp_path):
    write_tar(tmp_path / "a.tar", samples("txt", [b"cat", b"dog", b"cat", b"dog"]))
    assert load(tmp_path / "a.tar")[0].classes == ("cat", "dog")
    write_tar(tmp_path / "a.tar", samples("txt", [b"a red cat", b"a dog", b"two cats", b"fog"]))
    loaded, lines = load(tmp_path / "a.tar")
    assert loaded.classes == ("pictures",)
    assert lines == [
        "4 pictures in 1 class; left out: 4 TXT beside pictures (000.txt, 001.txt, 002.txt, ...)"
    ]


def test_several_tar_files_in_a_folder_are_one_dataset(tmp_path):
    write_tar(tmp_path / "s-0.tar", samples("cls", [b"1", b"0"]))
    write_tar(tmp_path / "s-1.tar", samples("cls", [b"1", b"0"], 2))
    write_tar(tmp_path / "s-10.tar", samples("cls", [b"1"]))  # the same name is another picture
    loaded, lines = load(tmp_path)
    assert by_name(loaded) == {
        **{"000.jpg": "1", "001.jpg": "0", "002.jpg": "1", "003.jpg": "0"},
        "s-10-000.jpg": "1",
    }
    assert lines == ["5 pictures in 2 classes from .cls files"]
    (tmp_path / "s-1.tar").write_bytes(b"damaged" * 99)
    loaded, lines = load(tmp_path)
    assert len(loaded) == 3
    assert "s-1.tar is not used: it is not a tar file, or is damaged" in lines[0]
    for name in ("train-0.tar", "test-0.tar"):
        shutil.copy(tmp_path / "s-0.tar", tmp_path / name)
    assert "look like parts of one dataset, and all of them are loaded" in load(tmp_path)[1][0]


def test_archives_beside_pictures_are_not_read(tmp_path):
    write_folder(tmp_path, {"a.png": png("red")})
    write_tar(tmp_path / "b.tar", FILES)
    loaded, lines = load(tmp_path)
    assert loaded.names == ("a.png",)
    assert "archives are not read (b.tar)" in lines[0]


def test_the_alpha_of_packed_pictures(tmp_path):
    files = {"a.png": png((255, 0, 0, 128), mode="RGBA"), "b.png": png((0, 255, 0, 0), mode="RGBA")}
    write_folder(tmp_path / "folder", files)
    write_zip(tmp_path / "a.zip", files)
    write_tar(tmp_path / "a.tar.gz", files, "gz")
    for more in ({"alpha": "keep"}, {"background": "#0000ff"}):
        expected, _ = load(tmp_path / "folder", **more)
        for name in ("a.zip", "a.tar.gz"):
            assert torch.equal(load(tmp_path / name, **more)[0].images, expected.images)
    assert load(tmp_path / "a.zip", alpha="keep")[0].images[:, 0, 0].tolist() == [
        [255, 0, 0, 128],
        [0, 0, 0, 0],
    ]
    assert load(tmp_path / "a.zip", background="#0000ff")[0].images[1, 0, 0].tolist() == [0, 0, 255]


def test_profiles_that_are_not_used_are_reported_of_packed_pictures(tmp_path):
    files = {f"{number}.png": png("red", icc_profile=b"nonsense") for number in range(4)}
    write_zip(tmp_path / "a.zip", {**files, "whole.png": png("red")})
    line = "4 pictures (0.png, 1.png, 2.png, ...): its colour profile can't be used"
    assert line in load(tmp_path / "a.zip")[1][0]


def test_names_in_an_archive_are_sorted_as_in_a_folder(tmp_path):
    files = {
        "a.png": png("red"),
        "IMG_0001": png("red"),
        "My.photoslibrary/b.png": png("red"),
        ".c.heic.icloud": b"x",
        "d.NEF": b"x",
        "readme": b"x",
    }
    write_folder(tmp_path / "folder", files)
    write_zip(tmp_path / "a.zip", files)
    write_tar(tmp_path / "a.tar", files)
    _, said = load(tmp_path / "folder")
    for text in ("1 picture without the suffix", "1 library of a photo", "only in iCloud", "RAW"):
        assert text in said[0]
    for name in ("a.zip", "a.tar"):
        assert load(tmp_path / name)[1] == said


def test_tables_beside_an_archive_are_reported(tmp_path):
    write_zip(tmp_path / "a.zip", {"a.png": png("red")})
    (tmp_path / "labels.csv").touch()
    assert load(tmp_path / "a.zip")[1] == [
        "1 picture in 1 class; tables beside the archive are not read (labels.csv) - put them into"
        " the archive as CSV if they contain labels"
    ]


def test_an_archive_with_nothing_but_archives_says_what_to_do(tmp_path):
    write_zip(tmp_path / "a.zip", {"b.zip": b"x"})
    with pytest.raises(InputError) as error:
        load(tmp_path / "a.zip")
    assert error.value.advice == "unpack it, and name one of the archives in it"
