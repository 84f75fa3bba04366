// Results on the nodes: texts, tables, curves, errors, and a mark for reused results.
// The editor itself shows the pictures.

import { app } from '/scripts/app.js'
import { joined, plot, thinned } from './curves.js'
import { isOpen } from './last_run.js'
import { said } from './language.js'
import { notify, showDialog } from './menu.js'
import { editorStore, everyNode, findNode } from './nodes.js'

const REUSED = { color: '#3b6b4b', ink: '#e8f5ec', text: 'reused' }
const OLD = { color: '#7a5a1e', ink: '#fff2d9', text: 'other values' } // results of a run with other values
const [FAILED, REFUSED] = ['failed', 'refused'] // kinds of notes
const LINE = 19 // height of a line of text in pixels, as the following sizes
const MARGIN = 6 // space around a note
const TITLE = 30 // height of a node's title
const GAP = 20 // space between two nodes
const TABLE = 96 // largest height of a table and of all texts, which scroll
const FILM = 200 // height of an animation
const PROGRESS = '$$node-text-preview' // the editor's widget for a line about the progress of a node
const notes = new WeakMap() // from a node to its box of texts and tables
const animated = new WeakSet() // nodes that show an animation
const growing = new Map() // the curves of trainings that run, by the node's id
let reused = new Set() // ids of the nodes whose results were reused
let old = new Set() // ids of the nodes that show results of other values
let marks = new WeakMap() // from these nodes to their marks

/** Removes the marks of the last run. Messages about a refused graph stay until it is sent again. */
export function clearMarks({ prompt_id } = {}) {
  if (prompt_id && !isOpen(prompt_id)) return
  reused = new Set()
  old = new Set()
  growing.clear()
  showReused()
  clearNotes(FAILED)
}

function clearNotes(kind) {
  for (const [, node] of everyNode()) if (notes.get(node)?.kind === kind) showNote(node, [])
}

export function markReused({ nodes }) {
  for (const id of nodes) reused.add(String(id))
  showReused()
}

/** Marks nodes whose results are of other values than those that are shown. */
export function markOld(ids) {
  old = new Set(ids)
  showReused()
}

/** Shows the marks of nodes: a style does if nodes are elements of the page, and else drawMark. */
export function showReused() {
  marks = new WeakMap()
  const styles = []
  for (const [mark, marked] of [[REUSED, reused], [OLD, old]]) {
    const headers = []
    for (const [id, node] of everyNode()) {
      if (!marked.has(id) || (mark === REUSED && old.has(id))) continue
      marks.set(node, mark)
      if (node.graph === app.canvas?.graph) headers.push(`[data-testid="node-header-${CSS.escape(node.id)}"] > :first-child::after`)
    }
    if (headers.length) styles.push(`${headers.join(', ')} {
      content: '${said(mark.text)}'; flex: none; padding: 0 7px; border-radius: 8px;
      background: ${mark.color}; color: ${mark.ink}; font: 11px/16px sans-serif;
    }`)
  }
  const style = document.querySelector('#artgraph-reused') ?? document.head.appendChild(element('style'))
  style.id = 'artgraph-reused'
  style.textContent = styles.join('\n')
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
export function growCurves({ node: id, columns, first }) {
  growing.set(id, joined(growing.get(id), columns, first))
  const node = findNode(id)
  const known = growing.get(id)
  if (node && known.step?.length > 1) showNote(node, [plot({ x: 'step', columns: thinned(known) })])
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
    remember(this)
    if (output?.images?.length) dropPreview(this)
    executed?.apply(this, arguments)
    dropProgress(this)
    showOutput(this, output)
    settle(this)
  }
  const draw = nodeType.prototype.onDrawForeground
  nodeType.prototype.onDrawForeground = function (ctx) {
    draw?.apply(this, arguments)
    if (marks.has(this) && !this.flags.collapsed) drawMark(ctx, this, marks.get(this))
    if (this.imgs?.length && this.size[1] < this.computeSize()[1]) grow(this, this.size[1])
    if (animated.has(this)) this.animatedImages = true // the editor resets it with each result
  }
}

