// Texts, tables, curves and films on nodes, in ComfyUI and in artgraph's own editor.

import { app } from '/scripts/app.js'
import { joined, plot, thinned } from './curves.js'
import { showDialog } from './dialog.js'
import { said } from './language.js'
import { editorStore, findNode, locatorOf } from './nodes.js'

const LINE = 19 // height of a line of text in pixels, as the following sizes
const MARGIN = 6 // space around a note
const TITLE = 30 // height of a node's title
const GAP = 20 // space between two nodes
const FILM = 200 // height of an animation
const TEXTS = 160 // largest height of all texts, which then have scroll bars
const TABLE = 96 // largest height of a table, likewise
const PROGRESS = '$$node-text-preview' // the editor's widget for a line about the progress of a node
const BUSY = 500 // milliseconds after which nodes are moved that the mouse is on
const LETTER = 6.8 // width of a letter, about
const ENTRY = 145 // width of a name with its values below a curve
const notes = new WeakMap() // from a node to its box of texts and tables
const animated = new WeakSet() // nodes that show an animation
const growing = new Map() // the curves of trainings that run, by the node's id

const href = new URL('./notes.css', import.meta.url).href
document.head.append(Object.assign(document.createElement('link'), { rel: 'stylesheet', href }))

/** Shows the results of a node that the editor itself does not show. */
export function showOutput(node, output) {
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

/** Keeps a node as large as its pictures, and its film playing. Is called when the node is drawn. */
export function keepShown(node) {
  if (animated.has(node)) play(node)
  else if (node.imgs?.length && node.size[1] < node.computeSize()[1]) grow(node, node.size[1])
}

/** Returns the kind of a node's note, such as that of an error; empty if it has none. */
export const kindOf = (node) => notes.get(node)?.kind ?? ''

/** Forgets the curves of trainings that have ended. */
export const forgetCurves = () => growing.clear()

/** Adds rows to the curves of a training that runs. Returns them drawn; an empty list before the second row. */
export function growCurves({ node: id, columns, first }) {
  growing.set(String(id), joined(growing.get(String(id)), columns, first))
  const known = growing.get(String(id))
  return known?.step?.length > 1 ? [plot({ x: 'step', columns: thinned(known) })] : []
}

function showFilm(node) {
  const before = node.size[1]
  animated.add(node)
  if (node.imgs?.length) return // the editor has made room for it already
  node.setSize([node.size[0], Math.max(before, node.computeSize()[1] + FILM)])
  makeRoom(node, before)
}

/** Lets the editor show a picture as a film, as large as its node. */
function play(node) {
  node.animatedImages = true // the editor resets it with each result
  const picture = node.imgs?.[0]
  if (picture?.style.width === '') Object.assign(picture.style, { width: '100%', height: '100%', objectFit: 'contain' })
}

/** Removes a node's preview. Otherwise the editor shows it instead of the results. */
export function dropPreview(node) {
  editorStore('nodeOutput')?.revokePreviewsByLocatorId?.(locatorOf(node))
}

/** Removes the line about the progress of a node: what it has said last is one of its results. */
export function dropProgress(node) {
  const line = node.widgets?.find(({ name }) => name === PROGRESS)
  if (!line) return
  line.onRemove?.()
  node.widgets.splice(node.widgets.indexOf(line), 1)
  editorStore('widgetValue')?.deleteWidget?.(`${(app.rootGraph ?? app.graph).id}:${node.id}:${PROGRESS}`)
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

export function remember(node) {
  if (!heights.has(node)) heights.set(node, drawnHeight(node))
}

const waiting = new Set() // nodes with results that are not drawn, as in App mode

/** Makes room below a node when its results have been drawn. */
export function settle(node) {
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
  if (missing <= 0) return app.canvas?.setDirty(true, true)
  if (isInUse(below)) return void setTimeout(() => makeRoom(node, before), BUSY)
  for (const other of below) other.pos = [other.pos[0], other.pos[1] + missing]
  app.canvas?.setDirty(true, true)
}

/** Returns whether the mouse is on one of some nodes, or drags something: they must not move away under it. */
function isInUse(nodes) {
  if (app.canvas?.pointer?.isDown || document.querySelector('.dom-widget:hover')) return true
  const over = app.canvas?.canvas.matches(':hover') ? app.canvas.node_over : null
  const element = document.querySelector('[data-node-id]:hover')
  return nodes.some((node) => node === over || String(node.id) === element?.dataset.nodeId)
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
function lines(box, width) {
  const perLine = Math.max(10, Math.floor((width - 40) / LETTER))
  const paragraphs = [...box.querySelectorAll('p, b')].flatMap((one) => one.textContent.split('\n'))
  return paragraphs.reduce((count, text) => count + wrapped(text, perLine), 0)
}

/** Returns the number of lines of a paragraph. A word that is longer than a line, such as a path, has several. */
function wrapped(text, perLine) {
  let [count, used] = [1, 0]
  for (const { length } of text.split(' ')) {
    if (used && used + length + 1 > perLine) [count, used] = [count + 1, 0]
    used += length + (used ? 1 : 0)
    count += Math.max(0, Math.ceil(used / perLine) - 1)
    used -= perLine * Math.max(0, Math.ceil(used / perLine) - 1)
  }
  return count
}

/** Returns the height of a note: curves are as wide as the node, and texts have scroll bars. */
function heightOf(box, width) {
  if (!box.childElementCount) return 0
  const plots = [...box.querySelectorAll('.artgraph-curves')]
  const perRow = Math.max(1, Math.floor((width - 40) / ENTRY))
  const drawn = plots.map((one) => (width - 40) * 0.37 + LINE * Math.ceil(one.querySelectorAll('span').length / perRow) + 6)
  const tables = [...box.querySelectorAll('.artgraph-table')].map((one) => Math.min(TABLE, LINE * one.querySelectorAll('tr').length))
  const texts = Math.min(LINE * lines(box, width), TEXTS)
  return [...drawn, ...tables].reduce((a, b) => a + b, texts) + 12 + 2 * MARGIN
}

export function showNote(node, children, kind = '') {
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

export function element(kind, text) {
  const result = document.createElement(kind)
  if (text !== undefined) result.textContent = text
  return result
}

export function warning(text) {
  const result = element('p', capital(text))
  result.className = 'artgraph-warning'
  return result
}

export function capital(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
