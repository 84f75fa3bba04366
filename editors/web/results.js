// What a run leaves on its nodes: texts, tables, what was reused, what went wrong.
// Pictures are shown by the editor itself.

import { app } from '/scripts/app.js'
import { tell } from './menu.js'

const REUSED = { color: '#3b6b4b', ink: '#e8f5ec', text: 'reused' }
const [FAILED, REFUSED] = ['failed', 'refused'] // kinds of notes
const LINE = 19 // pixels
const MARGIN = 6
const TITLE = 30
const GAP = 20
const FILM = 200
const notes = new WeakMap() // of each node: its box of texts and tables
const animated = new WeakSet() // nodes that show a film
const senders = new Map() // of each run: the graph that it was sent from, by its path
const marks = new Map() // of each graph: what was reused in its last run, and what failed

const shownGraph = () => app.extensionManager?.workflow?.activeWorkflow?.path

export function rememberSender(run) {
  senders.set(run, shownGraph())
}

/** The marks of the graph that a run is of: the one shown, where the page was loaded meanwhile. */
function marksOf(run) {
  const graph = senders.get(run) ?? shownGraph()
  if (!marks.has(graph)) marks.set(graph, { reused: new Set(), failures: [] })
  return marks.get(graph)
}

/** A new run begins; what was refused stands until the graph is sent again. */
export function clearMarks({ prompt_id }) {
  const found = marksOf(prompt_id)
  found.reused.clear()
  found.failures.length = 0
  showReused()
  if (found === marks.get(shownGraph())) clearNotes(FAILED)
}

/** Another graph is shown, with its own marks and results. */
export function showMarks() {
  showReused()
  for (const node of allNodes()) {
    const output = app.nodeOutputs?.[node.id]
    if (output) showOutput(node, output)
  }
  for (const failure of marks.get(shownGraph())?.failures ?? []) showFailure(failure)
}

function clearNotes(kind) {
  for (const node of allNodes()) if (notes.get(node)?.kind === kind) showNote(node, [])
}

export function markReused({ prompt_id, nodes }) {
  for (const id of nodes) marksOf(prompt_id).reused.add(String(id))
  showReused()
}

const isReused = (node) => marks.get(shownGraph())?.reused.has(String(node.id))

/** The canvas draws the mark itself; where nodes are elements of the page, a style does. */
function showReused() {
  const reused = [...(marks.get(shownGraph())?.reused ?? [])]
  const headers = reused.map((id) => `[data-testid="node-header-${CSS.escape(id)}"] > :first-child::after`)
  const style = document.querySelector('#artgraph-reused') ?? document.head.appendChild(element('style'))
  style.id = 'artgraph-reused'
  style.textContent = `${headers.join(', ') || 'none'} {
    content: '${REUSED.text}'; flex: none; padding: 0 7px; border-radius: 8px;
    background: ${REUSED.color}; color: ${REUSED.ink}; font: 11px/16px sans-serif;
  }`
  app.canvas?.setDirty(true, true)
}

/** What the server refuses to run is told on the nodes, before anything runs. */
export function markRefused(errors) {
  clearNotes(REFUSED)
  for (const [node_id, { errors: found }] of Object.entries(errors ?? {})) {
    const lines = found.flatMap(({ message, details }) => problem(message, details))
    const node = findNode(node_id)
    if (node) showNote(node, lines, REFUSED)
  }
}

export function markFailed(failure) {
  const found = marksOf(failure.prompt_id)
  found.failures.push(failure)
  if (found === marks.get(shownGraph())) showFailure(failure)
}

function showFailure({ node_id, what, advice }) {
  const node = findNode(node_id)
  const lines = problem(what, advice)
  if (node) showNote(node, lines, FAILED)
  else tell('error', ...lines.map((line) => line.textContent))
}

/** What is wrong, and below it what to do. */
function problem(what, advice) {
  const lines = [element('b', capital(what))]
  if (advice) lines.push(element('p', capital(advice)))
  return lines
}

/** Each node shows the texts and tables of its results, and a mark where they were reused. */
export function showResults(nodeType) {
  const executed = nodeType.prototype.onExecuted
  nodeType.prototype.onExecuted = function (output) {
    if (output?.images?.length) dropPreview(this)
    executed?.apply(this, arguments)
    showOutput(this, output)
  }
  const draw = nodeType.prototype.onDrawForeground
  nodeType.prototype.onDrawForeground = function (ctx) {
    draw?.apply(this, arguments)
    if (isReused(this) && !this.flags.collapsed) drawMark(ctx, this)
    if (this.imgs?.length && this.size[1] < this.computeSize()[1]) grow(this, this.size[1])
    if (animated.has(this)) this.animatedImages = true // which the editor forgets with each result
  }
}

