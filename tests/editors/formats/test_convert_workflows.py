"""Workflows of ComfyUI become graphs: core nodes, subgraphs, primitives, and what is left out."""

import json
from pathlib import Path

import pytest

from artgraph.contract.errors import GraphError
from artgraph.contract.registry import load_nodes
from artgraph.editors.formats.api_json import to_api
from artgraph.editors.formats.convert import from_comfy
from artgraph.editors.formats.workflow_write import to_workflow
from artgraph.runner.graph.binding import bind
from artgraph.runner.graph.document import parse_document
from artgraph.runner.graph.folders import Folders
from artgraph.runner.graph.modes import without_modes

REGISTRY = load_nodes()


def document(text):
    return parse_document(text, "graph.yaml", Path())


def node(number, kind, inputs=(), values=(), outputs=("IMAGE",), **more):
    slots = [{"name": name, "type": kind, "link": link} for name, kind, link in inputs]
    outs = [{"name": kind, "type": kind} for kind in outputs]
    plain = {"id": number, "type": kind, "inputs": slots, "outputs": outs}
    return plain | {"widgets_values": list(values), "order": number} | more


def drawn(nodes, links, **more):
    return {"nodes": nodes, "links": links, "groups": [], "version": 0.4} | more


def nodes_of(workflow):
    return from_comfy(workflow, REGISTRY, "x.json", Path()).document.plain()


def test_core_nodes_reroutes_bypass_and_mute(tmp_path):
    workflow = drawn(
        [
            node(1, "LoadImage", values=["cat.png [input]", "image"], outputs=("IMAGE", "MASK")),
            node(2, "Reroute", [("", "*", 1)], outputs=("*",)),
            node(3, "Artgraph_resize_image", [("image", "IMAGE", 2)], [64], mode=4),
            node(4, "SaveImage", [("images", "IMAGE", 3)], ["my/cat %date%"], title="Keep"),
            node(5, "PreviewImage", [("images", "IMAGE", 4)]),
            node(6, "Artgraph_resize_image", [("image", "IMAGE", 5)], [64], mode=2),
            node(7, "Artgraph_pick_images", [("image", "IMAGE", 6)], title="Lost"),
            node(8, "SaveImage", [("images", "IMAGE", 7)], ["ComfyUI"]),
        ],
        [
            [1, 1, 0, 2, 0, "IMAGE"],
            [2, 2, 0, 3, 0, "IMAGE"],
            [3, 3, 0, 4, 0, "IMAGE"],
            [4, 4, 0, 5, 0, "IMAGE"],
            [5, 1, 0, 6, 0, "IMAGE"],
            [6, 6, 0, 7, 0, "IMAGE"],
            [7, 7, 0, 8, 0, "IMAGE"],
        ],
    )
    assert nodes_of(workflow)["nodes"] == {
        "load_image": {"node": "load_image", "with": {"path": "cat.png"}},
        "resize_image": {
            "node": "resize_image",
            "mode": "bypassed",
            "from": {"image": "load_image"},
            "with": {"width": 64},
        },
        "Keep": {
            "node": "save_image",
            "from": {"image": "resize_image"},
            "with": {"name": "my/cat"},
        },
        "preview_image": {"node": "preview_image", "from": {"image": "resize_image"}},
        "resize_image_2": {
            "node": "resize_image",
            "mode": "muted",
            "from": {"image": "load_image"},
            "with": {"width": 64},
        },
        "Lost": {"node": "pick_images", "from": {"image": "resize_image_2"}},
        "save_image": {"node": "save_image", "from": {"image": "Lost"}},
    }
    (tmp_path / "cat.png").write_bytes(b"")
    document = from_comfy(workflow, REGISTRY, "x", tmp_path).document
    graph = bind(document, REGISTRY, Folders(tmp_path, tmp_path, tmp_path))
    assert list(graph.nodes) == ["load_image", "Keep", "preview_image"]
    assert {n.wires["image"].node for n in list(graph.nodes.values())[1:]} == {"load_image"}
    assert graph.omitted == (("resize_image_2",), ("resize_image",), ("Lost", "save_image"), ())


