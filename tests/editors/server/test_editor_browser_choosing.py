"""The editor in a real Chromium: pictures are chosen by clicks and keys, and bred."""

import json
import os
import subprocess
import sys

import pytest
from browsing import Editor
from editing import Server, until
from PIL import Image

GENERATIONS = 5
FOUND = "app.graph.nodes.find(n => n.properties.artgraph?.name === '{}')"
WIDGET = FOUND + "?.widgets.find(w => w.name === '{}')"
CHOSEN = WIDGET.format("{}", "cells") + "?.value"


def chain():
    """A graph: pictures that a GAN draws, and a choice and its children again and again."""
    lines = [
        "artgraph: 1",
        "nodes:",
        "  model: {node: load_model, with: {path: base/gan_64.safetensors}}",
        "  bred_0:",
        "    node: sample_latent",
        "    from: {gan: model.gan}",
        "    with: {count: 6}",
    ]
    for number in range(1, GENERATIONS + 1):
        last = f"bred_{number - 1}"
        lines += [
            f"  choice_{number}:",
            "    node: choose",
            f"    from: {{image: {last}.image, latent: {last}.latent}}",
            f"  bred_{number}:",
            "    node: breed",
            f"    from: {{model: model.gan, latent: choice_{number}.latent}}",
            f"    with: {{count: 4, seed: {number}}}",
        ]
    lines += [
        f"  sheet: {{node: image_grid, from: {{image: bred_{GENERATIONS}.image}}}}",
        "  family: {node: save_image, from: {image: sheet}}",
    ]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module", params=[False, True], ids=["canvas", "nodes 2.0"])
def breeding(request, browser, tmp_path_factory):
    """A tab with the chain; with nodes that are drawn on the canvas, or elements of the page."""
    folder = tmp_path_factory.mktemp("breeding")
    (folder / ".artgraph").mkdir()
    settings = f'{{"Comfy.VueNodes.Enabled": {str(request.param).lower()}}}'
    (folder / ".artgraph" / "settings.json").write_text(settings)
    (folder / "family.yaml").write_text(chain())
    with Server(folder) as server:
        editor = Editor(browser, server)
        editor.page.get_by_test_id("workflows-tab-button").click()
        editor.page.get_by_role("treeitem", name="family", exact=True).click()
        path = "workflows/family.json"
        editor.wait_for(f"app.extensionManager.workflow.activeWorkflow.path === '{path}'")
        editor.page.wait_for_timeout(700)
        editor.page.get_by_test_id("workflows-tab-button").click()  # closes the list
        yield editor
        editor.page.context.close()
        assert editor.errors == []
        assert editor.outside == []


def look_at(editor, name):
    """Scroll a node into view, and return the group of its pictures."""
    editor.ask(
        f"""() => {{
            const node = {FOUND.format(name)}
            app.canvas.ds.scale = 1
            app.canvas.ds.offset = [200 - node.pos[0], 120 - node.pos[1]]
            app.canvas.setDirty(true, true)
        }}"""
    )
    group = editor.page.get_by_role("group", name=name.replace("_", " ").capitalize())
    group.get_by_role("button").first.wait_for()
    return group


def run(editor):
    editor.run()
    assert editor.finished()["status"] == "completed"


def type_cells(editor, name, text):
    editor.ask(f"text => {{ ({WIDGET.format(name, 'cells')}).value = text }}", text)


def run_with(editor, cells):
    """Run the chain with the same cells in each choice."""
    for number in range(1, GENERATIONS + 1):
        type_cells(editor, f"choice_{number}", cells)
    run(editor)


def pressed(group):
    return [button.inner_text() for button in group.locator("[aria-pressed=true]").all()]


def test_a_breeding_of_five_generations_is_saved_and_run_elsewhere(breeding, tmp_path):
    editor, page = breeding, breeding.page
    run_with(editor, "")
    for number in range(1, GENERATIONS + 1):
        name = f"choice_{number}"
        group = look_at(editor, name)
        count = 6  # the samples, or two parents and four children
        group.get_by_role("button", name=f"Picture 2 of {count}").wait_for()
        assert pressed(group) == []
        group.get_by_role("button", name=f"Picture 2 of {count}").click()
        assert pressed(group) == ["2"]  # at once
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
        assert editor.ask(CHOSEN.format(name)) == "2, 4"
        assert pressed(group) == ["2", "4"]
        group.get_by_role("button", name=f"Picture {count} of {count}").click()
        page.keyboard.press("Enter")
        assert editor.ask(CHOSEN.format(name)) == "2, 4"
        run(editor)
    editor.ask("app.extensionManager.command.execute('Comfy.SaveWorkflow')")
    file = editor.server.folder / "family.yaml"
    editor.wait_for("!app.extensionManager.workflow.activeWorkflow.isModified")
    assert file.read_text().count("2, 4") == GENERATIONS
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "family.yaml").write_bytes(file.read_bytes())
    subprocess.run(
        [sys.executable, "-m", "artgraph", "run", "family.yaml", "--quiet"],
        cwd=elsewhere,
        env=os.environ | {"ARTGRAPH_CACHE": str(elsewhere / "cache")},
        check=True,
    )
    manifests = [
        json.loads((folder / "out/family/manifest.json").read_text())
        for folder in (editor.server.folder, elsewhere)
    ]
    there, here = ({n: node["outputs"] for n, node in m["nodes"].items()} for m in manifests)
    assert there == here  # the digests of all pictures and latents
    assert manifests[1]["nodes"]["bred_5"]["action"] == "ran"
    first, second = (
        Image.open(folder / "out/family/family.png") for folder in (editor.server.folder, elsewhere)
    )
    assert first.tobytes() == second.tobytes()


