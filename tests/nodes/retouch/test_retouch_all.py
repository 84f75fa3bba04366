"""What holds for all nodes that change pictures between models."""

import pytest
import torch
from retouching import outputs, pictures

from artgraph.contract.errors import NodeError
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.kinds import Table

NODES = {n: s for n, s in load_nodes().items() if ".retouch." in s.function.__module__}
WITH_PICTURES = sorted(
    n
    for n, s in NODES.items()
    if {p.sockets[0].name for p in s.inputs.values()} & {"image", "mask"}
)


def values(name, image):
    """A value for each input of a node, made of the same pictures."""
    kinds = {"image": image, "mask": image[..., 0], "table": Table({"colour": ["#ff8000"]})}
    return {name: kinds[port.sockets[0].name] for name, port in NODES[name].inputs.items()}


def test_there_are_as_many_nodes_as_the_docs_name():
    assert len(NODES) == 25
    assert len(WITH_PICTURES) == 23


@pytest.mark.parametrize("name", WITH_PICTURES)
@pytest.mark.parametrize("shape", [(2, 7, 13, 4), (1, 1, 1, 3), (1, 1, 90, 4), (2, 90, 1, 3)])
def test_pictures_of_any_size_stay_in_their_range(name, shape):
    image = pictures(*shape)
    for value in outputs(name, values(name, image)).values():
        if isinstance(value, torch.Tensor):
            assert value.dtype == torch.float32
            assert value.is_contiguous()
            assert value.min() >= 0
            assert value.max() <= 1
            assert value.ndim < 4 or value.shape[3] == shape[3] or name == "extract_palette"
    assert torch.equal(image, pictures(*shape)), "inputs stay as they are"


@pytest.mark.parametrize("name", WITH_PICTURES)
def test_a_batch_of_no_pictures_is_refused(name):
    for empty in values(name, pictures(1, 4, 4, 3)):
        given = values(name, pictures(1, 4, 4, 3))
        if not isinstance(given[empty], torch.Tensor):
            continue
        given[empty] = given[empty][:0]
        with pytest.raises(
            NodeError, match=r"^a batch has no pictures - wire at least one picture$"
        ):
            outputs(name, given)
