// What artgraph adds to the editor: a first graph, dropped files, results on nodes, and a menu.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { addCards, followGraph, openReadable, showStart, translateInputs } from './app_mode.js'
import { acceptDrops } from './drops.js'
import { estimateOpened, showEstimate } from './estimate.js'
import { acceptFiles, addFileButton, addUploadButton, keepValues, rememberLoader } from './files.js'
import { clearNames, drawClearly, drawGroups, drawSides } from './contrast.js'
import { showFirst } from './first_pictures.js'
import { addHelp } from './help.js'
import { nameKnobs, nameNewKnobs } from './knobs.js'
import { addLook, rememberOpened, useOwnLoader, watchFolders } from './looks.js'
import { loadWords, whenTranslated } from './language.js'
import { copyAsYaml, notify, showPlan } from './menu.js'
import { followProgress, titleOfRun } from './progress.js'
import { addReviewButton, rememberReview, reviewSelected } from './review.js'
import { addHistory } from './history.js'
import { filterMessages, showLastRun } from './last_run.js'
import { watchNumbers } from './live.js'
import { settleWaiting, showPreview } from './notes.js'
import {
  clearMarks, markFailed, markRefused, markReused, showCurves, showResults, showReused
} from './results.js'
import { keepApart } from './places.js'
import { hideElsewhere, setFailure } from './words.js'
import { changedOnDisk, nameFiles, reloadStale, savedWithNote, showProblems, watchFiles } from './saving.js'

const FOREIGN = ['KSampler', 'CheckpointLoaderSimple', 'UNETLoader'] // nodes of the built-in graph

const UNSAVED = 1_000_000_000 // ids of nodes in a new graph begin after it, so that they are not those of another one

/** Opens a graph of artgraph instead of the editor's own first graph, which needs other nodes. */
function replaceFirstGraph() {
  const load = app.loadGraphData.bind(app)
  app.loadGraphData = async (data, ...rest) => {
    const builtIn = !data || (!rest.length && data.nodes?.some((n) => FOREIGN.includes(n.type)))
    if (!builtIn) return load(data, ...rest)
    const { workflow, name, error } = await (await api.fetchApi('/artgraph/start')).json()
    if (error) notify('error', 'The graph cannot be opened', error)
    if (!workflow) return load({ nodes: [], links: [], version: 0.4 }, true, true)
    return load(workflow, true, true, name)
  }
}