def test_a_choice_is_undone_and_shows_what_follows_before_a_run(breeding):
    editor, page = breeding, breeding.page
    run_with(editor, "2, 4")
    group = look_at(editor, "choice_2")
    before = editor.ask(CHOSEN.format("choice_2"))
    first = f"{WIDGET.format('choice_5', 'cells sheet')}?.element?.querySelector('div > button')"
    picture = f"{first}?.firstChild.style.backgroundImage"
    stored = editor.ask(picture)
    group.get_by_role("button", name="Picture 5 of").click()
    assert editor.ask(CHOSEN.format("choice_2")) == f"{before}, 5"
    editor.wait_for(f"{picture}?.includes('data:image')")
    page.keyboard.press("Control+z")
    editor.wait_for(f"{CHOSEN.format('choice_2')} === '{before}'")
    editor.wait_for(f"stored => {picture} === stored", stored)
    group = look_at(editor, "choice_2")
    editor.wait_for("document.activeElement.ariaLabel?.startsWith('Picture 5 of')")
    assert pressed(group) == before.split(", ")
    page.locator(".artgraph-cells").filter(has=group).get_by_role("button", name="None").click()
    assert editor.ask(CHOSEN.format("choice_2")) == ""
    page.keyboard.press("Control+z")
    editor.wait_for(f"{CHOSEN.format('choice_2')} === '{before}'")


def test_what_was_drawn_before_a_run_does_not_replace_its_pictures(breeding):
    editor, page = breeding, breeding.page
    run_with(editor, "2, 4")
    group = look_at(editor, "choice_1")
    held = []
    page.route("**/artgraph/live", lambda route: held.append((route, route.fetch(timeout=120_000))))
    group.get_by_role("button", name="Picture 5 of 6").click()
    until(lambda: page.wait_for_timeout(100) or held, seconds=120)
    assert editor.ask(CHOSEN.format("choice_1")) == "2, 4, 5"
    type_cells(editor, "choice_1", "2, 5")
    run(editor)
    six = look_at(editor, "choice_2").get_by_role("button", name="of 6")
    six.nth(5).wait_for()
    ((route, answer),) = held
    assert '"cells": {}' not in answer.text()
    route.fulfill(response=answer)
    page.wait_for_timeout(1_000)
    page.unroute("**/artgraph/live")
    assert six.count() == 6, "three parents and four children, as drawn, would be 7"


def test_a_typed_number_is_shown_and_a_wrong_one_is_reported(breeding):
    editor = breeding
    run_with(editor, "2, 4")
    group = look_at(editor, "choice_1")
    type_cells(editor, "choice_1", "1-3, 6")
    until(lambda: pressed(group) == ["1", "2", "3", "6"])
    type_cells(editor, "choice_1", "2, 40")
    editor.run()
    assert editor.finished()["status"] == "failed"
    editor.page.get_by_text("`cells` names picture 40, but there are only 6").first.wait_for()
    group.get_by_role("button", name="Picture 4 of 6").click()
    assert editor.ask(CHOSEN.format("choice_1")) == "2, 4"  # what does not exist is dropped
    run(editor)


def test_an_app_on_a_phone_has_the_pictures_too(breeding, browser):
    context = browser.new_context(viewport={"width": 430, "height": 860}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(breeding.server.address)
    page.wait_for_function("window.app?.graph?.nodes?.length && window.app.canvas")
    page.wait_for_timeout(800)
    page.evaluate(
        """async () => {
            const workflow = await (await fetch('/templates/breed.json')).json()
            await app.loadGraphData(workflow, true, true, 'breed')
        }"""
    )
    page.locator(".artgraph-run-button").click()
    page.locator("img[src*='family']:visible").first.wait_for()
    page.get_by_role("tab", name="Edit & Run").or_(page.get_by_text("Edit & Run")).first.tap()
    group = page.get_by_role("group", name="Generation 3")
    picture = group.get_by_role("button", name="Picture 2 of 12")
    picture.scroll_into_view_if_needed()
    picture.tap()
    assert pressed(group) == ["2", "4", "6", "11"]
    box = picture.bounding_box()
    assert min(box["width"], box["height"]) >= 44  # large enough for a finger
    assert 0 <= box["x"] < box["x"] + box["width"] <= 430
    assert page.evaluate(CHOSEN.format("generation_3")) == "2, 4, 6, 11"
    context.close()
