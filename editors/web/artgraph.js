// What artgraph adds to the editor: its first graph, its files, results on nodes, its menu.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { acceptFiles, addUploadButton } from './files.js'
import { addHelp } from './help.js'
import { changedOnDisk, copyAsYaml, reloadStale, showPlan, tell } from './menu.js'
import {
  clearMarks, markFailed, markRefused, markReused, rememberSender, showMarks, showPreview, showResults
} from './results.js'

const FOREIGN = ['KSampler', 'CheckpointLoaderSimple', 'UNETLoader']

const folderWidgets = new Map() // by class: the widget that names a folder

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
    showBeginning()
    return result
  }
}

/** Small graphs as a whole; of large ones the beginning, at a size that can be read. */
function showBeginning() {
  const corner = [0, 1].map((axis) => Math.min(...app.graph.nodes.map((node) => node.pos[axis])))
  if (app.graph.nodes.length < 15) return app.extensionManager.command.execute('Comfy.Canvas.FitView')
  Object.assign(app.canvas.ds, { scale: 0.6, offset: [160 - corner[0], 190 - corner[1]] })
  app.canvas.setDirty(true, true)
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

/** What the server refuses stands on its nodes, in its words. */
function tellRefusals() {
  const queue = api.queuePrompt.bind(api)
  api.queuePrompt = async (...args) => {
    try {
      const answer = await queue(...args)
      rememberSender(answer.prompt_id)
      markRefused(answer.node_errors)
      return answer
    } catch (error) {
      markRefused(error.response?.node_errors)
      throw error
    }
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

/** Another palette brings its own colours of sockets; those of our kinds come after it. */
function keepColors() {
  const ours = app.extensions.find((extension) => extension.name === 'artgraph.colors')
  app.ui.settings.addEventListener('Comfy.ColorPalette.change', () =>
    setTimeout(() => {
      ours?.afterConfigureGraph()
      app.canvas.setDirty(true, true)
    }, 300)
  )
}

/** What runs here, for the page About of the settings. */
async function tellVersions() {
  const { system } = await api.getSystemStats()
  aboutPageBadges.push(
    { label: system.comfyui_version, url: '#artgraph', icon: 'pi pi-share-alt' },
    { label: `editor ${system.required_frontend_version} (GPL-3.0)`, url: '#editor', icon: 'pi pi-desktop' }
  )
}

const aboutPageBadges = []

app.registerExtension({
  name: 'artgraph',
  aboutPageBadges,
  commands: [
    { id: 'artgraph.yaml', label: 'Copy as YAML', icon: 'pi pi-copy', function: copyAsYaml },
    { id: 'artgraph.plan', label: 'Show plan', icon: 'pi pi-list', function: showPlan }
  ],
  menuCommands: [{ path: ['artgraph'], commands: ['artgraph.yaml', 'artgraph.plan'] }],

  init() {
    replaceFirstGraph()
    nameGraphs()
    tellRefusals()
    acceptFiles()
  },

  setup() {
    keepTitle()
    keepColors()
    addHelp()
    tellVersions()
    api.addEventListener('execution_start', (event) => clearMarks(event.detail))
    api.addEventListener('b_preview_with_metadata', (event) => showPreview(event.detail))
    api.addEventListener('execution_cached', (event) => markReused(event.detail))
    api.addEventListener('artgraph.failed', (event) => markFailed(event.detail))
    api.addEventListener('artgraph.saved', ({ detail }) => tell('warn', `${detail.name} is saved`, detail.note))
    api.addEventListener('artgraph.changed', (event) => changedOnDisk(event.detail))
  },

  // Another graph is shown; which one, the editor knows only after this.
  afterConfigureGraph() {
    setTimeout(() => {
      reloadStale()
      showMarks()
    }, 300)
  },

  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name.startsWith('Artgraph_')) showResults(nodeType)
    const inputs = Object.entries(nodeData.input?.required ?? {})
    const folder = inputs.find(([, input]) => input[1]?.folder_upload)
    if (folder) folderWidgets.set(nodeData.name, folder[0])
  },

  nodeCreated(node) {
    const folder = folderWidgets.get(node.comfyClass)
    if (folder) addUploadButton(node, folder)
  }
})
