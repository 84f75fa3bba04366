"""Reviews: what is read from them, each mistake in one line, and editing that keeps comments."""

import time

import pytest

from artgraph.pictures.review import (
    Choice,
    ReviewError,
    near_name,
    parse_review,
    read_review,
)
from artgraph.pictures.review_writing import changed

HAND = """\
# my cats
review: 1          # version of the format

pictures:
    # the best ones
    cats/a.jpg: {keep: true, class: tabby, stars: 5, crop: [0.1, 0.0, 0.8, 1.0]}  # lovely
    "cats/b #2.jpg":
        drop: true   # blurred

    # unsure
    c.jpg:
    d.jpg: {stars: 0}
# the end
"""


def test_every_field_is_read():
    assert parse_review(HAND) == {
        "cats/a.jpg": Choice(keep=True, label="tabby", stars=5, crop=(0.1, 0.0, 0.8, 1.0)),
        "cats/b #2.jpg": Choice(drop=True),
        "c.jpg": Choice(),
        "d.jpg": Choice(stars=0),
    }
    assert parse_review("review: 1") == {}
    odd = parse_review("review: 1\npictures: {a: {class: no}, b: {class: 1}, c: {crop: [0,0,1,1]}}")
    assert odd == {"a": Choice(label="no"), "b": Choice(label="1"), "c": Choice()}
    assert [*parse_review("review: 1\npictures: {cafe\u0301.jpg: {drop: true}}")] == ["caf\xe9.jpg"]


@pytest.mark.parametrize(
    ("entry", "line", "words"),
    [
        ("a.jpg: {drop: true, keep: true}", 3, "'a.jpg': it has both `drop` and `keep`"),
        ("a.jpg: {stars: 6}", 3, "'a.jpg': `stars` is 6"),
        ("a.jpg: {stars: 2.5}", 3, "`stars` is 2.5"),
        ("a.jpg: {stars: -1}", 3, "`stars` is -1"),
        ("a.jpg: {stars: true}", 3, "`stars` is True"),
        ("a.jpg: {drop: 1}", 3, "`drop` is 1"),
        ("a.jpg: {drop: 'true'}", 3, "`drop` is 'true'"),
        ("a.jpg: {class: }", 3, "`class` is not a name"),
        ("a.jpg: {class: [x]}", 3, "`class` is not a name"),
        ("a.jpg: {crop: [0, 0, 0, 1]}", 3, "`crop` is empty: [0, 0, 0, 1]"),
        ("a.jpg: {crop: [0.5, 0, 0.6, 1]}", 3, "`crop` leads out of the picture"),
        ("a.jpg: {crop: [-.1, 0, .6, 1]}", 3, "`crop` leads out of the picture"),
        ("a.jpg: {crop: [0, 0, 1]}", 3, "`crop` is not a list of four numbers"),
        ("a.jpg: {crop: [0, 0, x, 1]}", 3, "`crop` is not a list of four numbers"),
        ("a.jpg: {crop: [0, 0, 1e999, 1]}", 3, "`crop` leads out of the picture"),
        ("a.jpg: {crop: [0, 0, " + "9" * 5000 + ", 1]}", 3, "`crop` leads out of the picture"),
        ("a.jpg: {stars: " + "9" * 5000 + "}", 3, "`stars` is inf"),
        ("a.jpg: {strs: 2}", 3, "`strs` is not known, did you mean `stars`?"),
        ("a.jpg: {stars: 2, stars: 3}", 3, "`stars` is there twice"),
        ("a.jpg: drop", 3, "what is written for 'a.jpg' is not a mapping"),
        ("a.jpg: {}\n  a.jpg: {}", 4, "'a.jpg' is there twice, first in line 3"),
        ("[a.jpg]: {}", 3, "a key that is not a name"),
        ("a.jpg: &x {}", 3, "anchors and aliases are not allowed"),
        ("a.jpg: !!python/object:os.system {}", 3, "is not allowed"),
        ("a.jpg: {drop: true", 4, "not valid YAML"),
        ("a.jpg: {drop: [[[[[[[[1]]]]]]]]}", 3, "nested deeper"),
        ("a.jpg: {}\n---\nreview: 1", 5, "a second document"),
    ],
)
def test_each_mistake_has_a_line(entry, line, words):
    with pytest.raises(ReviewError) as caught:
        parse_review(f"review: 1\npictures:\n  {entry}\n")
    assert words in caught.value.what
    assert caught.value.advice
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "'r.yaml': it is empty"),
        (b"pictures: {}", "it has no line `review: 1`"),
        (b"review: 2", "line 1 of 'r.yaml': the version of its format is '2', not 1"),
        (b"review: 1\npicture: {}", "did you mean `pictures`?"),
        (b"review: 1\npictures: [a]", "line 2 of 'r.yaml': `pictures` is not a mapping"),
        (b"artgraph: 1\nnodes: {}", "`artgraph` is not known"),
        (b"a text", "it is not a mapping"),
        (b"review: 1\n\xff", "line 2 of 'r.yaml': it is not a text in UTF-8"),
        (b"review: 1\n\0", "not valid YAML"),
        (b"#" * (1 << 24) + b"\n", "it has more than 16 MiB"),
    ],
)
def test_what_is_not_a_review_is_refused(tmp_path, data, words):
    path = tmp_path / "r.yaml"
    path.write_bytes(data)
    with pytest.raises(ReviewError) as caught:
        read_review(path)
    assert words in caught.value.what


