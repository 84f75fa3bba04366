"""What the editor says about time, errors and other programs, in a real browser."""

from browsing import TRAINING, Editor
from editing import until

BROKEN = """
artgraph: 1
nodes:
  photos: {node: load_dataset, with: {size: 32, folder: nowhere}}
  model: {node: train_gan, from: {dataset: photos}, with: {steps: 20}}
  saved: {node: save_model, from: {model: model.gan}}
"""
UNKNOWN = {"nodes": [{"id": 1, "type": "OtherNode", "pos": [0, 0]}], "links": [], "version": 0.4}


def test_the_step_and_the_time_left_are_shown_and_a_stop_is_no_failure(browser, studio):
    editor = Editor(browser, studio)
    editor.show(TRAINING, "timed", steps=300, pause=0.1, seed=77)
    editor.run()
    editor.wait_for("() => /^step \\d+ of 300 · .* left - timed/.test(document.title)")
    line = "document.querySelector('.artgraph-progress').textContent"
    assert "walk: step " in editor.ask(line)
    editor.page.reload()
    editor.ready()
    editor.wait_for("() => /^step \\d+ of 300/.test(document.title)")
    store = "document.querySelector('#vue-app').__vue_app__.config.globalProperties.$pinia._s"
    assert 0 < editor.ask(f"{store}.get('execution').executionProgress") < 1
    editor.server.post("/interrupt", {})
    editor.page.get_by_test_id("toast").get_by_text("Stopped at step").first.wait_for()
    until(lambda: editor.newest("cancelled"))
    editor.wait_for("() => document.querySelector('.artgraph-progress').hidden")
    assert editor.page.get_by_text("Job failed").count() == 0
    assert (editor.outside, editor.errors) == ([], [])
    editor.page.context.close()


def test_no_text_and_no_request_leads_to_another_program(browser, studio):
    editor = Editor(browser, studio)
    editor.show(BROKEN, "no_folder")
    editor.run()
    editor.page.get_by_text("View details").first.click()
    panel = editor.page.get_by_text("Widget 'folder': there is no folder 'nowhere'")
    until(lambda: panel.count() >= 2)  # on the node and in the panel
    editor.ask("w => app.loadGraphData(w, true, true, 'unknown')", UNKNOWN)
    editor.page.get_by_text("Unknown node: OtherNode").wait_for()
    assert "pip install" not in editor.ask("document.body.innerText")
    editor.ask("app.extensionManager.setting.set('Comfy.Locale', 'fr')")
    editor.page.reload()
    editor.ready()
    editor.page.get_by_test_id("comfy-menu-button").first.click()
    editor.page.get_by_text("Parcourir les modèles").wait_for()
    for name in ("Gérer les extensions", "Aide"):
        found = editor.page.get_by_text(name, exact=True)
        assert not any(one.is_visible() for one in found.all()), name
    editor.ask("app.extensionManager.setting.set('Comfy.Locale', 'en')")
    refused = "fetch('https://example.org').catch(error => String(error))"
    assert "no other site" in editor.ask(refused)
    assert (editor.outside, editor.errors) == ([], [])
    editor.page.context.close()
