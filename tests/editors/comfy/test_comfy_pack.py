"""The generated files of the ComfyUI pack are current."""

import json
import re
import tomllib
from pathlib import Path
from typing import Annotated

import pytest
from PIL import Image
from pydantic import Field

from artgraph.contract.registry import load_nodes
from artgraph.contract.spec import NodeSpec
from artgraph.contract.values.kinds import Number
from artgraph.editors.comfy import routes
from artgraph.editors.comfy.build_pack import (
    EXAMPLES,
    ROOT,
    WEB,
    generated_files,
    name_untranslated,
)
from artgraph.editors.comfy.titles import SHARED, comfy_title
from artgraph.editors.formats.forms import class_id
from artgraph.editors.formats.help import (
    LOCALES,
    WORDS,
    ZH,
    in_chinese,
    node_definitions,
    translatable_texts,
)
from artgraph.editors.formats.load import shipped_graphs
from artgraph.runner.graph.document import read_document

FILES = generated_files()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMMAND = "run `python -m artgraph.editors.comfy.build_pack`"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_generated_file_is_current(path):
    assert (ROOT / path).read_text(encoding="utf-8") == FILES[path], COMMAND


def test_nothing_is_left_over():
    for folder in (EXAMPLES, WEB / "docs"):
        existing = {path.stem for path in (ROOT / folder).iterdir()}
        generated = {path.stem for path in FILES if path.parent == folder}
        assert existing == generated, COMMAND


def test_every_example_has_a_picture():
    for path in FILES:
        if path.parent == EXAMPLES:
            with Image.open((ROOT / path).with_suffix(".jpg")) as picture:
                assert picture.format == "JPEG"


def test_every_chinese_text_belongs_to_a_node():
    unused = ZH.keys() - translatable_texts(load_nodes())
    assert not unused, f"if a text was reworded, change it in editors/comfy/{WORDS.name}"


def test_chinese_texts_are_chinese_and_not_patterns_of_the_editors_messages():
    for text in set(ZH.values()) - {"GAN", "VAE"}:
        assert re.search("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]", text), text
        assert not re.search("[{}@|]", text.replace("{:g}", "")), text


def test_generated_locales_are_in_chinese():
    node = node_definitions(load_nodes(), in_chinese)["Artgraph_train_vae"]
    assert node["inputs"]["beta"]["tooltip"].endswith("（-1 表示留空）")
    about, kind = node["inputs"]["start"]["tooltip"].split("\n")
    assert about == "从这个 VAE 继续训练"
    assert kind.startswith("VAE：VAE 的配置和权重")
    assert node["inputs"]["start"]["tooltip"].endswith("（可不连接）")


def test_a_word_with_two_meanings_has_two_words_in_chinese():
    for language, names in ((str, {"cells"}), (in_chinese, {"格数", "所选编号"})):
        definitions = node_definitions(load_nodes(), language)
        nodes = (definitions[class_id(node)] for node in ("draw_mask", "choose"))
        assert {node["inputs"]["cells"]["name"] for node in nodes} == names


def test_a_new_node_is_in_english_until_someone_translates_it(capsys):
    def halve(*, value: Annotated[float, Field(description="What to halve")] = 0.0) -> Number:
        """Halve a number."""
        return value / 2

    registry = {"halve": NodeSpec("halve", "Halve", "calculate", 1, halve, device=False)}
    definition = node_definitions(registry, in_chinese)["Artgraph_halve"]
    assert (definition["display_name"], definition["description"]) == ("Halve", "Halve a number.")
    assert definition["inputs"]["value"] == {"name": ZH["value"], "tooltip": "What to halve"}
    name_untranslated(registry)
    lines = capsys.readouterr().out.splitlines()
    assert {line.split(": ")[1] for line in lines} == {
        "'Halve'",
        "'Halve a number.'",
        "'What to halve'",
    }


def test_requirements_are_the_projects_without_torch():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    expected = [line for line in PROJECT["project"]["dependencies"] if not line.startswith("torch")]
    assert [line for line in lines if not line.startswith("#")] == expected


def test_icon_and_banner_have_the_registrys_shapes():
    comfy = PROJECT["tool"]["comfy"]
    with Image.open(ROOT / comfy["Icon"]) as icon, Image.open(ROOT / comfy["Banner"]) as banner:
        assert icon.width == icon.height <= 400
        assert banner.width * 9 == banner.height * 21


