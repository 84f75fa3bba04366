"""`artgraph data FOLDER` reports without a graph, and again from the cache."""

import json
import shutil

from PIL import Image

from artgraph.contract.context import Context
from artgraph.contract.registry import load_nodes


def make_folder(folder):
    art = load_nodes()["procedural_art"].function(count=12, size=64, ctx=Context.quiet())
    for number, image in enumerate(art.images):
        place = folder / "pics" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.numpy()).save(place / f"{number}.png")
    (folder / "pics" / "a" / "notes.pdf").write_bytes(b"%PDF")


def test_a_folder_is_reported_without_a_graph(cli):
    make_folder(cli.folder)
    before = sorted(cli.folder.rglob("*"))
    done = cli("data", "pics")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("class")
    assert "only 12 pictures" in done.stdout
    assert "1 PDF" in done.stdout, "what is left out is reported"
    assert [p for p in sorted(cli.folder.rglob("*")) if "cache" not in str(p)] == [
        p for p in before if "cache" not in str(p)
    ]
    again = cli("data", "pics", "--json")
    report = json.loads(again.stdout)
    assert [row["class"] for row in report["classes"]] == ["a", "b"]
    assert report["advice"]
    assert "1 PDF" in report["warnings"][0]
    assert cli("data", "pics", "--out", "sheets").returncode == 0
    assert (cli.folder / "sheets" / "data" / "sheet.png").is_file()


def test_a_folder_that_does_not_exist_is_one_line(cli):
    done = cli("data", "nothing")
    assert done.returncode == 3
    assert done.stderr == "there is no folder or file 'nothing' - check the path\n"


def test_a_review_is_applied_from_wherever_it_is(cli):
    make_folder(cli.folder)
    review = cli.folder / "else" / "where.yaml"
    review.parent.mkdir()
    review.write_text("review: 1\npictures: {a/0.png: {drop: true}, a/2.png: {class: c}}\n")
    done = cli("data", "pics", "--review", "else/where.yaml", "--json")
    report = json.loads(done.stdout)
    assert [(row["class"], row["pictures"]) for row in report["classes"]] == [
        ("a", 4),
        ("b", 6),
        ("c", 1),
    ]
    assert "1 dropped, 1 moved by the review" in report["warnings"][0]
    review.write_text("review: 1\npictures: {a/0.png: {drop: yes}}\n")
    done = cli("data", "pics", "--review", "else/where.yaml")
    assert done.returncode == 3
    assert done.stderr == (
        "node 'pictures': line 2 of 'where.yaml': 'a/0.png': `drop` is 'yes' - write true or"
        " false\n"
    )


def test_archives_and_tables_are_reported_as_load_dataset_reads_them(cli):
    make_folder(cli.folder)
    pics = cli.folder / "pics"
    shutil.make_archive(str(cli.folder / "pics"), "zip", pics)
    shutil.make_archive(str(cli.folder / "pics"), "gztar", pics)
    rows = "".join(f"{'ab'[n % 2]}/{n}.png,{'xyz'[n % 3]}\n" for n in range(12))
    (pics / "labels.csv").write_text(f"file_name,style\n{rows}")
    (cli.folder / "notes.txt").write_text("x")
    for words, classes in (
        (["pics.zip"], ["a", "b"]),
        (["pics.tar.gz"], ["a", "b"]),
        (["pics", "--label", "style"], ["x", "y", "z"]),
        (["pics/labels.csv", "--label", "style"], ["x", "y", "z"]),
        (["pics", "--table", "none"], ["a", "b"]),
    ):
        done = cli("data", *words, "--json")
        report = json.loads(done.stdout)
        assert [row["class"] for row in report["classes"]] == classes, done.stderr
        assert [row["width"] for row in report["classes"]] == [64] * len(classes)
    done = cli("data", "notes.txt")
    assert done.returncode == 3
    assert "not a zip, tar or Parquet file" in done.stderr
    assert done.stderr.count("\n") == 1
