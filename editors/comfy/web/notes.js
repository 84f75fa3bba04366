// Texts, tables, curves and films on nodes, in ComfyUI and in artgraph's own editor.

import { app } from '/scripts/app.js'
import { joined, plot, thinned } from './curves.js'
import { editorStore, findNode } from './nodes.js'

const LINE = 19 // height of a line of text in pixels, as the following sizes
const MARGIN = 6 // space around a note
const TITLE = 30 // height of a node's title
const GAP = 20 // space between two nodes
const FILM = 200 // height of an animation
const MOST = 360 // largest height of texts, which then have scroll bars
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
    ...(output?.text ?? []).map((text) => element('p', text)),
    ...(output?.artgraph_tables ?? []).map(table)
  ]
  if (contents.length || notes.has(node)) showNote(node, contents)
}

/** Keeps a node as large as its pictures, and its film playing. Is called when the node is drawn. */
export function keepShown(node) {
  if (animated.has(node)) node.animatedImages = true // the editor resets it with each result
  else if (node.imgs?.length && node.size[1] < node.computeSize()[1]) grow(node, node.size[1])
}

/** Returns the kind of a node's note, such as that of an error; empty if it has none. */
export const kindOf = (node) => notes.get(node)?.kind ?? ''

/** Forgets the curves of trainings that have ended. */
export const forgetCurves = () => growing.clear()

/** Returns the curves so far of a training that runs, drawn, after adding some rows. */
export function growCurves({ node: id, columns, first }) {
  growing.set(String(id), joined(growing.get(String(id)), columns, first))
  return curvesSoFar(id)
}

/** Returns the curves so far of a training that runs, drawn; an empty list before its second row. */
export function curvesSoFar(id) {
  const known = growing.get(String(id))
  return known?.step?.length > 1 ? [plot({ x: 'step', columns: thinned(known) })] : []
}

function showFilm(node) {
  const before = node.size[1]
  animated.add(node)
  node.setSize([node.size[0], Math.max(before, node.computeSize()[1] + FILM)])
  makeRoom(node, before)
}

/** Removes a node's preview. Otherwise the editor shows it instead of the results. */
export function dropPreview(node) {
  const id = editorStore('workflow')?.nodeToNodeLocatorId?.(node) ?? String(node.id)
  editorStore('nodeOutput')?.revokePreviewsByLocatorId?.(id)
}

/** Makes a node as large as its content needs, and moves the nodes below it. */
export function grow(node, before) {
  const [width, height] = node.computeSize()
  node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], height)])
  makeRoom(node, before)
}

/**
 * Moves the nodes below a node that has grown from the height `before`: also those that it covers
 * already, because the editor's own line of progress makes nodes higher too.
 */
function makeRoom(node, before) {
  if (node.size[1] <= before) return
  const below = (node.graph?.nodes ?? []).filter((other) => other.pos[1] > node.pos[1] && overlaps(node, other))
  const highest = Math.min(...below.map((other) => other.pos[1]))
  const missing = node.pos[1] + node.size[1] + TITLE + GAP - highest
  if (missing > 0) for (const other of below) other.pos = [other.pos[0], other.pos[1] + missing]
  app.canvas?.setDirty(true, true)
}

/** Makes room for a preview, which makes its node higher. */
export function showPreview({ displayNodeId, nodeId }) {
  const node = findNode(displayNodeId ?? nodeId)
  const before = node?.size[1]
  if (node) setTimeout(() => makeRoom(node, before), 100)
}

function overlaps(one, other) {
  return one.pos[0] < other.pos[0] + other.size[0] && other.pos[0] < one.pos[0] + one.size[0]
}

/** Returns the number of lines in a box, estimated since it may not be drawn yet. */
function lines(box) {
  const texts = [...box.querySelectorAll('p, b')].map((one) => 1 + Math.floor(one.textContent.length / 42))
  return texts.reduce((a, b) => a + b, 0) + box.querySelectorAll('tr').length
}

/** Returns the height of a note: curves are as wide as the node, and texts have scroll bars. */
function heightOf(box, width) {
  if (!box.childElementCount) return 0
  const plots = [...box.querySelectorAll('.artgraph-curves')]
  const perRow = Math.max(1, Math.floor((width - 40) / ENTRY))
  const drawn = plots.map((one) => (width - 40) * 0.37 + LINE * Math.ceil(one.querySelectorAll('span').length / perRow) + 6)
  return drawn.reduce((a, b) => a + b, 0) + Math.min(LINE * lines(box) + 12 + 2 * MARGIN, MOST)
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
  result.append(...cells.map((cell) => element(kind, cellText(cell))))
  return result
}

function cellText(cell) {
  if (cell === null || cell === undefined) return '–'
  return typeof cell === 'number' && !Number.isInteger(cell) ? cell.toPrecision(4) : String(cell)
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