def test_no_code_is_generated_or_installed_at_run_time():
    for path in ROOT.glob("*/**/*.py"):
        if path.relative_to(ROOT).parts[0] in (
            "contract",
            "nodes",
            "models",
            "runner",
            "editors",
            "pictures",
            "cli",
        ):
            assert not re.search(
                r"(?<![\w.])(eval|exec)\(|pip install.*subprocess", path.read_text()
            )


def test_help_pages_and_locales_contain_every_node():
    names = {class_id(name) for name in load_nodes()}
    for language in LOCALES:
        path = ROOT / "locales" / language / "nodeDefs.json"
        assert json.loads(path.read_text(encoding="utf-8")).keys() == names
    assert {p.stem for p in Path(ROOT / WEB / "docs").iterdir()} == names


def test_pages_are_translated_and_name_no_errors():
    page = FILES[WEB / "docs" / "Artgraph_train_vae" / "zh.md"]
    assert page.startswith("# 训练 VAE")
    for path, text in FILES.items():
        if path.suffix == ".md":
            assert "Raises:" not in text, path


def test_templates_have_titles_and_notes_and_some_are_apps():
    paths = [path for path in FILES if path.parent == EXAMPLES]
    about = [read_document(path).about for path in shipped_graphs().values()]
    apps = {one["title"] for one in about if "app" in one["tags"]}
    assert EXAMPLES / "Draw with our GAN.json" in paths
    for path in paths:
        workflow = json.loads(FILES[path])
        (lesson,) = (n for n in workflow["nodes"] if n["title"] == "What to change")
        text = lesson["widgets_values"][0]
        assert text.startswith("A first run takes ")
        assert all(
            f"- **{knob}**" in text for knob in workflow["extra"]["artgraph"].get("knobs", {})
        )
        assert workflow["extra"].get("linearMode", False) == (path.stem in apps)
        assert len({node["id"] for node in workflow["nodes"]}) == len(workflow["nodes"])


def test_an_app_that_loads_a_folder_has_its_list_and_its_button():
    workflow = json.loads(FILES[EXAMPLES / "My pictures, a VAE.json"])
    loader = next(n for n in workflow["nodes"] if n["type"] == "Artgraph_load_dataset")
    assert all(slot["link"] is None for slot in loader["inputs"] if slot["name"] == "folder")
    assert workflow["extra"]["linearData"]["inputs"][:3] == [
        [loader["id"], "folder", {"description": "Your pictures"}],
        [loader["id"], "choose a folder of pictures"],
        [loader["id"], "pictures"],
    ]
    assert list(workflow["extra"]["artgraph"]["knobs"]) == ["steps", "seed"]
    links = {link[0] for link in workflow["links"]}
    wired = [i["link"] for node in workflow["nodes"] for i in node["inputs"] if i["link"]]
    assert sorted(wired) == sorted(links)


def test_texts_of_an_app_fit_into_a_line():
    for path in (path for path in FILES if path.parent == EXAMPLES):
        for _, _, *more in json.loads(FILES[path])["extra"]["linearData"]["inputs"]:
            assert all(0 < len(part["description"]) <= 60 for part in more), path


def test_a_template_opens_at_a_readable_scale():
    for path in (path for path in FILES if path.parent == EXAMPLES):
        workflow = json.loads(FILES[path])
        scale, (x, y) = workflow["extra"]["ds"]["scale"], workflow["extra"]["ds"]["offset"]
        assert 0.65 <= scale <= 1
        corner = [min(node["pos"][axis] for node in workflow["nodes"]) for axis in (0, 1)]
        assert [round((corner[0] + x) * scale), round((corner[1] + y) * scale)] == [80, 80]


def test_titles_that_comfyui_has_too_end_in_the_name_of_the_pack():
    registry = load_nodes()
    assert comfy_title(registry["load_image"]) == "Load image (artgraph)"
    assert comfy_title(registry["load_image"], in_chinese) == "加载图像 (artgraph)"
    assert comfy_title(registry["train_gan"]) == "Train GAN"
    english = json.loads(FILES[Path("locales/en/nodeDefs.json")])
    assert english["Artgraph_load_image"]["display_name"] == "Load image (artgraph)"
    assert not SHARED - {spec.title for spec in registry.values()}


def test_the_page_gets_the_texts_of_its_scripts_in_chinese():
    folder = Path(routes.__file__).parent / "web"
    scripts = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.js"))
    said = set(re.findall(r"said\('((?:[^'\\]|\\.)*)'", scripts))
    assert len(said) > 20
    assert said <= set(routes.words("zh"))
    assert routes.words("en") == routes.words("../zh") == {}
