"""The editor in a real Chromium: runs, as an artist sees them."""

import json
import os
import signal
import time

from browsing import PICTURE, TRAINING, Editor
from editing import Server, until

LEARNING = """\
artgraph: 1
title: My first model
about: Learn a set of pictures.
nodes:
  pictures:
    node: procedural_art
    with: {count: 256, size: 32}
  vae:
    node: train_vae
    from: {dataset: pictures}
    with: {steps: 60, batch: 8}
  examples:
    node: dataset_images
    from: {dataset: pictures}
    with: {count: 16}
  redrawn:
    node: vae_encode
    from: {vae: vae.vae, image: examples.image}
  drawn:
    node: vae_decode
    from: {vae: vae.vae, latent: redrawn}
  result:
    node: save_image
    from: {image: drawn_sheet}
  drawn_sheet:
    node: image_grid
    from: {image: drawn}
"""
BROKEN = """\
artgraph: 1
nodes:
  broken: {node: failing}
  after:
    node: noted
    from: {value: broken}
  fine: {node: text, with: {text: still here}}
"""


def test_a_graph_runs_to_its_picture_and_is_reused(editor):
    editor.show(PICTURE, "first_picture", seed=1)
    editor.run()
    editor.wait_for("app.graph.nodes.find(n => n.title === 'result')?.imgs?.length === 1")
    assert editor.finished()["status"] == "completed"
    assert (editor.server.folder / "out" / "first_picture" / "result.png").is_file()
    before = editor.finished()["id"]
    editor.run()
    until(lambda: (editor.newest("completed") or {}).get("id") not in (None, before))
    manifest = json.loads((editor.server.folder / "out/first_picture/manifest.json").read_text())
    assert {entry["action"] for entry in manifest["nodes"].values()} == {"cached"}
    editor.shot("picture")


def test_marks_are_of_the_graph_that_ran(editor):
    editor.show(PICTURE, "marked", seed=1)
    for _ in range(2):
        editor.run()
        assert editor.finished()["status"] == "completed"
        editor.page.wait_for_timeout(500)
    marks = "document.querySelector('#artgraph-reused').textContent.includes('node-header')"
    editor.wait_for(marks)
    editor.ask("app.extensionManager.command.execute('Comfy.NewBlankWorkflow')")
    editor.wait_for(f"!{marks}")


FILMS = """\
artgraph: 1
nodes:
  art: {node: procedural_art, with: {count: 16, size: 32}}
  pictures: {node: dataset_images, from: {dataset: art}, with: {count: 8}}
  gif: {node: save_animation, from: {image: pictures.image}, with: {format: gif}}
  webp: {node: save_animation, from: {image: pictures.image}, with: {format: webp}}
  apng: {node: save_animation, from: {image: pictures.image}, with: {format: apng}}
"""


def test_films_move_on_their_nodes(editor):
    editor.show(FILMS, "films")
    editor.run()
    for title in ("gif", "webp", "apng"):
        node = f"app.graph.nodes.find(n => n.title === '{title}')"
        editor.wait_for(f"{node}?.widgets.some(w => w.name === '$$comfy_animation_preview')")
        assert editor.ask(f"{node}.size[1] - {node}.computeSize()[1]") > 100  # it can be seen


def test_nodes_of_the_other_kind_show_the_same(editor):
    nodes = "app.extensionManager.setting.set('Comfy.VueNodes.Enabled', {})"
    editor.show(PICTURE, "other_nodes", seed=1)
    editor.ask(nodes.format("true"))
    try:
        editor.run()
        editor.page.locator(".artgraph-note td", has_text="mondrian").first.wait_for()
        editor.finished()
        editor.run()
        header = "document.querySelector('[data-testid^=node-header]').firstElementChild"
        editor.wait_for(f"getComputedStyle({header}, '::after').content === '\"reused\"'")
    finally:
        editor.ask(nodes.format("false"))


def test_a_training_shows_its_work_and_can_be_stopped(editor):
    editor.show(TRAINING, "walk", steps=20_000, pause=0.01, seed=1)
    editor.run()
    editor.wait_for("app.graph.nodes.find(n => n.title === 'walk')?.imgs?.length > 0")
    editor.wait_for("/%|step/.test(document.title)")
    editor.page.get_by_label("Cancel current run").first.click()
    assert editor.finished()["status"] == "cancelled"


