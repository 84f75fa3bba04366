"""Pictures in shards: what is read and what is not, parts, changes, and damaged files."""

import io
import json
import os
import shutil
import tarfile

import pytest
import torch
from packing import load, png, write_parquet, write_tar
from PIL import Image
from sharding import picture, samples, stream, write_shards

from artgraph.contract.context import Context
from artgraph.contract.errors import InputError, NodeError
from artgraph.contract.registry import load_nodes
from artgraph.contract.shards import split_address
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.shard_list import Shards, list_shards
from artgraph.nodes.save_shards import save_shards
from artgraph.runner.store.fingerprints import shards_snapshot


def pixels(dataset):
    return dataset.images[torch.arange(len(dataset))]


def classes_of(dataset):
    return [dataset.classes[label] for label in dataset.labels.tolist()]


def by_pixels(dataset):
    """The class of each picture by its levels."""
    found = zip(pixels(dataset), classes_of(dataset), strict=True)
    return {p.numpy().tobytes(): kind for p, kind in found}


def jpeg(turn):
    content = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = turn
    image = Image.new("RGB", (40, 20), "red")
    image.paste("blue", (0, 0, 20, 20))
    image.save(content, "JPEG", exif=exif)
    return content.getvalue()


KINDS = {
    "a/grey.png": picture(1, mode="L"),
    "a/palette.gif": picture(2, form="GIF"),
    "b/cmyk.jpg": picture(3, form="JPEG", mode="CMYK"),
    "b/turned.jpg": jpeg(6),
    "b/clear.png": png((255, 0, 0, 90), mode="RGBA"),
    "c/wide.webp": picture(4, form="WEBP", size=(60, 20)),
}


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch", "salient"])
@pytest.mark.parametrize("alpha", ["flatten", "keep"])
def test_pictures_of_all_kinds_are_read_as_from_a_folder(tmp_path, fit, alpha):
    write_tar(tmp_path / "a.tar", KINDS)
    streamed, _ = stream(tmp_path, fit=fit, alpha=alpha)
    loaded, _ = load(tmp_path / "a.tar", fit=fit, alpha=alpha)
    assert by_pixels(streamed) == by_pixels(loaded)
    assert sorted(n.removeprefix("a.tar/") for n in streamed.names) == sorted(loaded.names)


