"""Graphs to ComfyUI's formats and back: nothing that affects a result may change."""

import contextlib
import json
import random
from pathlib import Path

import pytest

from artgraph.contract.errors import GraphError
from artgraph.contract.registry import load_nodes
from artgraph.editors.formats.api_json import to_api
from artgraph.editors.formats.convert import check, from_comfy, read_json, with_graph, write_graph
from artgraph.editors.formats.load import load_document, shipped_graphs
from artgraph.editors.formats.workflow_write import to_workflow
from artgraph.models.training.numerics import Numerics
from artgraph.runner.graph.binding import bind
from artgraph.runner.graph.document import parse_document, read_document
from artgraph.runner.graph.folders import Folders
from artgraph.runner.graph.modes import without_modes
from artgraph.runner.run.plan import make_plan
from artgraph.runner.store.store import Store

REGISTRY = load_nodes()
FORMATS = pytest.mark.parametrize("write", [to_api, to_workflow])
GRAPH = """
artgraph: 1
title: A little of all
about: What a graph file can say.
tags: [one, two]
knobs:
  size: {value: 32, about: Edge in pixels}
  amount: 0.25
  method: linear
  name: "12"
nodes:
  art:
    about: Stands for own pictures
    node: procedural_art
    from: {size: knobs.size}
    with: {count: 64, seed: 3}
  vae: {node: train_vae, from: {dataset: art}, with: {steps: 3, seed: 1, beta: 0.5}}
  two: {node: number, with: {value: 2}}
  pictures: {node: dataset_images, from: {dataset: art, count: two}}
  latents: {node: vae_encode, from: {vae: vae.vae, image: pictures.image}}
  mix:
    node: mix_latents
    from: {first: latents, second: latents, amount: knobs.amount, method: knobs.method}
  back: {node: vae_decode, from: {vae: vae.vae, latent: mix}}
  small: {node: resize_image, from: {image: back, width: knobs.size}}
  Saved: {node: save_image, from: {image: small, name: knobs.name}}
layout:
  colors: {art: ["#223", "#335"]}
  groups:
    - {title: Training, box: [0, -40, 800, 600], color: "#3f789e"}
  notes:
    - {title: Note, text: Look here, box: [900, 0, 200, 100], color: "#432", bgcolor: "#000"}
"""


def document(text=GRAPH):
    return parse_document(text, "graph.yaml", Path())


def there_and_back(original, write):
    data = json.loads(json.dumps(write(original, REGISTRY)))
    return from_comfy(data, REGISTRY, original.file, original.folder).document


def keys(original, folder):
    try:
        graph = bind(original, REGISTRY, Folders(original.folder, folder, folder))
    except GraphError as error:
        if error.exit_code != 3:  # the graph reads pictures that the user must provide
            raise
        return [original.plain().get(part, {}).keys() for part in ("knobs", "nodes")]
    store = Store(folder / "cache")
    steps = make_plan(graph, store, Numerics())
    store.close()
    bound = {n.name: (n.spec.id, n.values, n.wires) for n in graph.nodes.values()}
    return bound, [(step.node.name, step.key and step.key.digest) for step in steps]


@FORMATS
def test_everything_in_a_graph_file_is_preserved(write):
    check(document(), REGISTRY)
    assert there_and_back(document(), write).plain() == document().plain()


@FORMATS
@pytest.mark.parametrize("name", shipped_graphs())
def test_shipped_graphs_have_the_same_keys(name, write, tmp_path):
    original = check(read_document(shipped_graphs()[name]), REGISTRY)
    back = there_and_back(original, write)
    assert keys(back, tmp_path) == keys(original, tmp_path)


def test_a_knob_changed_in_comfyui_is_changed_here():
    workflow = to_workflow(document(), REGISTRY)
    knob = next(n for n in workflow["nodes"] if n["title"] == "size")
    knob["widgets_values"][0] = 48
    back = from_comfy(workflow, REGISTRY, "x.json", Path()).document
    assert back.knobs["size"].value == 48
    assert back.knob_about["size"] == "Edge in pixels"
    assert back.nodes["small"].wires["width"].value == "knobs.size"


def test_an_edited_note_changes_the_title_and_the_description():
    workflow = to_workflow(document(), REGISTRY)
    note = next(n for n in workflow["nodes"] if n["title"] == "About")
    assert note["widgets_values"] == ["# A little of all\n\nWhat a graph file can say."]
    for text, about in (
        ("# Much\n\nOf all.\nAnd more.", {"title": "Much", "about": "Of all.\nAnd more."}),
        ("# Much", {"title": "Much", "about": "What a graph file can say."}),
        ("Of all.", {"title": "A little of all", "about": "Of all."}),
        ("", {"title": "A little of all", "about": "What a graph file can say."}),
    ):
        note["widgets_values"] = [text]
        back = from_comfy(workflow, REGISTRY, "x.json", Path()).document
        assert back.about == about | {"tags": ["one", "two"]}