/** Shows the results that the editor itself does not show. */
function showOutput(node, output) {
  if (output?.artgraph_reused) markOneReused(node)
  if (output?.artgraph_failed) {
    for (const [id, other] of everyNode()) if (other === node) markFailed({ node_id: id, ...output.artgraph_failed })
    return
  }
  if (output?.artgraph_animated) showFilm(node)
  else animated.delete(node)
  const contents = [
    ...(output?.artgraph_warnings ?? []).map(warning),
    ...(output?.artgraph_curves ?? []).map(plot),
    ...(output?.text ?? []).map((text) => Object.assign(element('p', text), { className: 'artgraph-text' })),
    ...(output?.artgraph_tables ?? []).map(table)
  ]
  if (contents.length || notes.has(node)) showNote(node, contents)
}

function markOneReused(node) {
  for (const [id, other] of everyNode()) if (other === node) reused.add(id)
  showReused()
}

function showFilm(node) {
  const before = node.size[1]
  animated.add(node)
  node.setSize([node.size[0], Math.max(before, node.computeSize()[1] + FILM)])
  makeRoom(node, before)
}

/** Removes a node's preview. Otherwise the editor shows it instead of the results. */
function dropPreview(node) {
  const id = editorStore('workflow')?.nodeToNodeLocatorId?.(node) ?? String(node.id)
  editorStore('nodeOutput')?.revokePreviewsByLocatorId?.(id)
}

/** Removes the line about the progress of a node: what it has said last is one of its results. */
function dropProgress(node) {
  const line = node.widgets?.find(({ name }) => name === PROGRESS)
  if (!line) return
  line.onRemove?.()
  node.widgets.splice(node.widgets.indexOf(line), 1)
  editorStore('widgetValue')?.deleteWidget?.(`${(app.rootGraph ?? app.graph).id}:${node.id}:${PROGRESS}`)
}

function drawMark(ctx, node, mark) {
  ctx.save()
  ctx.font = '11px sans-serif'
  const width = ctx.measureText(said(mark.text)).width + 14
  const left = node.size[0] - width - 6
  ctx.fillStyle = mark.color
  ctx.beginPath()
  ctx.roundRect(left, -23, width, 16, 8)
  ctx.fill()
  ctx.fillStyle = mark.ink
  ctx.fillText(said(mark.text), left + 7, -11)
  ctx.restore()
}

/** Makes a node as large as its content needs, and moves the nodes below it. */
export function grow(node, before) {
  if (LiteGraph.vueNodesMode) return settle(node) // an element of the page grows by itself
  const [width, height] = node.computeSize()
  node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], height)])
  makeRoom(node, before)
}

const heights = new WeakMap() // from a node to its height when it was looked at last

/** Returns the height of a node as it is drawn: an element of the page may be higher than its node. */
function drawnHeight(node) {
  const drawn = node.graph === app.canvas?.graph && document.querySelector(`[data-node-id="${CSS.escape(node.id)}"]`)
  return Math.max(node.size[1], drawn ? drawn.offsetHeight - TITLE : 0)
}

function remember(node) {
  if (!heights.has(node)) heights.set(node, drawnHeight(node))
}

const waiting = new Set() // nodes with results that are not drawn, as in App mode

/** Makes room below a node when its results have been drawn. */
function settle(node) {
  for (const wait of [100, 500, 1500]) setTimeout(() => makeRoom(node), wait)
  waiting.add(node)
}

/** Makes room for results that were not drawn before, when the graph is shown. */
export function settleWaiting() {
  for (const node of waiting) {
    if (!node.graph) waiting.delete(node)
    else if (document.querySelector(`[data-node-id="${CSS.escape(node.id)}"]`)?.offsetHeight) {
      waiting.delete(node)
      for (const wait of [300, 1200]) setTimeout(() => makeRoom(node), wait)
    }
  }
}

/**
 * Moves the nodes below a node that has grown since it was looked at last or from the height `before`:
 * also those that it covers already, because the editor's own line of progress makes nodes higher too.
 */
