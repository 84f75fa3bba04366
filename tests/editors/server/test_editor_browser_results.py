"""The editor in a real Chromium: numbers that answer, and results that stay."""

from browsing import TRAINING

PAPER = """\
artgraph: 1
knobs:
  level: {value: 0.25}
nodes:
  paper:
    node: grey
    from: {level: knobs.level}
  look:
    node: preview_image
    from: {image: paper}
"""
SHOWN = """title => {
    const node = app.graph.nodes.find(n => n.title === title)
    const store = document.querySelector('#vue-app').__vue_app__
        .config.globalProperties.$pinia._s.get('nodeOutput')
    return store.getNodeImageUrls(node)?.[0] ?? ''
}"""

TIME = """getComputedStyle(
    document.querySelector('[data-testid=queue-button]'), '::after').content"""


def test_a_number_is_drawn_while_it_is_dragged_and_the_last_run_comes_back(editor):
    editor.show(PAPER, "live_paper")
    editor.run()
    assert editor.finished()["status"] == "completed"
    editor.wait_for(f"({SHOWN})('look').includes('/view')")
    jobs = editor.server.get("/jobs").json()["pagination"]["total"]
    editor.ask("dispatchEvent(new PointerEvent('pointerdown')) && null")
    editor.page.wait_for_timeout(200)
    editor.ask(
        "app.graph.nodes.find(n => n.type === 'PrimitiveNode').widgets[0].value = 0.75, null"
    )
    editor.wait_for(f"({SHOWN})('look').startsWith('blob:')")
    editor.ask("dispatchEvent(new PointerEvent('pointerup')) && null")
    assert editor.server.get("/jobs").json()["pagination"]["total"] == jobs
    editor.page.reload()
    editor.ready()
    (editor.server.folder / "live_paper.yaml").write_text(PAPER)
    editor.show(PAPER, "live_paper")
    editor.wait_for(f"({SHOWN})('look').includes('/view')")


def test_curves_grow_during_a_training_and_the_history_lists_it(editor):
    editor.show(TRAINING, "growing", steps=400, pause=0.02, seed=3)
    editor.run()
    editor.page.locator(".artgraph-curve").first.wait_for(state="attached")
    assert editor.newest("in_progress")
    assert editor.finished()["status"] == "completed"
    editor.wait_for(f"{TIME}.includes('less than 1 s')", seconds=20)  # beside Run: all is stored
    editor.show(TRAINING, "growing", steps=40_000, pause=0.02, seed=4)
    editor.wait_for(f"/about.*min/.test({TIME})", seconds=20)  # from the speed of that run
    editor.ask("app.extensionManager.sidebarTab.toggleSidebarTab('artgraph-history')")
    editor.page.locator(".artgraph-job", has_text="growing").first.wait_for()
    editor.ask("app.extensionManager.sidebarTab.toggleSidebarTab('artgraph-history')")