def test_classes_in_side_files_of_all_shards_count_together(tmp_path):
    for number, names in enumerate(["cat", "dog", "cat", "dog"]):
        files = {}
        for row in range(9 if number < 3 else 1):  # alone, one text is no class
            files[f"{number}{row}.jpg"] = picture(number * 10 + row, form="JPEG")
            files[f"{number}{row}.txt"] = names.encode()
        write_tar(tmp_path / f"{number}.tar", files)
    dataset, lines = stream(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert dataset.labels.bincount().tolist() == [18, 10]
    assert lines == ["28 pictures of 4 shards in 2 classes from .txt files"]


@pytest.mark.parametrize("labelled", [8, 40])
def test_each_picture_has_its_own_label_or_its_folder(tmp_path, labelled):
    write_tar(tmp_path / "0.tar", {f"set/{k}/{n}.png": picture(n) for k in "ab" for n in range(9)})
    write_tar(tmp_path / "1.tar", samples(100, labelled))
    dataset, (line,) = stream(tmp_path)
    assert dataset.classes == ("a", "b", "cat", "dog")
    assert dataset.labels.bincount().tolist() == [9, 9, labelled // 2, labelled // 2]
    said = f"the classes are from several sources: .json files ({labelled}), folders (18)"
    assert said in line


def test_a_folder_with_labelled_pictures_is_no_class(tmp_path):
    files = {f"train/{name}": data for name, data in samples(0, 20).items()}
    del files["train/00003.json"]
    write_tar(tmp_path / "0.tar", files)
    dataset, (line,) = stream(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert "left out: 1 without a label (train/00003.png)" in line


def test_captions_are_not_classes(tmp_path):
    files = {f"{n}.png": picture(n) for n in range(6)}
    write_tar(tmp_path / "a.tar", files | {f"{n}.txt": f"a view of {n}".encode() for n in range(6)})
    dataset, lines = stream(tmp_path)
    assert dataset.classes == ("pictures",)
    assert "left out: 6 TXT (0.txt, 1.txt, 2.txt, ...)" in lines[0]


def test_parquet_files_are_read_as_by_load_dataset(tmp_path):
    for number in range(2):
        rows = [(picture(number * 50 + n), f"{n}.png", n % 2) for n in range(50)]
        write_parquet(tmp_path / f"p-{number}.parquet", rows, ["cat", "dog"])
    streamed, _ = stream(tmp_path)
    loaded, _ = load(tmp_path)
    assert streamed.classes == ("cat", "dog")
    assert by_pixels(streamed) == by_pixels(loaded)


def test_parquet_with_plain_bytes_and_small_groups(tmp_path):
    import pyarrow as pa
    from pyarrow.parquet import write_table

    rows = [picture(n) for n in range(20)]
    table = pa.table({"image": rows, "kind": [f"k{n % 3}" for n in range(20)]})
    write_table(table, tmp_path / "a.parquet", row_group_size=6)
    dataset, lines = stream(tmp_path, "a.parquet", label="kind")
    assert lines == ["20 pictures of 1 shard in 3 classes from the column kind"]
    assert classes_of(dataset) == [f"k{n % 3}" for n in range(20)]
    levels = [
        torch.frombuffer(bytearray(Image.open(io.BytesIO(r)).tobytes()), dtype=torch.uint8)
        for r in rows
    ]
    assert pixels(dataset).flatten(1).equal(torch.stack(levels))
    assert (
        dataset.images[torch.tensor([13, 2])].flatten(1).equal(torch.stack([levels[13], levels[2]]))
    )


def test_what_is_not_used_is_counted(tmp_path):
    files = samples(0, 20)
    del files["00003.json"]
    files |= {
        "../out.png": png("red"),
        "readme.md": b"x",
        "notes.zip": b"x",
        "00005.png": b"damaged",
    }
    write_tar(tmp_path / "0.tar", files)
    (tmp_path / "1.tar").write_bytes(b"")
    write_tar(tmp_path / "2.tar", {})
    (tmp_path / "3.tar").write_bytes(b"no tar file" * 100)
    write_tar(tmp_path / "4.tar", samples(100, 3), "gz")
    dataset, (line,) = stream(tmp_path)
    assert len(dataset) == 19
    assert line.startswith("19 pictures of 1 shard in 2 classes")
    for part in (
        "1 without a label (00003.png)",
        "1 whose name leads out of the archive",
        "1 archive in the archive",
        "1 MD (readme.md)",
        "3.tar is not used: it is not a tar file, or is damaged",
        "4.tar is not used: it is packed",
        "1.tar is not used: it is not a tar file, or is damaged",
        "1 shard contains no pictures (2.tar)",
    ):
        assert part in line


def test_a_damaged_picture_is_replaced_and_reported(tmp_path):
    write_tar(tmp_path / "a.tar", samples(0, 20) | {"00006.png": b"\x89PNG\r\n\x1a\nno"})
    dataset, _ = stream(tmp_path)
    row = list(dataset.names).index("a.tar/00006.png")
    found = pixels(dataset)
    others = {p.numpy().tobytes() for n, p in enumerate(found) if n != row}
    same = [n for n in range(20) if dataset.labels[n] == dataset.labels[row] and n != row]
    following = next((n for n in same if n > row), same[0])
    assert found[row].equal(found[following])
    assert len(others) == 19
    report = dataset.images.report("replaced")
    assert report.startswith("1 picture can't be read, and is replaced (a.tar/00006.png: ")


def test_a_node_that_needs_all_pictures_gets_those_that_can_be_read(tmp_path):
    write_tar(tmp_path / "a.tar", samples(0, 20) | {"00006.png": b"\x89PNG\r\n\x1a\nno"})
    dataset, _ = stream(tmp_path)
    lines = []
    ctx = Context(warn=lines.append, log=lines.append)
    split = load_nodes()["split_dataset"]({"dataset": dataset}, {"fraction": 0.2, "seed": 0}, ctx)
    assert len(split["train"]) + len(split["test"]) == 19
    assert isinstance(split["train"].images, torch.Tensor)
    assert "1 picture can't be read, and is left out (a.tar/00006.png: " in lines[0]


def test_too_many_pictures_for_such_a_node(tmp_path):
    dataset, _ = stream(write_shards(tmp_path / "d", 1, 2, size=(8, 8)), size=1024)
    dataset.images.shape = (10_000, *dataset.images.shape[1:])
    with pytest.raises(
        NodeError, match=r"split_dataset needs all 2 pictures at once.* - set `parts`"
    ):
        load_nodes()["split_dataset"]({"dataset": dataset}, {"fraction": 0.2, "seed": 0}, Context())


def test_parts_have_no_common_pictures_and_are_complete(tmp_path):
    write_shards(tmp_path / "d", 3, 150, size=(8, 8))
    whole, _ = stream(tmp_path / "d")
    parts = [stream(tmp_path / "d", part=n, parts=3)[0] for n in (1, 2, 3)]
    names = [name for part in parts for name in part.names]
    assert sorted(names) == sorted(whole.names)
    assert len(names) == len(set(names))
    assert {part.classes for part in parts} == {whole.classes}
    assert max(map(len, parts)) - min(map(len, parts)) <= 64
    row = 70
    name = parts[1].names[row]
    assert (
        parts[1]
        .images[torch.tensor([row])]
        .equal(whole.images[torch.tensor([list(whole.names).index(name)])])
    )
    with pytest.raises(InputError, match="part 9 of 9 contains no picture - set `parts`"):
        stream(tmp_path / "d", "s-000.tar", part=9, parts=9)
    with pytest.raises(InputError, match="there is no part 4 of 3"):
        stream(tmp_path / "d", part=4, parts=3)


def test_braces_name_shards(tmp_path):
    write_shards(tmp_path / "d", 3, 4)
    assert len(stream(tmp_path / "d", "s-{000..001}.tar")[0]) == 8
    assert len(stream(tmp_path / "d", "s-{000,002}.tar")[0]) == 8
    with pytest.raises(InputError, match=r"there is no s-003\.tar"):
        stream(tmp_path / "d", "s-{000..003}.tar")
    for pattern in ("s-{3..1}.tar", "s-{0..9999999}.tar", "s-{a,../b}.tar", "s-{a.tar"):
        with pytest.raises(InputError, match=r"means|can't be read"):
            stream(tmp_path / "d", pattern)


def test_a_list_beside_the_shards_counts_instead_of_times(tmp_path):
    write_shards(tmp_path / "d", 2, 4)
    folder = Shards(str(tmp_path / "d"))
    first = list_shards(folder).digest
    os.utime(tmp_path / "d" / "s-000.tar", (1, 1))
    assert list_shards(folder).digest != first
    rows = [
        {
            "url": f"s-00{n}.tar",
            "filesize": (tmp_path / "d" / f"s-00{n}.tar").stat().st_size,
            "md5sum": f"{n}" * 32,
            "nsamples": 4,
        }
        for n in range(2)
    ]
    index = tmp_path / "d" / "shards.json"
    index.write_text(json.dumps({"wids_version": 1, "shardlist": rows}))
    listed = list_shards(folder).digest
    os.utime(tmp_path / "d" / "s-000.tar", (2, 2))
    shutil.copytree(tmp_path / "d", tmp_path / "elsewhere")
    assert list_shards(folder).digest == list_shards(Shards(str(tmp_path / "elsewhere"))).digest
    assert list_shards(folder).digest == listed
    rows[0]["filesize"] += 1
    index.write_text(json.dumps({"shardlist": rows}))
    with pytest.raises(InputError, match=r"s-000\.tar has \d+ bytes, and \d+ in shards\.json"):
        stream(tmp_path / "d")
    index.write_text("[]")
    with pytest.raises(InputError, match=r"shards\.json is not a list of shards"):
        stream(tmp_path / "d")


def test_what_is_beside_the_shards_is_reported(tmp_path):
    write_shards(tmp_path / "d", 3, 4)
    write_shards(tmp_path / "d" / "sub", 1, 4)
    (tmp_path / "d" / "loose.png").write_bytes(picture(1))
    (tmp_path / "d" / "README.md").write_bytes(b"x")
    folder = Shards(str(tmp_path / "d"))
    rows = [{"url": f"s-00{n}.tar", "md5sum": f"{n}" * 32} for n in range(2)]
    index = tmp_path / "d" / "shards.json"
    index.write_text(json.dumps({"shardlist": [*rows, {"url": "s-002.tar"}]}))
    before = shards_snapshot(folder).fingerprint
    _, (line,) = stream(tmp_path / "d")
    assert line.endswith("beside the shards, and not used: 1 picture (loose.png), 1 folder (sub)")
    assert len(stream(tmp_path / "d", "s-000.tar")[1]) == 1
    index.write_text(json.dumps({"shardlist": rows}))
    unlisted = shards_snapshot(folder).fingerprint
    dataset, (line,) = stream(tmp_path / "d")
    assert len(dataset) == 8
    assert "s-002.tar is not in shards.json: not used - write shards.json again" in line
    shutil.copy(tmp_path / "d" / "s-002.tar", tmp_path / "d" / "s-003.tar")
    assert len({before, unlisted, shards_snapshot(folder).fingerprint}) == 3


def test_a_packed_tar_file_that_is_named(tmp_path):
    write_tar(tmp_path / "c.tar.gz", samples(0, 3), "gz")
    place, pattern = split_address(str(tmp_path / "c.tar.gz"))
    with pytest.raises(InputError, match=r"it is packed, .* - unpack it"):
        stream(place, pattern)


def test_a_shard_that_changes_is_noticed(tmp_path):
    dataset, _ = stream(write_shards(tmp_path / "d", 2, 8))
    pixels(dataset)
    path = tmp_path / "d" / "s-001.tar"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"x")  # as many bytes
    dataset.images._few.clear()
    with pytest.raises(InputError, match=r"the shard s-001\.tar has changed"):
        pixels(dataset)
    path.unlink()
    with pytest.raises(InputError, match=r"there is no s-001\.tar"):
        pixels(dataset)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    write_tar(tmp_path / "secret.tar", samples(0, 4))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.tar").symlink_to(tmp_path / "secret.tar")
    with pytest.raises(InputError, match=r"a\.tar is not a file in this folder"):
        stream(tmp_path / "d")


def test_a_bomb_in_parquet_and_a_sparse_file_are_refused(tmp_path):
    sparse = tarfile.TarInfo("a.png")
    sparse.type, sparse.size = tarfile.GNUTYPE_SPARSE, 4
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(sparse, io.BytesIO(b"1234"))
    with pytest.raises(InputError, match="it contains no pictures"):
        stream(tmp_path, "a.tar")


def test_the_store_has_places_and_no_pictures(tmp_path):
    dataset, _ = stream(write_shards(tmp_path / "d", 2, 30))
    meta, buffers = Dataset.encode(dataset)
    assert "images" not in buffers
    assert str(tmp_path) not in json.dumps(meta)
    assert sum(b.nbytes for b in buffers.values()) < 100 * len(dataset)


def test_pixels_do_not_depend_on_windows(tmp_path):
    dataset, _ = stream(write_shards(tmp_path / "d", 2, 100, size=(8, 8)))
    rows = torch.tensor([3, 150, 77, 3, -1])
    alone = dataset.images[rows]
    dataset.images.expect([torch.arange(0, 120), torch.arange(120, 180)])
    assert dataset.images[rows].equal(alone)
    places = (
        rows[:, None, None],
        torch.arange(4)[None, :, None],
        torch.arange(4).flip(0)[None, None],
    )
    assert dataset.images[places].equal(alone[:, :4, :4].flip(2))


def test_saved_shards_are_streamed_and_loaded(tmp_path):
    classes = tuple(sorted(["cat/wild", "dog"]))
    images = torch.randint(0, 256, (30, 16, 16, 4), dtype=torch.uint8)
    names = tuple(f"{n}.png" for n in range(30))
    dataset = Dataset(images, torch.arange(30) % 2, classes, names)
    lines = []
    ctx = Context(log=lines.append)
    files = save_shards(dataset, pictures=8, format="png", ctx=ctx).files
    assert files == save_shards(dataset, pictures=8, format="png", ctx=ctx).files
    assert files != save_shards(dataset, pictures=8, format="png", seed=1, ctx=ctx).files
    assert lines[0] == "30 pictures in 4 shards"
    for name, data in files.items():
        (tmp_path / name.removeprefix("@/")).write_bytes(data)
    assert [row["nsamples"] for row in json.loads(files["@/shards.json"])["shardlist"]] == [
        8,
        8,
        8,
        6,
    ]
    streamed, _ = stream(tmp_path, alpha="keep")
    loaded, _ = load(tmp_path, alpha="keep")
    flat = images * (images[..., 3:] > 0)
    wanted = {p.numpy().tobytes(): classes[n % 2] for n, p in enumerate(flat)}
    assert by_pixels(streamed) == by_pixels(loaded) == wanted
    with tarfile.open(tmp_path / "shards-000000.tar") as archive:
        facts = json.load(archive.extractfile("000000.json"))
    assert facts["file_name"] in names
    assert facts["label"] in classes
