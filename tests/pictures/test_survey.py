"""One line about what is not used in a folder, and what looks like a mistake in it."""

import unicodedata

import pytest

from artgraph.pictures.survey import Survey


@pytest.fixture
def survey(tmp_path):
    """Fills a folder with empty files (and folders); returns its survey."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if name.endswith("/") else path.touch()
        return Survey(tmp_path)

    return make


def doubts(survey):
    return survey.doubts([entry.name for entry in survey.pictures])


def test_nothing_is_said_of_a_plain_folder(survey):
    found = survey("ink/a.png", "wash/b.JPG", ".DS_Store", "ink/Thumbs.db")
    assert (found.skipped(), doubts(found)) == ("", [])


def test_files_are_counted_by_suffix_with_the_first_names(survey):
    names = [f"IMG_{number}.NEF" for number in range(12)]
    found = survey("a.png", *names, "b.mp4", "c.psd", "readme", "a.txt", "d.txt")
    assert found.skipped() == (
        "12 NEF (IMG_0.NEF, IMG_1.NEF, IMG_2.NEF, ...), 1 MP4 (b.mp4), 1 PSD (c.psd), 1 TXT"
        " (d.txt), 1 TXT beside pictures (a.txt), 1 without a suffix (readme)"
    )


def test_the_line_is_limited(survey):
    found = survey(*(f"{number}.s{number}" for number in range(200)))
    assert "188 other files" in found.skipped()
    assert found.skipped().count("(") == 13


def test_skipped_entries_have_a_reason(survey):
    found = survey("a.png", ".b.png", "@eaDir/c.png", "x/@eaDir/c.png", "out/g/manifest.json")
    found.skip("no permission", "d.png")
    found.skip("gone", "e.png")
    found.add_unreadable("f.png", "it is damaged")
    found.add_unreadable("g.png", "it is something else")
    assert found.skipped() == (
        "2 unreadable (f.png: it is damaged, g.png), 1 JSON (out/g/manifest.json), 1 without"
        " permission to read it (d.png), 1 that vanished (e.png), 1 hidden (.b.png), 2 system"
        " folders (@eaDir, x/@eaDir)"
    )


def test_parts_of_a_dataset_as_classes(survey):
    (line, deeper) = doubts(survey("train/cat/a.png", "train/dog/a.png", "Val/cat/b.png"))
    assert line == (
        "the folders 'train' and 'Val' look like parts of one dataset, but each is a class - load"
        " each with a node of its own"
    )
    assert deeper == (
        "folders inside class folders are not classes of their own (train/cat, train/dog, Val/cat)"
    )


def test_classes_that_look_alike_and_loose_pictures(survey):
    assert doubts(survey("Cat/a.png", "cat/b.png", "dog/c.png", "d.png")) == [
        "the classes 'Cat' and 'cat' differ only in case or spaces - rename one of them",
        "1 picture beside the class folders is the class 'pictures'",
    ]


def test_empty_classes(survey):
    found = survey("cat/a.png", "dog/", "eel/x.txt", "fox/x", "out/@eaDir/b.png")
    assert doubts(found) == ["1 class folder is empty and not a class (dog)"]


def test_tables_and_archives_have_advice(survey):
    assert doubts(survey("a.png", "a/labels.csv", "metadata.xlsx", "more.zip", "b.tar")) == [
        "these tables are not read (a/labels.csv, metadata.xlsx) - put them directly into the"
        " folder as CSV if they contain labels",
        "archives are not read (b.tar, more.zip) - unpack them",
    ]


def test_names_that_are_equal_in_nfc(survey):
    nfd = unicodedata.normalize("NFD", "müll")
    found = survey("müll/a.png", f"{nfd}/b.png")
    if sum(entry.name.startswith("müll") for entry in found.pictures) == 2:  # not on macOS
        assert doubts(found) == [
            "names exist twice, written in different Unicode (müll) - rename one"
        ]


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["a.NEF", "b.cr2"], "CR2 and NEF can't be read: it is a RAW photograph - save a copy"),
        (["a.psd"], "PSD can't be read: it is a Photoshop file with layers - save a copy"),
        (["a.svg"], "SVG can't be read: it is a drawing of lines"),
        (["a.pdf"], "PDF can't be read: it is a document - save its pages as PNG or JPEG"),
        (["a.mov", "b.MOV"], "MOV can't be read: it is a film - load pictures of it"),
        (["a.jpg.crdownload"], "CRDOWNLOAD can't be read: its download is not complete - download"),
    ],
)
def test_a_kind_that_is_not_read_says_why_and_what_to_do(survey, names, line):
    (found,) = doubts(survey("x.png", *names))
    assert found.startswith(line)


def test_files_that_belong_to_a_picture_need_no_advice(survey):
    names = ["a.MOV", "a.AAE", "a.png.json", "a.png.xmp", "a.NEF", "a.txt"]
    found = survey("a.png", *names)
    assert doubts(found) == []
    assert found.skipped().count("beside pictures") == len(names)


STARTS = [
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff\xe0",
    b"GIF89a",
    b"RIFF\0\0\0\0WEBPVP8 ",
    b"\0\0\0\x18ftypheic",
    b"\0\0\0\x18ftypavif",
    b"BM" + bytes(12) + b"\x28\0\0\0",
]


@pytest.mark.parametrize("start", STARTS)
def test_a_picture_without_the_suffix_of_one_is_recognised_by_its_content(tmp_path, start):
    for name in ("0001", "a.jpg_large", "b.jpg.download"):
        (tmp_path / name).write_bytes(start + bytes(40))
    for name in ("notes", "c.txt", "d.thm"):
        (tmp_path / name).write_bytes(b"BM is a name" if name == "notes" else start + bytes(40))
    found = Survey(tmp_path)
    assert found.pictures == []
    assert found.skipped() == (
        "3 pictures without the suffix of one (0001, a.jpg_large, b.jpg.download), 1 THM"
        " (d.thm), 1 TXT (c.txt), 1 without a suffix (notes)"
    )
    assert doubts(found) == [
        "pictures are only recognised by the suffix of their names - rename them, for example to"
        " 0001.jpg"
    ]


def test_icloud_and_photo_libraries(survey):
    names = [".b.HEIC.icloud", ".notes.txt.icloud", "My.photoslibrary/originals/c.png"]
    found = survey("a.png", *names)
    assert found.skipped() == (
        "1 library of a photo program (My.photoslibrary), 1 that is only in iCloud (.b.HEIC.icloud)"
    )
    assert doubts(found) == [
        "libraries of photo programs are not read - export the pictures from them into the folder",
        "files that are only in iCloud can't be read - download them",
    ]


def test_a_folder_that_contains_only_the_folder_of_classes(survey):
    assert doubts(survey("set/ink/a.png", "set/wash/a.png")) == [
        "folders inside class folders are not classes of their own (set/ink, set/wash) - choose the"
        " folder 'set' if they are the classes"
    ]


def test_loose_pictures_beside_a_folder_of_their_class_name(survey):
    (line,) = doubts(survey("pictures/a.png", "b.png", "dog/c.png"))
    assert line == (
        "1 picture beside the class folders is the class 'pictures', together with 1 of the folder"
        " 'pictures' - rename the folder"
    )
