"""The editor in a real Chromium: nothing is lost by saving, and no save undoes another one."""

from browsing import Editor
from editing import until

GRAPH = """\
# painted here
artgraph: 1
nodes:
  art: # the pictures
    node: procedural_art
    with: {count: 4, size: 32, seed: 3}
  few:
    node: dataset_images
    from: {dataset: art}
  small:
    node: resize_image
    from: {image: few.image}
    with: {width: 16}
  sheet:
    node: image_grid
    from: {image: small}
  saved: {node: save_image, from: {image: sheet}}
  other: {node: save_image, from: {image: few.image}}
"""
BROKEN = "artgraph: 1\nnodes:\n  a: {node: [x\n"
# Everything that a person may change in a graph without changing what it computes.
CHANGE = """() => {
    const find = (name) => app.graph.nodes.find(
        ({title, properties}) => [title, properties.artgraph?.name].includes(name))
    find('other').mode = 2
    find('small').mode = 4
    find('art').title = 'été 训练 100%'
    find('saved').collapse()
    find('saved').pin()
    find('saved').title = 'saved!'
    find('other').color = '#322'
    const control = app.graph.nodes[0].widgets.find((w) => w.name === 'control_after_generate')
    control.value = 'randomize'
    app.graph.extra.linearMode = false
    app.graph.extra.linearData = {inputs: [[find('few').id, 'count']], outputs: [find('sheet').id]}
    const {node} = app.graph.convertToSubgraph(new Set([find('small'), find('sheet')]))
    node.title = 'Innen'
    app.graph.extra.linearData.outputs = [node.id]
    app.extensionManager.workflow.activeWorkflow.changeTracker.captureCanvasState()
}"""
SEEN = """() => {
    const state = (node) => [node.title, node.type.slice(0, 9), node.mode, node.color ?? '',
        !!node.flags.collapsed, !!node.flags.pinned, node.pos.map(Math.round).join(),
        node.inputs.map((slot) => slot.link != null).join(),
        (node.widgets ?? []).map((w) => w.value).join()]
    const name = (id) => app.graph.getNodeById(id).title
    const {linearMode, linearData: data} = app.graph.extra
    const inner = [...app.graph.subgraphs.values()].map((graph) => graph.nodes.map(state).sort())
    return JSON.stringify([app.graph.nodes.map(state).sort(), inner, linearMode,
        data.inputs.map(([id, widget]) => [name(id), widget]), data.outputs.map(name)], null, 1)
}"""


def opened(browser, studio, name):
    """Returns a new tab that shows a graph of the folder."""
    editor = Editor(browser, studio)
    editor.page.get_by_test_id("workflows-tab-button").click()
    editor.page.get_by_role("treeitem", name=name, exact=True).click()
    editor.wait_for(
        "name => app.extensionManager.workflow.activeWorkflow.path === name",
        f"workflows/{name}.json",
    )
    editor.page.wait_for_timeout(700)
    return editor


def save(editor):
    editor.ask("app.extensionManager.command.execute('Comfy.SaveWorkflow')")
    editor.wait_for("!app.extensionManager.workflow.activeWorkflow.isModified")


def test_what_was_saved_opens_as_it_was(browser, studio):
    file = studio.folder / "whole.yaml"
    file.write_text(GRAPH)
    editor = opened(browser, studio, "whole")
    editor.ask(CHANGE)
    before = editor.ask(SEEN)
    save(editor)
    text = file.read_text()
    assert "# painted here" in text
    assert "art: # the pictures" in text
    assert "mode: muted" in text
    assert "mode: bypassed" in text
    editor.ask("void app.extensionManager.command.execute('Comfy.SaveWorkflowAs')")
    editor.page.locator("[role=dialog] input").fill("whole")
    editor.page.keyboard.press("Enter")
    editor.page.locator("[role=dialog]", has_text="whole.yaml").wait_for()
    editor.page.close()
    again = opened(browser, studio, "whole")
    assert again.ask(SEEN) == before
    again.page.close()


def test_a_graph_with_mistakes_opens_and_shows_them_and_broken_text_is_refused(browser, studio):
    (studio.folder / "wrong.yaml").write_text(
        "artgraph: 1\nnodes:\n  art: {node: procedural_art, with: {count: 0}}\n"
        "  few: {node: dataset_images}\n  odd: {node: not_here, from: {image: few.image}}\n"
    )
    broken = studio.folder / "broken.yaml"
    broken.write_text(BROKEN)
    editor = opened(browser, studio, "wrong")
    page = editor.page
    for words in ("not wired", "too small", "'not_here'"):
        page.locator(".artgraph-note", has_text=words).first.wait_for()
    page.get_by_role("treeitem", name="broken", exact=True).click()
    page.get_by_text("broken.yaml:3: the [ is not closed").first.wait_for()
    assert broken.read_text() == BROKEN
    page.close()


def test_a_save_reaches_other_tabs_and_a_stale_one_asks(browser, studio):
    file = studio.folder / "both.yaml"
    file.write_text(GRAPH)
    one, two = (opened(browser, studio, "both") for _ in range(2))
    change = """value => {
        app.graph.nodes.find((n) => n.title.endsWith('art')).widgets[0].value = value
        app.extensionManager.workflow.activeWorkflow.changeTracker.captureCanvasState()
    }"""
    count = (
        "value => app.graph.nodes.find((n) => n.title.endsWith('art')).widgets[0].value === value"
    )
    one.ask(change, 33)
    save(one)
    two.wait_for(count, 33, seconds=15)
    two.ask(change, 16)
    two.page.wait_for_timeout(500)
    one.ask(change, 44)
    save(one)
    two.page.get_by_text("both.yaml was changed on disk").first.wait_for()
    two.ask("void app.extensionManager.command.execute('Comfy.SaveWorkflow')")
    two.page.locator(".artgraph-dialog button", has_text="Cancel").click()
    assert "count: 44" in file.read_text()
    two.ask("void app.extensionManager.command.execute('Comfy.SaveWorkflow')")
    two.page.locator(".artgraph-dialog button", has_text="Overwrite").click()
    until(lambda: "count: 16" in file.read_text())
    backups = (studio.folder / ".artgraph" / "backups").glob("both-*.yaml")
    assert any("count: 44" in backup.read_text() for backup in backups)
    one.wait_for(count, 16, seconds=15)
    one.ask(change, 5)
    file.write_text(file.read_text().replace("count: 16", "count: 6"))
    one.ask("void app.extensionManager.command.execute('Comfy.SaveWorkflow')")
    one.page.locator(".artgraph-dialog button", has_text="Load").click()
    one.wait_for(count, 6, seconds=15)
    assert "count: 6" in file.read_text()
    for editor in (one, two):
        assert editor.errors == []
        editor.page.close()