/** What the editor itself does not show. */
function showOutput(node, output) {
  if (output?.artgraph_animated) showFilm(node)
  else animated.delete(node)
  const shown = [
    ...(output?.artgraph_warnings ?? []).map(warning),
    ...(output?.text ?? []).map((text) => element('p', text)),
    ...(output?.artgraph_tables ?? []).map(table)
  ]
  if (shown.length || notes.has(node)) showNote(node, shown)
}

function showFilm(node) {
  const before = node.size[1]
  animated.add(node)
  node.setSize([node.size[0], Math.max(before, node.computeSize()[1] + FILM)])
  makeRoom(node, before)
}

/** The editor prefers a live picture to the results, until the node runs again. */
function dropPreview(node) {
  const vue = document.querySelector('#vue-app')?.__vue_app__
  const store = vue?.config.globalProperties.$pinia?._s.get('nodeOutput')
  store?.revokePreviewsByLocatorId?.(String(node.id))
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

/** Makes a node as high as it needs to be; those below it give way. */
function grow(node, before) {
  const [width, height] = node.computeSize()
  node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], height)])
  makeRoom(node, before)
}

/** After a node has grown, those below it give way. */
function makeRoom(node, before) {
  if (node.size[1] <= before) return
  const end = node.pos[1] + before
  const below = allNodes().filter((other) => other.pos[1] > end && overlaps(node, other))
  const highest = Math.min(...below.map((other) => other.pos[1]))
  const missing = node.pos[1] + node.size[1] + TITLE + GAP - highest
  if (missing > 0) for (const other of below) other.pos = [other.pos[0], other.pos[1] + missing]
  app.canvas?.setDirty(true, true)
}

/** A live picture makes its node higher. */
export function showPreview({ displayNodeId, nodeId }) {
  const node = findNode(displayNodeId ?? nodeId)
  const before = node?.size[1]
  if (node) setTimeout(() => makeRoom(node, before), 100)
}

function overlaps(one, other) {
  return one.pos[0] < other.pos[0] + other.size[0] && other.pos[0] < one.pos[0] + one.size[0]
}

/** The lines of text in a box, which may not be drawn yet. */
function lines(box) {
  const texts = [...box.querySelectorAll('p, b')].map((one) => 1 + Math.floor(one.textContent.length / 42))
  return texts.reduce((a, b) => a + b, 0) + box.querySelectorAll('tr').length
}

function showNote(node, children, kind = '') {
  let note = notes.get(node)
  const before = node.size[1]
  if (!note) {
    if (!children.length) return
    const box = element('div')
    box.className = 'artgraph-note'
    const height = () => Math.min(LINE * lines(box) + (box.childElementCount ? 12 + 2 * MARGIN : 0), 220)
    const options = { serialize: false, margin: MARGIN, getMinHeight: height, getMaxHeight: height }
    node.addDOMWidget('artgraph_note', 'artgraph_note', box, options).serialize = false
    note = { box, height }
    notes.set(node, note)
  }
  const gone = note.height()
  note.kind = kind
  note.box.classList.toggle('artgraph-failed', kind !== '')
  note.box.replaceChildren(...children)
  if (!children.length) node.setSize([node.size[0], Math.max(node.size[1] - gone, node.computeSize()[1])])
  requestAnimationFrame(() => grow(node, before))
}

function table(columns) {
  const names = Object.keys(columns)
  const result = element('table')
  result.append(row('th', names))
  const count = names.length ? columns[names[0]].length : 0
  for (let i = 0; i < count; i++) result.append(row('td', names.map((name) => columns[name][i])))
  return result
}

function row(kind, cells) {
  const result = element('tr')
  result.append(...cells.map((cell) => element(kind, shown(cell))))
  return result
}

function shown(cell) {
  if (cell === null || cell === undefined) return '–'
  return typeof cell === 'number' && !Number.isInteger(cell) ? cell.toPrecision(4) : String(cell)
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

function allNodes() {
  return app.graph?.nodes ?? []
}

function findNode(id) {
  return allNodes().find((node) => String(node.id) === String(id))
}