function makeRoom(node, before = heights.get(node) ?? node.size[1]) {
  if (!node.graph || node.flags.collapsed) return
  const height = drawnHeight(node)
  heights.set(node, height)
  if (height <= before) return
  const below = (node.graph.nodes ?? []).filter((other) => other.pos[1] > node.pos[1] && overlaps(node, other))
  const highest = Math.min(...below.map((other) => other.pos[1]))
  const missing = node.pos[1] + height + TITLE + GAP - highest
  if (missing > 0) for (const other of below) other.pos = [other.pos[0], other.pos[1] + missing]
  app.canvas?.setDirty(true, true)
}

/** Makes room for a preview, which makes its node higher. */
export function showPreview({ displayNodeId, nodeId }) {
  const node = findNode(displayNodeId ?? nodeId)
  if (!node) return
  remember(node)
  settle(node)
}

function overlaps(one, other) {
  return one.pos[0] < other.pos[0] + other.size[0] && other.pos[0] < one.pos[0] + one.size[0]
}

/** Returns the number of lines of text in a box, estimated since it may not be drawn yet. */
function lines(box) {
  const texts = [...box.querySelectorAll('p, b')].map((one) => 1 + Math.floor(one.textContent.length / 42))
  return texts.reduce((a, b) => a + b, 0)
}

/** Returns the height of a note: curves are as wide as the node, and texts have scroll bars. */
function heightOf(box, width) {
  if (!box.childElementCount) return 0
  const plots = [...box.querySelectorAll('.artgraph-curves')]
  const drawn = plots.map((one) => (width - 40) * 0.37 + LINE * Math.ceil(one.querySelectorAll('span').length / 2) + 6)
  const tables = [...box.querySelectorAll('.artgraph-table')].map((one) => Math.min(TABLE, LINE * one.querySelectorAll('tr').length))
  const texts = lines(box)
  const rest = texts ? Math.min(LINE * texts, TABLE) : 0
  return [...drawn, ...tables].reduce((a, b) => a + b, rest) + 12 + 2 * MARGIN
}

function showNote(node, children, kind = '') {
  let note = notes.get(node)
  const before = node.size[1]
  if (!note) {
    if (!children.length) return
    const box = element('div')
    box.className = 'artgraph-note'
    const height = () => heightOf(box, node.size[0])
    const options = { serialize: false, margin: MARGIN, getMinHeight: height, getMaxHeight: height }
    node.addDOMWidget('artgraph_note', 'artgraph_note', box, options).serialize = false
    note = { box, height }
    notes.set(node, note)
  }
  const gone = note.height()
  note.kind = kind
  note.box.classList.toggle('artgraph-failed', kind !== '')
  note.box.replaceChildren(...children)
  if (!children.length && !LiteGraph.vueNodesMode) node.setSize([node.size[0], Math.max(node.size[1] - gone, node.computeSize()[1])])
  requestAnimationFrame(() => grow(node, before))
}

/** Returns a table of limited height. A click shows the whole table. */
function table(columns) {
  const box = Object.assign(element('div'), { className: 'artgraph-table', title: said('Click to enlarge') })
  box.append(wholeTable(columns))
  box.onclick = () => showDialog(said('Table'), wholeTable(columns))
  return box
}

function wholeTable(columns) {
  const names = Object.keys(columns)
  const result = element('table')
  result.append(row('th', names))
  const count = names.length ? columns[names[0]].length : 0
  for (let i = 0; i < count; i++) result.append(row('td', names.map((name) => columns[name][i])))
  return result
}

function row(kind, cells) {
  const result = element('tr')
  result.append(...cells.map((cell) => element(kind, cellText(cell))))
  return result
}

function cellText(cell) {
  if (cell === null || cell === undefined) return '–'
  return typeof cell === 'number' ? String(Number(cell.toPrecision(Number.isInteger(cell) ? 15 : 3))) : String(cell)
}

function element(kind, text) {
  const result = document.createElement(kind)
  if (text !== undefined) result.textContent = text
  return result
}

function warning(text) {
  const result = element('p', capital(text))
  result.className = 'artgraph-warning'
  return result
}

function capital(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