def test_editing_changes_only_the_lines_of_an_entry():
    new = changed(
        HAND,
        {
            "cats/a.jpg": Choice(stars=3),
            "cats/b #2.jpg": Choice(keep=True),
            "d.jpg": None,
            "x y.jpg": Choice(label="no", crop=(1 / 3, 0, 0.5, 1)),
        },
    )
    assert new == (
        HAND.replace(
            "{keep: true, class: tabby, stars: 5, crop: [0.1, 0.0, 0.8, 1.0]}", "{stars: 3}"
        )
        .replace(":\n        drop: true   #", ": {keep: true}   #")
        .replace("d.jpg: {stars: 0}", 'x y.jpg: {class: "no", crop: [0.333333, 0.0, 0.5, 1.0]}')
    )
    assert changed(new, {"x y.jpg": None, "never.jpg": None}).splitlines() == [
        line for line in new.splitlines() if "x y" not in line
    ]
    assert changed(HAND, {"cats/b #2.jpg": Choice(drop=True)}) == HAND


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# mine",
        "review: 1",
        "review: 1\npictures:",
        "pictures: {} # none\nreview: 1",
        "review: 1\r\npictures:\r\n  a: {stars: 1}\r\n",
        '{"review": 1, "pictures": {"a": {"stars": 1}, "b": {}}}',
        "# mine\nreview: 1\npictures: {a: {stars: 1}}\n",
        "---\nreview: 1\npictures:\n ? a\n : {stars: 1}\n...\n",
        "review: 1\npictures:\n  a: {stars:\n    1}",
    ],
)
def test_every_way_of_writing_can_be_edited(text):
    odd = '\u2067"x": {#\\ \U0001f600.jpg'
    edits = {"a": Choice(drop=True), odd: Choice(label="- 1: #", stars=2), "1": Choice(keep=True)}
    new = changed(text, edits)
    found = parse_review(new)
    assert {name: choice for name, choice in found.items() if name != "b"} == edits
    assert ("mine" in new) == ("mine" in text)
    assert "\r\n" not in text or new.count("\r\n") == new.count("\n")
    assert parse_review(changed(new, dict.fromkeys(edits))).keys() <= {"b"}


def test_a_name_that_is_almost_right_is_found():
    names = ["cats/IMG_01.jpg", "cats/IMG_02.jpg", "dogs/IMG_02.jpg"]
    assert near_name("IMG_01.jpg", names) == "cats/IMG_01.jpg"
    assert near_name("cats\\img_01.JPG", names) == "cats/IMG_01.jpg"
    assert near_name("cat/IMG_02.jpg", names) == "cats/IMG_02.jpg"
    assert near_name("cats/IMG_01.jpeg", names) == "cats/IMG_01.jpg"
    assert near_name("cats/IMG_03.jpg", names) is None
    assert near_name("birds/owl.png", names) is None


def test_a_large_review_is_read_and_changed_in_little_time():
    lines = [f"  cats/IMG_{n}.jpg: {{stars: {n % 6}}}\n" for n in range(5000)]
    text = "review: 1\npictures:\n" + "".join(lines)
    start = time.perf_counter()
    new = changed(text, {"cats/IMG_7.jpg": Choice(drop=True)})
    assert time.perf_counter() - start < 5  # it takes 0.7 s
    assert new == text.replace(lines[7], "  cats/IMG_7.jpg: {drop: true}\n")