def test_a_value_changed_in_the_api_format_leaves_its_knob():
    prompt = to_api(document(), REGISTRY)
    prompt["1"]["inputs"]["size"] = 48
    back = from_comfy(prompt, REGISTRY, "x.json", Path()).document
    assert back.nodes["art"].values["size"].value == 48
    assert back.nodes["small"].wires["width"].value == "knobs.size"


def test_a_workflow_runs_from_left_to_right_without_overlap():
    nodes = to_workflow(document(), REGISTRY)["nodes"]
    by_id = {node["id"]: node for node in nodes}
    for _, source, _, target, _, _ in to_workflow(document(), REGISTRY)["links"]:
        assert by_id[source]["pos"][0] + by_id[source]["size"][0] < by_id[target]["pos"][0]
    boxes = [(*n["pos"], *n["size"]) for n in nodes if n["type"] != "MarkdownNote"]
    for i, (x, y, w, h) in enumerate(boxes):
        for other in boxes[:i]:
            apart = x >= other[0] + other[2] or other[0] >= x + w
            assert apart or y >= other[1] + other[3] or other[1] >= y + h


def test_positions_from_the_editor_are_preserved():
    workflow = to_workflow(document(), REGISTRY)
    next(n for n in workflow["nodes"] if n["title"].endswith("· mix"))["pos"] = [1234.5, -7]
    back = from_comfy(workflow, REGISTRY, "x.json", Path()).document
    again = to_workflow(parse_document(back.yaml(), "x.yaml", Path()), REGISTRY)
    assert next(n for n in again["nodes"] if n["title"].endswith("· mix"))["pos"] == [1234.5, -7]


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


@FORMATS
def test_values_that_equal_their_defaults_stay_in_the_file(write):
    text = """
artgraph: 1
nodes:
  art: {node: procedural_art, with: {count: 2048, size: 64}}
  one: {node: dataset_images, from: {dataset: art}}
"""
    original = document(text)
    assert there_and_back(original, write).plain() == original.plain()
    data = json.loads(json.dumps(write(original, REGISTRY)).replace("2048", "7"))
    changed = from_comfy(data, REGISTRY, "x", Path()).document
    assert changed.plain()["nodes"]["art"]["with"] == {"count": 7, "size": 64}


def test_a_title_with_the_name_of_the_pack_is_no_name():
    prompt = {
        "1": {
            "class_type": "Artgraph_load_image",
            "inputs": {"path": "a.png"},
            "_meta": {"title": "Load image (artgraph)"},
        }
    }
    assert list(nodes_of(prompt)["nodes"]) == ["load_image"]


def test_no_mutation_of_a_workflow_ends_in_a_traceback():
    source = json.dumps(to_workflow(document(), REGISTRY))
    rng = random.Random(1)
    for _ in range(300):
        data = json.loads(source)
        for _ in range(3):
            place = data
            while isinstance(place, dict | list) and place:
                key = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
                if not isinstance(place[key], dict | list) or rng.random() < 0.2:
                    place[key] = rng.choice([None, -1, "x", [], {}, [1], {"a": 1}, True, 1e300])
                    break
                place = place[key]
        with contextlib.suppress(GraphError):
            check(from_comfy(data, REGISTRY, "x.json", Path()).document, REGISTRY)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[NaN]", "[]", '{"a": {"class_type": 1}}'])
def test_other_json_is_refused(text):
    with pytest.raises(GraphError):
        from_comfy(read_json(text, "x.json"), REGISTRY, "x.json", Path())


def test_files_of_every_format(tmp_path):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    for name in ("x.yaml", "x.json", "x.api.json", "x.png"):
        write_graph(document(), tmp_path / name, REGISTRY)
        assert load_document(str(tmp_path / name)).plain() == document().plain()
    with Image.open(tmp_path / "x.png") as picture:
        assert json.loads(picture.info["prompt"]) == to_api(document(), REGISTRY)
        assert json.loads(picture.info["workflow"]) == to_workflow(document(), REGISTRY)
    data = (tmp_path / "x.png").read_bytes()
    assert with_graph(data, document(), REGISTRY) == data
    with pytest.raises(GraphError, match="unknown file format"):
        write_graph(document(), tmp_path / "x.txt", REGISTRY)


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