if "ARTGRAPH_SCREENSHOTS" in os.environ:  # it takes minutes, and only makes pictures

    def test_a_real_training_for_the_documentation(editor):
        editor.show(LEARNING, "first_model")
        editor.run()
        vae = "app.graph.nodes.find(n => n.title === 'vae')"
        editor.wait_for(f"{vae}?.imgs?.length > 0", seconds=120)
        editor.wait_for("document.body.innerText.includes('loss')", seconds=120)
        near = "Object.assign(app.canvas.ds, {scale: 0.85, offset: [110, 330]}) && null"
        editor.ask(near)
        editor.shot("training")
        until(lambda: editor.newest("completed"), 400)
        editor.page.wait_for_timeout(5000)
        editor.ask(near)
        editor.shot("trained")


def test_curves_and_saved_tables_are_shown(editor):
    editor.show(TRAINING, "curves", steps=60, pause=0.0, seed=1)
    editor.run()
    editor.page.locator(".artgraph-curve").first.wait_for(state="attached")
    editor.page.get_by_text("saved table.csv").first.wait_for()


def test_errors_are_shown_on_the_node(editor):
    editor.show(BROKEN, "broken")
    editor.run()
    editor.page.locator(".artgraph-failed", has_text="It is broken").wait_for()
    editor.page.locator(".artgraph-failed", has_text="needs 'broken', which failed").wait_for()
    editor.page.locator(".artgraph-note", has_text="still here").wait_for()
    editor.ask("Object.assign(app.canvas.ds, {scale: 1, offset: [120, 260]}) && null")
    editor.shot("error")
    editor.page.keyboard.press("Escape")


def test_a_crash_is_shown_on_its_node(editor):
    editor.show(TRAINING, "crash", steps=2000, pause=0.01, seed=9)
    editor.run()
    editor.wait_for("app.graph.nodes.find(n => n.title === 'walk')?.imgs?.length > 0")
    for worker in editor.server.workers():
        os.kill(worker, signal.SIGKILL)
    editor.page.locator(".artgraph-failed", has_text="was killed (signal 9)").wait_for()
    assert editor.finished()["status"] == "failed"
    editor.page.keyboard.press("Escape")


def test_a_graph_that_cannot_run_is_refused_with_a_message_on_its_node(editor):
    editor.show(PICTURE, "unwired", seed=1)
    editor.ask("app.graph.nodes.find(n => n.title === 'sheet').disconnectInput(0)")
    jobs = editor.server.get("/jobs").json()["pagination"]["total"]
    editor.run()
    editor.page.locator(".artgraph-failed", has_text="Input 'image' is not wired").wait_for()
    assert editor.server.get("/jobs").json()["pagination"]["total"] == jobs
    editor.page.keyboard.press("Escape")


def test_a_reload_in_mid_run_finds_the_run_again(editor):
    editor.show(TRAINING, "reloaded", steps=400, pause=0.02, seed=2)
    editor.run()
    until(lambda: editor.newest("in_progress"))
    editor.page.reload()
    editor.ready()
    editor.wait_for("/%|step/.test(document.title)")
    assert until(lambda: editor.newest("completed"))["status"] == "completed"
    editor.wait_for(
        "app.graph.nodes.find(n => n.title === 'walk')?.imgs?.at(-1)?.src?.includes('walk-samples')"
    )


def test_the_queue_continues_after_a_restart(browser, tmp_path):
    first = Server(tmp_path)
    editor = Editor(browser, first)
    editor.show(TRAINING, "long", steps=300, pause=0.02, seed=5)
    editor.run()
    until(lambda: editor.newest("in_progress"))
    editor.show(PICTURE, "next", seed=5)
    editor.run()
    until(lambda: len(first.get("/jobs").json()["jobs"]) == 2)
    first.stop(signal.SIGKILL)
    time.sleep(0.5)
    with Server(tmp_path, "--port", str(first.port)) as second:
        editor.server = second
        until(lambda: all(j["status"] == "completed" for j in second.get("/jobs").json()["jobs"]))
        editor.wait_for("app.graph.nodes.find(n => n.title === 'result')?.imgs?.length === 1")
        editor.page.close()
