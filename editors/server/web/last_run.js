// A run's results are shown on the nodes of its own graph only, and its last results when a graph opens.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { drawAgain } from './live.js'
import { activePath, editorStore, graphFile } from './nodes.js'
import { markOld } from './results.js'

const OF_NODES = ['executed', 'b_preview_with_metadata', 'progress_text', 'execution_cached', 'artgraph.failed', 'artgraph.curves', 'artgraph.cells']
const graphs = new Map() // from a run to the file of its graph
let shown = 0 // counts requests and runs, so that a late answer is not shown on another graph

/** Leaves out messages about nodes of another graph, which may have the same ids after "Save as". */
export function filterMessages() {
  const dispatch = api.dispatchCustomEvent.bind(api)
  api.dispatchCustomEvent = (kind, detail) => {
    const run = detail?.prompt_id ?? detail?.jobId
    if (kind === 'execution_start') shown++ // what is drawn for earlier results comes too late
    if (kind === 'execution_start' && detail?.graph) graphs.set(run, detail.graph)
    if (OF_NODES.includes(kind) && !isOpen(run)) return false
    return dispatch(kind, detail)
  }
  api.addEventListener('reconnected', () => showLastRun())
}

/** Returns whether a run is of the graph that is open. */
export const isOpen = (run) => !graphs.has(run) || graphs.get(run) === graphFile()

const SETTLED = 2500 // milliseconds after which the results have been drawn
let acted = 0 // time of the last press of a key or a button

for (const kind of ['pointerdown', 'keydown']) window.addEventListener(kind, () => { acted = performance.now() }, true)

/** Results move nodes. A graph that has no unsaved changes has none afterwards, if the user has done nothing. */
function keepSaved() {
  const active = app.extensionManager.workflow.activeWorkflow
  const started = performance.now()
  if (!active || active.isModified) return
  setTimeout(() => {
    if (acted > started || app.extensionManager.workflow.activeWorkflow !== active) return
    active.changeTracker?.reset?.(app.graph.serialize())
    active.isModified = false
  }, SETTLED)
}

/**
 * Shows the last results of the graph that is open on its nodes. If values have been changed since then, the
 * pictures are drawn again, and a mark is on the nodes for which that is not possible.
 */
export async function showLastRun() {
  const path = activePath()
  const number = ++shown
  if (!path || !app.graph) return
  const { workflow, output: prompt } = await app.graphToPrompt()
  if (path !== activePath() || number !== shown) return
  const body = JSON.stringify({ client: api.clientId, workflow, prompt })
  const answer = await api.fetchApi('/artgraph/results', { method: 'POST', body })
  if (!answer.ok || path !== activePath() || number !== shown) return
  const { outputs, run, running, changed = [], old = [] } = await answer.json()
  if (!outputs) return
  keepSaved()
  graphs.set(run, graphFile())
  editorStore('execution')?.ensureSessionWorkflowPath?.(run, path) // so that App mode shows them too
  for (const [node, output] of Object.entries(outputs)) {
    api.dispatchCustomEvent('executed', { node, display_node: node, prompt_id: run, output })
  }
  if (running || !old.length) return
  markOld(old)
  const drawn = await drawAgain(changed)
  if (path === activePath() && number === shown) markOld(old.filter((id) => !drawn.includes(id)))
}
