// What a node of artgraph shows in ComfyUI: its progress, messages, tables, curves, films and failures; and
// the names of knobs.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { joined, plot, thinned } from './curves.js'
import { nameKnobs } from './knobs.js'
import { editorStore, everyNode, findNode, locatorOf } from './nodes.js'
import { capital, dropPreview, element, keepShown, remember, settle, showNote, showOutput, warning } from './notes.js'
import { followQueue, isHere, keepApart, openWorkflow, workflowOf } from './runs.js'

const EVERY = 400 // milliseconds between two checks of what the nodes show
const states = new WeakMap() // from a workflow to the states of its nodes that run or have failed, by their ids
const late = new WeakMap() // from a workflow to results that came while another one was open, by their nodes' ids
const shown = new WeakMap() // from a node to the state or the result that it shows

app.registerExtension({
  name: 'artgraph.shown',
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name.startsWith('Artgraph_')) showOn(nodeType)
  },
  afterConfigureGraph() {
    if (app.graph.extra?.artgraph) nameKnobs()
  },
  setup() {
    keepApart()
    followQueue((workflow) => forget(workflow, true), showRefused)
    api.addEventListener('execution_start', ({ detail }) => forget(workflowOf(detail.prompt_id), false))
    api.addEventListener('artgraph.progress', ({ detail: { prompt_id, node, lines, warnings } }) => {
      change(prompt_id, node, () => ({ lines, warnings }))
    })
    api.addEventListener('artgraph.curves', ({ detail: { prompt_id, node, columns, first } }) => {
      change(prompt_id, node, (state) => ({ columns: joined(state.columns, columns, first) }))
    })
    api.addEventListener('executed', ({ detail }) => {
      const workflow = workflowOf(detail.prompt_id)
      statesOf(workflow).delete(String(detail.node))
      if (isHere(detail.prompt_id)) showAll()
      else if (workflow) late.set(workflow, new Map([...(late.get(workflow) ?? []), [String(detail.node), detail.output]]))
    })
    api.addEventListener('execution_error', ({ detail }) => showFailed(detail))
    setInterval(showAll, EVERY) // the editor makes nodes anew: for another tab, for Undo, in a subgraph
  }
})

/** Returns the states of the nodes of a workflow, by their ids. */
function statesOf(workflow) {
  if (!workflow) return new Map() // it is no longer open
  if (!states.has(workflow)) states.set(workflow, new Map())
  return states.get(workflow)
}

/** Forgets the states of the nodes of a workflow: those of a refused graph, or all others. */
function forget(workflow, isRefused) {
  const known = statesOf(workflow)
  if (workflow && !isRefused) late.delete(workflow)
  for (const [id, state] of known) if (Boolean(state.refused) === isRefused) known.delete(id)
  showAll()
}

/** Changes the state of a node that runs. */
function change(run, id, parts) {
  const known = statesOf(workflowOf(run))
  const state = known.get(String(id)) ?? {}
  known.set(String(id), { ...state, ...parts(state) })
  if (isHere(run)) showAll()
}

/** Shows why a node has failed, also on the subgraphs around it. */
function showFailed({ prompt_id, node_id, node_type, exception_type, exception_message }) {
  if (!node_type?.startsWith('Artgraph_')) return
  const message = exception_message.trim()
  const problem = exception_type?.startsWith('artgraph.') ? message : `${exception_type}: ${message}`
  change(prompt_id, node_id, () => ({ problem }))
  const outer = String(node_id).split(':').slice(0, -1)
  for (; outer.length; outer.pop()) change(prompt_id, outer.join(':'), () => ({ problem }))
}

/** Shows on the nodes of artgraph why ComfyUI does not run them. */
function showRefused(workflow, errors) {
  for (const [id, { class_type, errors: found }] of Object.entries(errors)) {
    if (!class_type?.startsWith('Artgraph_')) continue
    statesOf(workflow).set(String(id), { problem: found.map(refusal).join('\n'), refused: true })
  }
  showAll()
}

/** Returns ComfyUI's message about a wrong value, or our own if it contains one. */
function refusal({ type, message, details, extra_info: { input_name: name, exception_message: own } = {} }) {
  if (own && name) return `${name}: ${own}`
  if (type === 'exception_during_validation' || type === 'custom_validation_failed') return details || message
  return details ? `${message}: ${details}` : message
}

/** Stores results that the editor has not stored for the open workflow, because the page was loaded again. */
function storeLate() {
  for (const [id, output] of late.get(openWorkflow()) ?? []) {
    const node = findNode(id)
    if (!node || app.nodeOutputs?.[locatorOf(node)]) continue
    editorStore('nodeOutput')?.setNodeOutputsByExecutionId?.(id, output)
  }
}

/** Shows on all nodes what is not shown yet. */
function showAll() {
  storeLate()
  const known = statesOf(openWorkflow())
  const wanted = new Map()
  for (const [id, node] of everyNode()) {
    const state = known.get(id)
    if (!state && !shown.has(node) && !isOurs(node)) continue
    if (state || !wanted.has(node)) wanted.set(node, { state, result: resultOf(node) })
  }
  for (const [node, { state, result }] of wanted) {
    const what = state ?? result
    if (shown.get(node) === what) continue
    shown.set(node, what)
    if (state) showNote(node, contents(state), state.problem ? 'failed' : '')
    else showOutput(node, result)
  }
}

const isOurs = (node) => Boolean(node.comfyClass?.startsWith('Artgraph_'))

/** Returns the result of a node, which the editor stores for each workflow. */
function resultOf(node) {
  return isOurs(node) ? app.nodeOutputs?.[locatorOf(node)] : undefined
}

/** Returns the lines about a node that runs, or its failure, and its curves so far. */
function contents({ problem, warnings = [], lines = [], columns }) {
  const curves = columns?.step?.length > 1 ? [plot({ x: 'step', columns: thinned(columns) })] : []
  if (problem) return [element('p', capital(problem)), ...curves]
  return [...warnings.map(warning), ...lines.map((line) => element('p', line)), ...curves]
}

/** Makes the nodes of a type show their pictures instead of a preview, and keeps their size. */
function showOn(nodeType) {
  const { onExecuted, onDrawForeground } = nodeType.prototype
  nodeType.prototype.onExecuted = function (output) {
    remember(this)
    if (output?.images?.length) dropPreview(this)
    onExecuted?.apply(this, arguments)
    settle(this)
  }
  nodeType.prototype.onDrawForeground = function () {
    onDrawForeground?.apply(this, arguments)
    keepShown(this)
  }
}
