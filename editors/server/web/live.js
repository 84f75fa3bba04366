// While a number is dragged, or pictures are chosen, the pictures that depend on it are drawn again. Nothing is saved.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { activePath, editorStore, everyNode } from './nodes.js'

const AFTER = 1500 // milliseconds after the last key or wheel in which changes are watched
const KEPT_AFTER = 300 // milliseconds after the end of a stopped run
const JOB = 'artgraph-live' // the id of what App mode shows as a run

const REPLACED = "[data-testid='linear-center-panel']" // what the pictures replace in App mode

let pressed = false
let released = Promise.resolve() // a press on what would be replaced has become a click
let until = 0 // time at which watching ends
let values // the values of all widgets, by node and name
let graph // the graph that they are of
let changed = new Set() // ids of the nodes to be drawn again
let busy = false // a request is on its way
let runs = 0 // counts runs, whose results are newer than what was asked for before
export const timings = [] // milliseconds from a change to its picture, for measuring

/** Watches the values of all nodes while the user drags, turns the wheel or presses keys. */
export function watchNumbers() {
  const begin = () => {
    if (!watching()) {
      values = undefined
      look()
      requestAnimationFrame(frame)
    }
  }
  window.addEventListener('pointerdown', (event) => { begin(); pressed = true; hold(event.target) }, true)
  for (const kind of ['pointerup', 'pointercancel'])
    window.addEventListener(kind, () => { pressed = false; until = performance.now() + AFTER }, true)
  for (const kind of ['wheel', 'keydown'])
    window.addEventListener(kind, () => { begin(); until = performance.now() + AFTER }, { capture: true, passive: true })
  window.addEventListener('artgraph.chosen', ({ detail: ids }) => { // a click on a picture of cells.js
    begin()
    until = performance.now() + AFTER
    for (const id of ids) changed.add(id)
  })
}

/** A typed number becomes a value at the press of a button: the button must stay until it is clicked. */
function hold(target) {
  if (!target.closest?.(REPLACED)) return
  released = new Promise((resolve) => {
    for (const kind of ['pointerup', 'pointercancel'])
      window.addEventListener(kind, () => setTimeout(resolve), { capture: true, once: true })
  })
}

const watching = () => pressed || performance.now() < until

function frame() {
  look()
  if (changed.size && !busy) draw()
  if (watching() || changed.size) requestAnimationFrame(frame)
}

/** Compares the values with those of the frame before. */
function look() {
  const now = new Map()
  const found = []
  for (const [id, node] of everyNode()) {
    for (const widget of node.widgets ?? []) {
      const { value } = widget
      if (!['number', 'boolean'].includes(typeof value) && widget.type !== 'combo') continue
      const key = `${id} ${widget.name}`
      now.set(key, value)
      if (values?.has(key) && values.get(key) !== value) found.push(...changedBy(id, node))
    }
  }
  const isSame = graph === app.graph && values?.size === now.size
  values = now
  graph = app.graph
  if (isSame) for (const id of found) changed.add(id)
}

/** Returns the ids of the nodes that get a value: for a knob, those that are wired to it. */
function changedBy(id, node) {
  if (!node.isVirtualNode) return [id]
  const prefix = id.includes(':') ? id.slice(0, id.lastIndexOf(':') + 1) : ''
  return [...node.graph.links.values()].filter((link) => link.origin_id === node.id).map((link) => `${prefix}${link.target_id}`)
}

/** Draws the pictures again that depend on some nodes. Returns the ids of the nodes that show them. */
export async function drawAgain(ids) {
  if (busy) return []
  changed = new Set(ids)
  return draw()
}

async function draw() {
  const nodes = [...changed]
  changed = new Set()
  busy = true
  const started = performance.now()
  const [path, run] = [activePath(), runs]
  try {
    const { output: prompt, workflow } = await app.graphToPrompt()
    const body = JSON.stringify({ prompt, nodes, workflow: { extra: { artgraph_file: workflow.extra?.artgraph_file } } })
    const answer = await api.fetchApi('/artgraph/live', { method: 'POST', body })
    const { pictures, cells } = answer.ok ? await answer.json() : {}
    const drawn = Object.entries(pictures ?? {}).sort(byPlace)
    const blobs = await Promise.all(drawn.map(async ([, data]) => (await fetch(`data:image/jpeg;base64,${data}`)).blob()))
    await released
    if (path !== activePath() || run !== runs) return []
    drawn.forEach(([id], number) => show(id, blobs[number]))
    for (const [node, offered] of Object.entries(cells ?? {})) api.dispatchCustomEvent('artgraph.cells', { node, cells: offered })
    if (drawn.length) timings.push({ at: started, took: performance.now() - started })
    return drawn.map(([id]) => id)
  } catch (error) {
    console.warn('no live picture', error)
    return []
  } finally {
    busy = false
  }
}

/** App mode shows what is drawn last: that is the first of its outputs. */
function byPlace([one], [other]) {
  const outputs = (app.graph.extra?.linearData?.outputs ?? []).map(String)
  const [first, second] = [one, other].map((id) => (outputs.includes(id) ? outputs.indexOf(id) : outputs.length))
  return second - first
}

function show(id, blob) {
  showInApp()
  const store = editorStore('nodeOutput')
  const output = store?.getNodeOutputByExecutionId?.(id) // Nodes 2.0 would show its pictures too
  if (output?.images?.length) store.setNodeOutputsByExecutionId(id, { ...output, images: [] })
  const about = { nodeId: id, displayNodeId: id, parentNodeId: null, realNodeId: id, jobId: JOB }
  api.dispatchCustomEvent('b_preview_with_metadata', { blob, ...about })
  const url = store?.getNodePreviewImagesByExecutionId?.(id)?.[0]
  if (url) editorStore('linearOutput')?.onLatentPreview?.(JOB, url)
}

/** Lets App mode show the pictures as those of a run, until a run starts. */
function showInApp() {
  const outputs = editorStore('linearOutput')
  if (!app.extensionManager?.workflow?.activeWorkflow || !outputs?.onJobStart) return
  document.body.classList.add('artgraph-live')
  const path = activePath()
  const known = editorStore('execution')
  if (known?.jobIdToSessionWorkflowPath?.get?.(JOB) !== path) known?.ensureSessionWorkflowPath?.(JOB, path)
  if (!outputs.inProgressItems?.some((item) => item.jobId === JOB)) outputs.onJobStart(JOB)
}

let last = null // what the nodes of a run have drawn last

api.addEventListener('b_preview_with_metadata', ({ detail }) => {
  if (detail.jobId !== JOB) last = detail
})

// App mode drops the picture of a run that is stopped: it is shown again, as the picture so far.
api.addEventListener('execution_interrupted', () => {
  if (last) setTimeout(show, KEPT_AFTER, last.displayNodeId ?? last.nodeId, last.blob)
})

api.addEventListener('execution_start', () => {
  runs++
  last = null
  document.body.classList.remove('artgraph-live')
  editorStore('linearOutput')?.onJobComplete?.(JOB)
})