def test_muted_and_bypassed_nodes_that_artgraph_lacks_are_left_out_and_reported():
    workflow = drawn(
        [
            node(1, "LoadImage", values=["cat.png", "image"], outputs=("IMAGE", "MASK")),
            node(2, "Sharpen", [("image", "IMAGE", 1)], mode=4),
            node(3, "Blur", [("image", "IMAGE", 1)], mode=2),
            node(4, "SaveImage", [("images", "IMAGE", 2)], ["sharp"]),
            node(5, "SaveImage", [("images", "IMAGE", 3)], ["soft"], title="Soft"),
        ],
        [
            [1, 1, 0, 2, 0, "IMAGE"],
            [2, 2, 0, 4, 0, "IMAGE"],
            [3, 3, 0, 5, 0, "IMAGE"],
        ],
    )
    document = from_comfy(workflow, REGISTRY, "x", Path()).document
    assert list(document.nodes) == ["load_image", "save_image"]
    assert document.nodes["save_image"].wires["image"].value == "load_image"
    assert document.unread == ["Sharpen", "Blur", "Soft"]


def test_subgraphs_are_flattened():
    inner = {
        "id": "deadbeef",
        "inputs": [{"name": "picture", "type": "IMAGE"}, {"name": "width", "type": "INT"}],
        "outputs": [{"name": "out", "type": "IMAGE"}],
        "nodes": [
            node(1, "Artgraph_resize_image", [("image", "IMAGE", 1), ("width", "INT", 2)], [64, 0]),
            node(2, "Artgraph_pick_images", [("image", "IMAGE", 3)], [0, 1, 1]),
        ],
        "links": [
            {"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 1, "target_slot": 0},
            {"id": 2, "origin_id": -10, "origin_slot": 1, "target_id": 1, "target_slot": 1},
            {"id": 3, "origin_id": 1, "origin_slot": 0, "target_id": 2, "target_slot": 0},
            {"id": 4, "origin_id": 2, "origin_slot": 0, "target_id": -20, "target_slot": 0},
        ],
    }
    proxies = {"proxyWidgets": [["-1", "width"], ["2", "count"]]}
    outer = [("picture", "IMAGE", 1), ("width", "INT", None)]
    workflow = drawn(
        [
            node(1, "LoadImage", values=["cat.png", "image"], outputs=("IMAGE", "MASK")),
            node(2, "deadbeef", outer, [48, 5], properties=proxies),
            node(3, "SaveImage", [("images", "IMAGE", 2)], ["ComfyUI"]),
        ],
        [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"]],
        definitions={"subgraphs": [inner]},
    )
    assert nodes_of(workflow)["nodes"] == {
        "load_image": {"node": "load_image", "with": {"path": "cat.png"}},
        "resize_image": {
            "node": "resize_image",
            "from": {"image": "load_image"},
            "with": {"width": 48},
        },
        "pick_images": {
            "node": "pick_images",
            "from": {"image": "resize_image"},
            "with": {"count": 5},
        },
        "save_image": {"node": "save_image", "from": {"image": "pick_images"}},
    }


def test_primitives_are_knobs():
    prompt = {
        "9": {"class_type": "PrimitiveInt", "inputs": {"value": 5}, "_meta": {"title": "Int"}},
        "6:3": {"class_type": "Artgraph_procedural_art", "inputs": {"count": ["9", 0]}},
        "7": {
            "class_type": "Artgraph_dataset_images",
            "inputs": {"dataset": ["6:3", 0], "count": ["9", 0], "order": {"__value__": "mixed"}},
        },
    }
    graph = nodes_of({"prompt": prompt})
    assert graph["knobs"] == {"count": 5}
    assert graph["nodes"]["dataset_images"]["from"]["count"] == "knobs.count"
    assert graph["nodes"]["dataset_images"]["with"] == {"order": "mixed"}


def test_names_and_paths_lose_what_only_comfyui_replaces():
    prompt = {
        "1": {"class_type": "Artgraph_load_image", "inputs": {"path": "a.png [output]"}},
        "2": {
            "class_type": "Artgraph_save_image",
            "inputs": {"image": ["1", 0], "name": "%date:yyyy-MM-dd%/%KSampler.seed%_cats"},
        },
        "3": {"class_type": "Artgraph_save_image", "inputs": {"image": ["1", 0], "name": "50%_a%"}},
    }
    nodes = nodes_of(prompt)["nodes"]
    assert nodes["load_image"]["with"] == {"path": "a.png"}
    assert [n["with"]["name"] for n in list(nodes.values())[1:]] == ["cats", "50%_a%"]


def test_the_mask_of_a_picture_is_wired_by_its_name():
    text = """
artgraph: 1
nodes:
  photo: {node: load_image, with: {path: a.png}}
  both: {node: set_alpha, from: {image: photo, mask: photo.mask}}
"""
    original = document(text)
    for written in (to_api(original, REGISTRY), to_workflow(original, REGISTRY)):
        assert nodes_of(written)["nodes"]["both"]["from"] == {
            "image": "photo",
            "mask": "photo.mask",
        }
    prompt = to_api(original, REGISTRY)
    prompt["1"] = {"class_type": "LoadImage", "inputs": {"image": "a.png"}}
    assert nodes_of(prompt)["nodes"]["both"]["from"]["mask"] == "load_image.mask"


def test_everything_without_a_counterpart_is_reported_at_once():
    prompt = {
        "1": {"class_type": "KSampler", "inputs": {"seed": 1}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "3": {"class_type": "Artgraph_resize_image", "inputs": {"image": ["2", 2], "wdth": 3}},
        "4": {"class_type": "Artgraph_save_image", "inputs": {"image": ["77", 0]}},
        "5": {"class_type": "Artgraph_nonsense", "inputs": {}},
    }
    with pytest.raises(GraphError) as caught:
        nodes_of(prompt)
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    for words in ("output 2 of LoadImage", "'wdth'", "#77", "Artgraph_nonsense"):
        assert words in text


def test_branches_of_other_programs_are_left_out_and_named():
    prompt = {
        "1": {"class_type": "KSampler", "inputs": {"seed": 1}, "_meta": {"title": "Sampler"}},
        "2": {"class_type": "Artgraph_resize_image", "inputs": {"image": ["1", 0], "width": 8}},
        "3": {"class_type": "Artgraph_load_image", "inputs": {"path": "", "fallback": ["2", 0]}},
        "4": {"class_type": "Artgraph_save_image", "inputs": {"image": ["3", 0]}},
        "5": {"class_type": "Artgraph_procedural_art", "inputs": {"count": 5}},
        "6": {"class_type": "Artgraph_dataset_report", "inputs": {"dataset": ["5", 0]}},
    }
    document = from_comfy(prompt, REGISTRY, "x.json", Path()).document
    assert list(document.nodes) == ["procedural_art", "dataset_report"]
    needing = ["Artgraph_resize_image", "Artgraph_load_image", "Artgraph_save_image"]
    assert document.unread == ["Sampler", *needing]
    assert "left out because artgraph does not have them" in bind_line(document)
    with pytest.raises(GraphError, match="no node that corresponds to 'KSampler'"):
        nodes_of({number: prompt[number] for number in ("1", "2")})


def bind_line(document):
    return without_modes(document, REGISTRY)[1].line


def test_nodes_of_comfyui_with_a_counterpart_are_converted_to_it():
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "2": {
            "class_type": "ImageScale",
            "inputs": {
                "image": ["1", 0],
                "upscale_method": "lanczos",
                "width": 64,
                "height": 0,
                "crop": "disabled",
            },
        },
        "3": {"class_type": "SplitImageWithAlpha", "inputs": {"image": ["2", 0]}},
        "4": {"class_type": "JoinImageWithAlpha", "inputs": {"image": ["3", 0], "alpha": ["3", 1]}},
        "5": {"class_type": "ImageBatch", "inputs": {"image1": ["4", 0], "image2": ["2", 0]}},
        "6": {
            "class_type": "ImageFromBatch",
            "inputs": {"image": ["5", 0], "batch_index": 1, "length": 1},
        },
        "7": {
            "class_type": "SaveAnimatedWEBP",
            "inputs": {
                "images": ["6", 0],
                "filename_prefix": "film",
                "fps": 6.0,
                "lossless": True,
                "quality": 80,
                "method": "default",
            },
        },
    }
    assert nodes_of(prompt)["nodes"] == {
        "load_image": {"node": "load_image", "with": {"path": "a.png"}},
        "resize_image": {
            "node": "resize_image",
            "from": {"image": "load_image"},
            "with": {"width": 64, "fit": "stretch"},
        },
        "image_alpha": {"node": "image_alpha", "from": {"image": "resize_image"}},
        "set_alpha": {
            "node": "set_alpha",
            "from": {"image": "image_alpha.image", "mask": "image_alpha.mask"},
        },
        "batch_images": {
            "node": "batch_images",
            "from": {"first": "set_alpha", "second": "resize_image"},
        },
        "pick_images": {
            "node": "pick_images",
            "from": {"image": "batch_images"},
            "with": {"start": 1},
        },
        "save_animation": {
            "node": "save_animation",
            "from": {"image": "pick_images"},
            "with": {"name": "film", "format": "webp", "fps": 6.0, "quality": 100},
        },
    }


def test_a_title_with_the_name_of_the_pack_is_no_name():
    prompt = {
        "1": {
            "class_type": "Artgraph_load_image",
            "inputs": {"path": "a.png"},
            "_meta": {"title": "Load image (artgraph)"},
        }
    }
    assert list(nodes_of(prompt)["nodes"]) == ["load_image"]


def test_only_what_a_file_does_not_contain_is_named(cli, tmp_path):
    source = tmp_path / "mixed.json"
    image = [("image", "IMAGE", 1)]
    nodes = [
        node(1, "LoadImage", values=["cat.png", "image"], outputs=("IMAGE", "MASK")),
        node(2, "Artgraph_resize_image", image, [64], mode=4),
        node(3, "ImageBlur", [("image", "IMAGE", 2)], title="Inverted"),
        node(4, "SaveImage", [("images", "IMAGE", 3)], ["a"], title="Needs it"),
    ]
    links = [[1, 1, 0, 2, 0, "IMAGE"], [2, 1, 0, 3, 0, "IMAGE"], [3, 3, 0, 4, 0, "IMAGE"]]
    source.write_text(json.dumps(drawn(nodes, links)))
    done = cli("convert", source, tmp_path / "mixed.yaml")
    assert done.returncode == 0
    words = "does not contain: left out because artgraph does not have them: Inverted, Needs it"
    assert done.stderr.strip().endswith(words)
    done = cli("convert", source, tmp_path / "mixed.api.json")
    assert "does not contain: bypassed: resize_image; left out" in done.stderr


def test_values_inside_a_subgraph_that_equal_their_defaults_stay_too():
    text = """
artgraph: 1
nodes:
  art: {node: procedural_art, with: {count: 2048}}
"""
    inner = to_workflow(document(text), REGISTRY)
    workflow = drawn([node(7, "s", outputs=(), title="Mine")], [])
    workflow["definitions"] = {
        "subgraphs": [
            {"id": "s", "nodes": inner["nodes"], "links": [], "inputs": [], "outputs": []}
        ]
    }
    (entry,) = nodes_of(workflow)["nodes"].values()
    assert entry["with"] == {"count": 2048}
