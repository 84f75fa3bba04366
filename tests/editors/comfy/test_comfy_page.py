"""The scripts of the pack in a page that stands in for ComfyUI's, with two workflows."""

from pathlib import Path

import pytest

WEB = Path(__file__).parents[3] / "editors" / "comfy" / "web"
PLACE = "http://comfy.test"
# What the scripts use of ComfyUI's page. `sent` are the messages that reach its editor.
APP = """
const workflows = {a: {path: 'workflows/a.json'}, b: {path: 'workflows/b.json'}}
const outputs = {a: {}, b: {}}
const graphs = {a: {nodes: []}, b: {nodes: []}}
let open = 'a'
window.LiteGraph = {vueNodesMode: false}
export const app = window.app = {
  extensions: [],
  registerExtension(extension) { this.extensions.push(extension) },
  extensionManager: {workflow: {
    get activeWorkflow() { return workflows[open] },
    get openWorkflows() { return Object.values(workflows) },
  }},
  get graph() { return graphs[open] },
  get nodeOutputs() { return outputs[open] },
  ui: {settings: {addEventListener() {}}},
  canvas: {setDirty() {}, canvas: document.createElement('canvas')},
  open(name) { open = name },
  addNode(workflow, id, comfyClass) {
    const node = {
      id, comfyClass, widgets: [], inputs: [], flags: {}, pos: [0, 0], size: [300, 100],
      graph: graphs[workflow], computeSize: () => [300, 100], setSize() {},
      addDOMWidget(name, type, element) {
        this.widgets.push({name, element})
        return this.widgets.at(-1)
      },
    }
    graphs[workflow].nodes.push(node)
    return node
  },
  note(workflow, id) {
    const node = graphs[workflow].nodes.find((one) => one.id === id)
    return node.widgets.map(({element}) => element?.textContent).join('')
  },
}
"""
API = """
export const api = window.api = Object.assign(new EventTarget(), {
  prompt: 0,
  sent: [],
  async queuePrompt(number, {refused}) {
    if (refused) throw Object.assign(new Error('refused'), {response: {node_errors: refused}})
    return {prompt_id: `run ${++this.prompt}`}
  },
  dispatchCustomEvent(kind, detail) {
    this.sent.push([kind, detail.display_node ?? detail.displayNodeId])
    const id = detail.display_node ?? detail.node
    const isKnown = window.app.graph.nodes.some((node) => String(node.id) === id)
    if (kind === 'executed' && isKnown) window.app.nodeOutputs[id] = detail.output // as ComfyUI
    return this.dispatchEvent(new CustomEvent(kind, {detail}))
  },
  async fetchApi(path) {
    const lists = {Artgraph_load_model: {input: {required: {path: [['', 'new'], {}]}}}}
    return {ok: true, json: async () => lists}
  },
})
"""
STUBS = {"app.js": APP, "api.js": API}


def serve(route):
    path = route.request.url.removeprefix(PLACE)
    if path == "/":
        route.fulfill(body="<body></body>", content_type="text/html")
    elif path.startswith("/scripts/"):
        route.fulfill(body=STUBS[path.split("/")[-1]], content_type="text/javascript")
    else:
        file = WEB / path.split("/")[-1]
        kind = "text/css" if file.suffix == ".css" else "text/javascript"
        route.fulfill(body=file.read_text(encoding="utf-8"), content_type=kind)


@pytest.fixture
def page(browser):
    """A page with the workflows a and b, each with a node 1 that trains and a node 2 that loads."""
    page = browser.new_page()
    page.route("**/*", serve)
    page.goto(PLACE)
    page.evaluate(
        """async () => {
            await import('/pack/shown.js')
            await import('/pack/lists.js')
            for (const one of app.extensions) {
                const definition = {
                    name: 'Artgraph_load_model',
                    input: {required: {path: [[''], {artgraph_paths: true}]}},
                }
                one.beforeRegisterNodeDef?.({prototype: {}}, definition)
                one.setup?.()
            }
            for (const name of ['a', 'b']) {
                app.addNode(name, 1, 'Artgraph_train_vae')
                const load = app.addNode(name, 2, 'Artgraph_load_model')
                load.widgets.push({name: 'path', options: {values: ['']}})
            }
        }"""
    )
    yield page
    page.close()


def ask(page, script):
    return page.evaluate("async () => {" + script + "}")


QUEUE = """
    const output = {1: {class_type: 'Artgraph_train_vae'}}
    const about = {prompt_id: 'run 1', node: '1'}
    const send = (kind, parts) => api.dispatchCustomEvent(kind, {...about, ...parts})
    await api.queuePrompt(0, {output})
    send('execution_start', {})
"""
NOTES = "return [app.note('a', 1), app.note('b', 1)]"
WAIT = "await new Promise((done) => setTimeout(done, 600));"


def test_results_stay_with_the_workflow_that_was_queued(page):
    running = "send('artgraph.progress', {lines: ['step 3'], warnings: []});"
    assert ask(page, QUEUE + running + NOTES) == ["step 3", ""]
    done = QUEUE.split("await")[0] + (
        "app.open('b'); send('artgraph.progress', {lines: ['step 4'], warnings: []});"
        "send('executed', {display_node: '1', output: {text: ['saved']}});"
        "send('b_preview_with_metadata', {jobId: 'run 1', displayNodeId: '1'});"
    )
    assert ask(page, done + WAIT + NOTES) == ["step 3", ""]
    sent = dict(ask(page, "return api.sent.slice(-2)"))
    assert sent == {"executed": "elsewhere-1", "b_preview_with_metadata": "elsewhere-1"}


def test_a_result_is_shown_again_on_a_node_that_was_made_anew(page):
    shown = "send('executed', {display_node: '1', output: {text: ['saved x']}});"
    assert ask(page, QUEUE + shown + NOTES) == ["saved x", ""]
    again = "app.graph.nodes.shift(); app.addNode('a', 1, 'Artgraph_train_vae');"
    assert ask(page, again + WAIT + NOTES) == ["saved x", ""]


def test_a_failed_node_shows_its_message_until_the_next_run(page):
    failed = (
        "send('execution_error', {node_id: '1', node_type: 'Artgraph_train_vae',"
        " exception_type: 'artgraph.NodeError', exception_message: 'too few - add pictures\\n'});"
    )
    assert ask(page, QUEUE + failed + NOTES) == ["Too few - add pictures", ""]
    next_run = QUEUE.split("await")[0] + "send('execution_start', {});"
    assert ask(page, next_run + NOTES) == ["", ""]


def test_a_refused_node_shows_why(page):
    refused = """
        const error = {type: 'invalid_input_type', message: 'Failed', details: 'steps, -1',
            extra_info: {input_name: 'steps', exception_message: '-1 is too small'}}
        const refused = {1: {class_type: 'Artgraph_train_vae', errors: [error]}}
        const output = {1: {class_type: 'Artgraph_train_vae'}}
        await api.queuePrompt(0, {output, refused}).catch(() => {});
    """
    assert ask(page, refused + NOTES) == ["Steps: -1 is too small", ""]
    assert ask(page, QUEUE + NOTES) == ["", ""]


def test_lists_are_read_again_after_a_file_was_saved(page):
    saved = "send('executed', {display_node: '1', output: {artgraph_saved: [true]}});"
    values = "return app.graph.nodes[1].widgets[0].options.values"
    assert ask(page, QUEUE + saved + WAIT + values) == ["", "new"]
