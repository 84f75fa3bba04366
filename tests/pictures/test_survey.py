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
    names = [f"IMG_{number}.HEIC" for number in range(12)]
    found = survey("a.png", *names, "b.mp4", "c.psd", "readme", "a.txt", "d.txt")
    assert found.skipped() == (
        "12 HEIC (IMG_0.HEIC, IMG_1.HEIC, IMG_2.HEIC, ...), 1 MP4 (b.mp4), 1 PSD (c.psd), 1 TXT"
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
    assert doubts(survey("cat/a.png", "dog/", "eel/x.heic", "out/@eaDir/b.png")) == [
        "1 class folder is empty and not a class (dog)"
    ]


def test_tables_and_archives_have_advice(survey):
    assert doubts(survey("a.png", "labels.csv", "metadata.jsonl", "more.zip", "b.tar")) == [
        "tables are not read (labels.csv, metadata.jsonl) - put the pictures of each class into a"
        " folder of its own",
        "archives are not read (b.tar, more.zip) - unpack them",
    ]


def test_names_that_are_equal_in_nfc(survey):
    nfd = unicodedata.normalize("NFD", "müll")
    found = survey("müll/a.png", f"{nfd}/b.png")
    if sum(entry.name.startswith("müll") for entry in found.pictures) == 2:  # not on macOS
        assert doubts(found) == [
            "names exist twice, written in different Unicode (müll) - rename one"
        ]
