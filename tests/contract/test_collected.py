"""Large datasets are collected in a file and read in parts, with the same results."""

import dataclasses

import pytest
import torch

from artgraph.contract.context import Context
from artgraph.contract.errors import CacheError
from artgraph.contract.values.collected import IN_MEMORY, CollectedPictures
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.pictures import PictureBatch, take
from artgraph.models.duplicates import near_duplicates
from artgraph.models.groups import groups_of
from artgraph.nodes.report import dataset_report
from artgraph.runner.store.blobs import Blobs

EDGE = 40


def dataset(channels: int = 3) -> Dataset:
    """Returns 60 pictures: 30 of them, and the same flipped."""
    noise = torch.rand(30, channels, 5, 5, generator=torch.Generator().manual_seed(3))
    half = torch.nn.functional.interpolate(noise, (EDGE, EDGE), mode="bicubic").clamp(0, 1)
    images = torch.cat([half, half.flip(3)]).mul(255).byte().permute(0, 2, 3, 1).contiguous()
    names = tuple(f"{number}.png" for number in range(60))
    ones = torch.arange(60)
    return Dataset(images, ones % 2, ("a", "b"), names, ones // 3, ones % 6, ones > 50)


def collected(images: torch.Tensor, folder) -> torch.Tensor:
    """Returns the pictures after they were added to a file in another order."""
    size = images.shape[1:]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(1)).tolist()
    pictures = CollectedPictures(IN_MEMORY // size.numel() + 1, size, folder)
    for row in order:
        pictures.add(images[row].numpy())
    return pictures.result([order.index(row) for row in range(len(images))])


@pytest.mark.parametrize("channels", [3, 4])
def test_pictures_in_a_file_are_stored_as_the_same_bytes(tmp_path, channels):
    (tmp_path / "tmp").mkdir()
    blobs, whole = Blobs(tmp_path), dataset(channels)
    images = collected(whole.images, blobs.temporary)
    assert isinstance(images, PictureBatch)
    parts = dataclasses.replace(whole, images=images)
    first, second = (blobs.write(*Dataset.encode(value)) for value in (whole, parts))
    assert first == second
    assert torch.equal(collected(whole.images, None), whole.images)
    assert not list(blobs.temporary.iterdir())


def test_a_temporary_file_that_cannot_be_created_is_one_line(tmp_path):
    with pytest.raises(CacheError, match=r"^pictures can't be written to .*: No such.* - free"):
        CollectedPictures(IN_MEMORY, (8, 8, 3), tmp_path / "missing")


def test_a_dataset_is_reported_in_parts_as_in_whole(tmp_path):
    blobs, whole = Blobs(tmp_path), dataset(4)
    blob = blobs.open(blobs.write(*Dataset.encode(whole))[0])
    parts = Dataset.decode_in_parts(blob.meta, blob)
    assert isinstance(parts.images, PictureBatch)
    assert torch.equal(groups_of(parts.images, None), groups_of(whole.images, None))
    reports = [dataset_report(value, ctx=Context.quiet()) for value in (whole, parts)]
    assert torch.equal(reports[0].image, reports[1].image)
    assert reports[0][1:] == reports[1][1:]
    assert sum(reports[0].table.columns["duplicates"]) >= 25


def test_near_duplicates_are_searched_in_parts(tmp_path):
    whole = dataset().images
    rows = torch.arange(5, 55)
    parts = take(collected(whole, tmp_path), rows)
    for quick in (True, False):
        one, other = (
            near_duplicates(images, 0.6, lambda *_: None, quick) for images in (whole[rows], parts)
        )
        assert len(one.rows) >= 15
        assert torch.equal(one.rows, other.rows)
        assert torch.equal(one.similarity, other.similarity)
        assert one.changes == other.changes
