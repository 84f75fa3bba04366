// What artgraph adds to the editor: its first graph, its files, results on nodes, its menu.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { paintSockets } from './colors.js'
import { acceptFiles, addUploadButton } from './files.js'
import { addHelp } from './help.js'
import { copyAsYaml, reloadFromDisk, showPlan, tell } from './menu.js'
import { clearMarks, markFailed, markReused, showResults } from './results.js'

const FOREIGN = ['KSampler', 'CheckpointLoaderSimple', 'UNETLoader']

/** The editor's built-in first graph needs nodes that are not here: ours comes instead. */
function replaceFirstGraph() {
  const load = app.loadGraphData.bind(app)
  app.loadGraphData = async (data, ...rest) => {
    const builtIn = !data || (!rest.length && data.nodes?.some((n) => FOREIGN.includes(n.type)))
    if (!builtIn) return load(data, ...rest)
    const { workflow, name, error } = await (await api.fetchApi('/artgraph/start')).json()
    if (error) tell('error', 'The graph could not be opened', error)
    if (!workflow) return load({ nodes: [], links: [], version: 0.4 }, true, true)
    const result = await load(workflow, true, true, name)
    app.canvas?.ds && fitView()
    return result
  }
}

function fitView() {
  setTimeout(() => app.extensionManager?.command?.execute('Comfy.Canvas.FitView'), 300)
}

/** A prompt says which file its graph is, so that its outputs get the graph's name. */
function nameGraphs() {
  const toPrompt = app.graphToPrompt.bind(app)
  app.graphToPrompt = async (...args) => {
    const prompt = await toPrompt(...args)
    const path = app.extensionManager?.workflow?.activeWorkflow?.path
    if (path && prompt.workflow) {
      prompt.workflow.extra ??= {}
      prompt.workflow.extra.artgraph_file = path.replace(/^workflows\//, '')
    }
    return prompt
  }
}

/** The page bears our name; the editor writes its own into the title again and again. */
function keepTitle() {
  const title = document.querySelector('title')
  const rename = () => {
    const ours = document.title.replaceAll('ComfyUI', 'artgraph').replace('Artgraph_', '')
    if (ours !== document.title) document.title = ours
  }
  new MutationObserver(rename).observe(title, { childList: true })
  rename()
}

app.registerExtension({
  name: 'artgraph',
  commands: [
    { id: 'artgraph.yaml', label: 'Copy as YAML', icon: 'pi pi-copy', function: copyAsYaml },
    { id: 'artgraph.plan', label: 'Show plan', icon: 'pi pi-list', function: showPlan }
  ],
  menuCommands: [{ path: ['artgraph'], commands: ['artgraph.yaml', 'artgraph.plan'] }],

  init() {
    replaceFirstGraph()
    nameGraphs()
    acceptFiles()
  },

  setup() {
    keepTitle()
    addHelp()
    api.addEventListener('execution_start', clearMarks)
    api.addEventListener('execution_cached', (event) => markReused(event.detail))
    api.addEventListener('artgraph.failed', (event) => markFailed(event.detail))
    api.addEventListener('artgraph.changed', (event) => reloadFromDisk(event.detail.path))
  },

  afterConfigureGraph() {
    paintSockets()
  },

  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name.startsWith('Artgraph_')) showResults(nodeType)
  },

  nodeCreated(node) {
    if (node.comfyClass === 'Artgraph_load_dataset') addUploadButton(node)
  }
})