/** Adds the file of the graph to each prompt, so that the outputs are stored under its name. */
function nameGraphs() {
  const toPrompt = app.graphToPrompt.bind(app)
  app.graphToPrompt = async (...args) => {
    const prompt = await toPrompt(...args)
    const path = app.extensionManager?.workflow?.activeWorkflow?.path
    if (path && prompt.workflow) {
      prompt.workflow.extra ??= {}
      prompt.workflow.extra.artgraph_file = path.replace(/^workflows\//, '').replace(/\.app\.json$/, '.json')
    }
    return prompt
  }
}

/** If the server refuses a graph, its messages are shown on the nodes. */
function showRefusals() {
  const queue = api.queuePrompt.bind(api)
  api.queuePrompt = async (...args) => {
    try {
      const answer = await queue(...args)
      markRefused(answer.node_errors)
      return answer
    } catch (error) {
      markRefused(error.response?.node_errors)
      const [first] = Object.values(error.response?.node_errors ?? {}).flatMap((node) => node.errors ?? [])
      if (first) setFailure(first.message, first.details)
      throw error
    }
  }
}

/** Replaces the editor's name in the title of the page, each time that the editor writes it. */
function replaceTitle() {
  const title = document.querySelector('title')
  const rename = () => {
    const ours = titleOfRun() || document.title.replaceAll('ComfyUI', 'artgraph').replace('Artgraph_', '')
    if (ours !== document.title) document.title = ours
  }
  new MutationObserver(rename).observe(title, { childList: true })
  rename()
}

/** Sets artgraph's colours again after the user has chosen another palette. */
function restoreColors() {
  const ours = app.extensions.find((extension) => extension.name === 'artgraph.colors')
  app.ui.settings.addEventListener('Comfy.ColorPalette.change', () =>
    setTimeout(() => {
      clearNames()
      ours?.afterConfigureGraph()
      app.canvas.setDirty(true, true)
    }, 300)
  )
}

/** Shows the versions on the page About of the settings. */
async function showVersions() {
  const { system } = await api.getSystemStats()
  aboutPageBadges.push(
    { label: system.comfyui_version, url: '#artgraph', icon: 'pi pi-share-alt' },
    { label: `editor ${system.required_frontend_version} (GPL-3.0)`, url: '#editor', icon: 'pi pi-desktop' }
  )
}

const aboutPageBadges = []

// A run that goes on may send messages before the page is ready for them. The editor knows only kinds that are heard.
for (const kind of ['progress', 'failed', 'curves', 'cells', 'saved', 'changed']) api.addEventListener(`artgraph.${kind}`, () => {})

app.registerExtension({
  name: 'artgraph',
  aboutPageBadges,
  commands: [
    { id: 'artgraph.start', label: 'Begin with', icon: 'pi pi-home', function: showStart },
    { id: 'artgraph.yaml', label: 'Copy as YAML', icon: 'pi pi-copy', function: copyAsYaml },
    { id: 'artgraph.plan', label: 'Show plan', icon: 'pi pi-list', function: showPlan },
    { id: 'artgraph.review', label: 'Review pictures', icon: 'pi pi-images', function: reviewSelected }
  ],
  menuCommands: [{ path: ['artgraph'], commands: ['artgraph.start', 'artgraph.yaml', 'artgraph.plan', 'artgraph.review'] }],

  async init() {
    await loadWords()
    watchFiles()
    showProblems()
    translateInputs()
    replaceFirstGraph()
    nameGraphs()
    showRefusals()
    acceptFiles()
    acceptDrops()
    keepApart()
    drawGroups()
    filterMessages()
  },

  setup() {
    followProgress()
    showEstimate()
    hideElsewhere()
    nameFiles()
    replaceTitle()
    restoreColors()
    openReadable()
    addCards()
    showFirst()
    whenTranslated(nameKnobs)
    setInterval(() => {
      nameNewKnobs()
      settleWaiting()
    }, 500)
    followGraph()
    addHelp()
    showVersions()
    watchFolders()
    api.addEventListener('execution_start', (event) => clearMarks(event.detail))
    api.addEventListener('b_preview_with_metadata', (event) => showPreview(event.detail))
    api.addEventListener('execution_cached', (event) => markReused(event.detail))
    api.addEventListener('artgraph.failed', (event) => markFailed(event.detail))
    api.addEventListener('artgraph.curves', (event) => showCurves(event.detail))
    app.canvas.canvas.addEventListener('litegraph:set-graph', () => {
      showReused()
      drawSides()
    })
    addHistory()
    watchNumbers()
    api.addEventListener('artgraph.saved', (event) => savedWithNote(event.detail))
    api.addEventListener('artgraph.changed', (event) => changedOnDisk(event.detail))
  },

  // The editor has opened another graph. A moment later, its path is available.
  afterConfigureGraph() {
    nameKnobs()
    clearNames()
    if (!app.graph.nodes.length) app.graph.state.lastNodeId ||= UNSAVED + Math.floor(Math.random() * UNSAVED)
    clearMarks()
    estimateOpened()
    setTimeout(() => {
      reloadStale()
      showLastRun()
    }, 300)
  },

  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name.startsWith('Artgraph_')) showResults(nodeType)
    drawClearly(nodeType)
    rememberLoader(nodeData)
    rememberReview(nodeData)
  },

  loadedGraphNode(node) {
    keepValues(node)
    rememberOpened(node)
  },

  nodeCreated(node) {
    addUploadButton(node)
    addFileButton(node)
    addReviewButton(node)
    addLook(node)
    useOwnLoader(node)
  }
})
