// Results on the nodes: texts, tables, curves, errors, and a mark for reused results.
// The editor itself shows the pictures.

import { app } from '/scripts/app.js'
import { isOpen } from './last_run.js'
import { notify } from './menu.js'
import { everyNode, findNode } from './nodes.js'
import { capital, dropPreview, element, forgetCurves, growCurves, keepShown, kindOf, showNote, showOutput } from './notes.js'

const REUSED = { color: '#3b6b4b', ink: '#e8f5ec', text: 'reused' }
const [FAILED, REFUSED] = ['failed', 'refused'] // kinds of notes
let reused = new Set() // ids of the nodes whose results were reused
let marked = new WeakSet() // these nodes

/** Removes the marks of the last run. Messages about a refused graph stay until it is sent again. */
export function clearMarks({ prompt_id } = {}) {
  if (prompt_id && !isOpen(prompt_id)) return
  reused = new Set()
  forgetCurves()
  showReused()
  clearNotes(FAILED)
}

function clearNotes(kind) {
  for (const [, node] of everyNode()) if (kindOf(node) === kind) showNote(node, [])
}

export function markReused({ nodes }) {
  for (const id of nodes) reused.add(String(id))
  showReused()
}

/** Marks reused nodes: a style does if nodes are elements of the page, and else drawMark. */
export function showReused() {
  marked = new WeakSet()
  const ids = []
  for (const [id, node] of everyNode()) {
    if (!reused.has(id)) continue
    marked.add(node)
    if (node.graph === app.canvas?.graph) ids.push(String(node.id))
  }
  const headers = ids.map((id) => `[data-testid="node-header-${CSS.escape(id)}"] > :first-child::after`)
  const style = document.querySelector('#artgraph-reused') ?? document.head.appendChild(element('style'))
  style.id = 'artgraph-reused'
  style.textContent = `${headers.join(', ') || 'none'} {
    content: '${REUSED.text}'; flex: none; padding: 0 7px; border-radius: 8px;
    background: ${REUSED.color}; color: ${REUSED.ink}; font: 11px/16px sans-serif;
  }`
  app.canvas?.setDirty(true, true)
}

/** Shows the server's messages about a refused graph on its nodes. */
export function markRefused(errors) {
  clearNotes(REFUSED)
  for (const [node_id, { errors: found }] of Object.entries(errors ?? {})) {
    showOn(node_id, REFUSED, () => found.flatMap(({ message, details }) => problem(message, details)))
  }
}

export function markFailed({ node_id, what, advice }) {
  const isShown = showOn(node_id, FAILED, () => problem(what, advice))
  if (!isShown) notify('error', ...problem(what, advice).map((line) => line.textContent))
}

/** Shows a note on a node, and on the subgraphs around it. Returns false if there is no such node. */
function showOn(id, kind, lines) {
  const node = findNode(id)
  if (!node) return false
  showNote(node, lines(), kind)
  const outer = String(id).split(':').slice(0, -1)
  for (; outer.length; outer.pop()) {
    const subgraph = findNode(outer.join(':'))
    if (subgraph) showNote(subgraph, [element('p', `In ${node.title}:`), ...lines()], kind)
  }
  return true
}

/** Draws the curves of a training that runs. */
export function showCurves(detail) {
  const node = findNode(detail.node)
  const curves = growCurves(detail)
  if (node && curves.length) showNote(node, curves)
}

/** Returns lines that say what is wrong, and what to do. */
function problem(what, advice) {
  const lines = [element('b', capital(what))]
  if (advice) lines.push(element('p', capital(advice)))
  return lines
}

/** Makes the nodes of a type show the texts and tables of their results, and the mark. */
export function showResults(nodeType) {
  const executed = nodeType.prototype.onExecuted
  nodeType.prototype.onExecuted = function (output) {
    if (output?.images?.length) dropPreview(this)
    executed?.apply(this, arguments)
    showAll(this, output)
  }
  const draw = nodeType.prototype.onDrawForeground
  nodeType.prototype.onDrawForeground = function (ctx) {
    draw?.apply(this, arguments)
    if (marked.has(this) && !this.flags.collapsed) drawMark(ctx, this)
    keepShown(this)
  }
}

/** Shows the results that the editor itself does not show, a failure, and the mark. */
function showAll(node, output) {
  if (output?.artgraph_reused) markOneReused(node)
  if (output?.artgraph_failed) {
    for (const [id, other] of everyNode()) if (other === node) markFailed({ node_id: id, ...output.artgraph_failed })
    return
  }
  showOutput(node, output)
}

function markOneReused(node) {
  for (const [id, other] of everyNode()) if (other === node) reused.add(id)
  showReused()
}

function drawMark(ctx, node) {
  ctx.save()
  ctx.font = '11px sans-serif'
  const width = ctx.measureText(REUSED.text).width + 14
  const left = node.size[0] - width - 6
  ctx.fillStyle = REUSED.color
  ctx.beginPath()
  ctx.roundRect(left, -23, width, 16, 8)
  ctx.fill()
  ctx.fillStyle = REUSED.ink
  ctx.fillText(REUSED.text, left + 7, -11)
  ctx.restore()
}
