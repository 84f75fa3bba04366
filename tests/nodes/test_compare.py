"""Which pictures of a dataset are most like given ones."""

import pytest
import torch

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.models.neighbours import nearest_rows, pixel_vectors, usual_distance
from artgraph.nodes.art import procedural_art
from artgraph.nodes.classifier import train_classifier
from artgraph.nodes.compare import nearest_images

CTX = Context.quiet()


def art(count=24, size=32, seed=1):
    return procedural_art(count=count, size=size, styles="", seed=seed, ctx=CTX)


def as_image(levels):
    return levels.float() / 255


def nearest(image, dataset, classifier=None, count=3):
    return nearest_images(image, dataset, classifier, count=count, ctx=CTX)


def test_copies_are_found_also_when_they_are_mirrored():
    dataset = art()
    image = as_image(torch.stack([dataset.images[5], dataset.images[9].flip(1)]))
    found = nearest(image, dataset, count=2)
    assert found.image.shape == (6, 32, 32, 3)
    assert torch.equal(found.image[[0, 3]], image)
    assert torch.equal(found.image[[1, 4]], as_image(dataset.images[[5, 9]]))
    table = found.table.columns
    assert table["name"][:2] == ["picture 0", dataset.names[5]]
    assert table["name"][3:5] == ["picture 1", dataset.names[9]]
    assert table["distance"][1] == table["distance"][4] == 0
    assert table["newness"][0] is None
    assert 0 < table["newness"][2] < 5
    assert table["features"] == ["colours at 32 px"] * 6


def test_the_nearest_comes_first_and_fresh_pictures_are_new():
    dataset, fresh = art(512), art(16, seed=2)
    table = nearest(as_image(fresh.images), dataset, count=4).table.columns
    far = torch.tensor([d for d in table["distance"] if d is not None]).view(16, 4)
    assert (far.diff(dim=1) >= 0).all()
    new = torch.tensor([n for n in table["newness"] if n is not None]).view(16, 4)[:, 0]
    assert 0.6 < float(new.mean()) < 1.6


def test_a_slightly_changed_copy_is_not_new():
    dataset = art(64)
    noise = torch.randn(8, 32, 32, 3, generator=CTX.rng(1)) * 0.05
    image = (as_image(dataset.images[:8]) * 0.95 + noise).clamp(0, 1)
    table = nearest(image, dataset, count=1).table.columns
    assert table["name"][1::2] == list(dataset.names[:8])
    assert max(table["newness"][1::2]) < 0.6


def test_pictures_of_another_size_are_fitted():
    dataset = art(16)
    large = as_image(dataset.images[3]).repeat_interleave(2, 0).repeat_interleave(2, 1)[None]
    found = nearest(large, dataset)
    assert found.image.shape == (4, 32, 32, 3)
    assert found.table.columns["name"][1] == dataset.names[3]


def test_a_classifiers_features_find_the_style():
    dataset, fresh = art(256), art(16, seed=2)
    classifier = train_classifier(
        dataset,
        method="residual",
        steps=120,
        batch=32,
        augment=True,
        held_out=0,
        seed=1,
        ctx=CTX,
    ).classifier
    table = nearest(as_image(fresh.images), dataset, classifier, count=1).table.columns
    styles = [name.split()[0] for name in table["name"][1::2]]
    right = sum(a == b.split()[0] for a, b in zip(styles, fresh.names, strict=True))
    assert right >= 12, f"by chance it would be 2, not {right}"


def test_alike_pictures_have_no_newness():
    dataset = art(4)
    dataset.images[:] = dataset.images[0].clone()
    table = nearest(as_image(dataset.images[:1]), dataset).table.columns
    assert table["newness"] == [None] * 4


def test_a_small_data_set_is_refused():
    with pytest.raises(NodeError, match=r"only 2 pictures, at least 5 are needed - add"):
        nearest(as_image(art(2).images), art(2), count=5)
    with pytest.raises(NodeError, match=r"only 1 pictures, at least 2"):
        nearest(as_image(art(2).images), art(1), count=1)


def test_the_search_continues_with_fewer_pictures_when_memory_runs_out():
    images, sizes = art(300).images, []

    def little_memory(part):
        sizes.append(len(part))
        if len(part) > 100:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return pixel_vectors(part)

    def search(vectors):
        done = []
        found = nearest_rows(images[:7], images, 3, vectors, lambda *share: done.append(share))
        return *found, done[-1], usual_distance(images, vectors)

    with pytest.warns(UserWarning, match="out of memory") as warned:
        rows, distances, last, usual = search(little_memory)
    expected = search(pixel_vectors)
    assert torch.equal(rows, expected[0])
    assert torch.equal(distances, expected[1])
    assert (last, usual) == ((300, 300), pytest.approx(expected[3]))
    # two each: while searching, and for the vectors and the distances within the set
    assert len(warned) == 6
    assert sizes[:5] == [7, 256, 128, 64, 64]
