// What the folder of a node contains, on the node, before any run: a sheet of its pictures, and what is left out.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { dropControls, setNode, setWidget, valueOf } from './files.js'
import { grow } from './notes.js'
import { counted, refreshChoices } from './uploads.js'

const NAMES = ['table', 'label', 'review', 'size', 'fit', 'aspect', 'alpha', 'background'] // widgets that matter
const EVERY = 500 // milliseconds between two checks whether a value has changed
const [MARGIN, LINE, TEXT] = [6, 17, 130] // sizes on the node, and the largest height of the texts
const TITLE = 30 // height of a node's title
const MARKED = / \[(output|temp|input)\]$/ // a result or an input, as the editor writes it
const boxes = new WeakMap() // from a node to its box
let watched = null // the editor’s store of what nodes show
const tried = new WeakMap() // from a node to the result that was asked for, so that it is asked for once

/** Looks at the folders of all nodes, when one of their values changes, and when the window is shown again. */
export function watchFolders() {
  setInterval(check, EVERY)
  const again = () => {
    for (const node of nodes()) if (boxes.has(node)) boxes.get(node).wanted = null
  }
  window.addEventListener('artgraph.stored', again)
  window.addEventListener('focus', again)
}

/** Adds the box to a node that loads a folder. App mode shows it by its name “pictures”. */
export function addLook(node) {
  if (setNode(node)) boxes.set(node, new Box(node))
}

/** Remembers that a node was opened with its graph, so that its size is no change of the graph. */
export function rememberOpened(node) {
  if (boxes.has(node)) boxes.get(node).isOpening = true
}

function* nodes(graph = app.rootGraph ?? app.graph) {
  for (const node of graph?.nodes ?? []) {
    yield node
    if (node.subgraph) yield* nodes(node.subgraph)
  }
}

function check() {
  watchMasks()
  for (const node of nodes()) {
    replaceMarked(node)
    dropControls(node)
    if (setNode(node)) compare(node)
  }
}

/** Looks at the folder of a node if one of its values has changed. */
function compare(node) {
  const values = Object.fromEntries(NAMES.map((name) => [name, valueOf(node, name)]))
  values.folder = valueOf(node, setNode(node)) ?? ''
  values.graph = app.extensionManager?.workflow?.activeWorkflow?.path?.replace(/^workflows\//, '') ?? ''
  const wanted = JSON.stringify(values)
  const box = boxes.get(node)
  if (!box || box.wanted === wanted) return
  if (box.wanted) box.isOpening = false
  box.wanted = wanted
  if (values.folder) look(box, wanted)
  else box.clear()
}

async function look(box, wanted) {
  const isCurrent = () => box.wanted === wanted
  try {
    let answer = await api.fetchApi('/artgraph/looks', { method: 'POST', body: wanted })
    for (;;) {
      if (!isCurrent()) return
      if (!answer.ok) return box.showProblem(await answer.text())
      const state = await answer.json()
      if (!isCurrent()) return
      box.show(state)
      if (state.done) return
      await new Promise((resolve) => setTimeout(resolve, 600))
      answer = await api.fetchApi(`/artgraph/looks/state?${new URLSearchParams({ look: state.look })}`)
    }
  } catch { // the server does not answer
    setTimeout(() => isCurrent() && (box.wanted = null), 5000)
  }
}

/** The sheet and the texts on a node. */
class Box {
  constructor(node) {
    this.node = node
    this.picture = Object.assign(new Image(), { alt: 'pictures of the folder' })
    this.text = document.createElement('div')
    this.box = document.createElement('div')
    this.box.className = 'artgraph-look'
    this.box.append(this.picture, this.text)
    this.picture.hidden = true
    this.picture.onload = () => this.resize()
    const height = () => this.height()
    const options = { serialize: false, margin: MARGIN, getMinHeight: height, getMaxHeight: height }
    const widget = node.addDOMWidget('pictures', 'artgraph_look', this.box, options)
    Object.assign(widget, { serialize: false, label: 'Pictures' })
  }

  height() {
    const { naturalWidth: width, naturalHeight: height } = this.picture
    const sheet = this.picture.hidden || !width ? 0 : ((this.node.size[0] - 4 * MARGIN) * height) / width + MARGIN
    const letters = Math.max(20, (this.node.size[0] - 4 * MARGIN) / 6.3) // in a line
    const lines = [...this.text.children].reduce((sum, one) => sum + Math.ceil(one.textContent.length / letters), 0)
    return sheet || lines ? sheet + Math.min(TEXT, lines * LINE) + 4 * MARGIN : 0
  }

  show({ look, total, opened, done, sheet, line, doubts = [], classes = [], problem }) {
    if (problem) return this.showProblem(problem)
    const url = `/artgraph/looks/sheet?${new URLSearchParams({ look })}`
    if (sheet && this.picture.dataset.look !== look) {
      this.picture.dataset.look = look
      this.picture.src = api.apiURL(url)
      this.picture.hidden = false
    }
    const lines = [paragraph('b', line)]
    if (classes.length > 1) lines.push(Object.assign(document.createElement('p'), { textContent: classes.map(([name, count]) => `${name} ${count}`).join(' · ') }))
    if (!done) lines.push(paragraph('p', `${opened.toLocaleString('en')} of ${total.toLocaleString('en')} opened …`))
    else if (opened < total) lines.push(paragraph('p', `The first ${counted(opened, 'picture')} were opened. A run opens all.`))
    lines.push(...doubts.map((text) => paragraph('p', text, 'artgraph-warning')))
    this.fill(lines)
  }

  showProblem(text) {
    this.picture.hidden = true
    delete this.picture.dataset.look
    this.fill([paragraph('p', text, 'artgraph-warning')])
  }

  clear() {
    this.picture.hidden = true
    this.fill([])
  }

  fill(lines) {
    this.text.replaceChildren(...lines)
    this.resize()
  }

  /** Makes room for the content, and again when nodes that are elements of the page have been drawn. */
  resize() {
    if (this.height() === this.shown) return
    this.shown = this.height()
    requestAnimationFrame(() => this.adapt())
    setTimeout(() => this.adapt(), 500)
  }

  adapt() {
    if (!this.node.graph) return
    const active = app.extensionManager?.workflow?.activeWorkflow
    const isSaved = this.isOpening && active && !active.isModified
    const { id, size } = this.node
    const drawn = document.querySelector(`[data-node-id="${CSS.escape(id)}"]`)?.offsetHeight - TITLE
    if (drawn > size[1]) this.node.setSize([size[0], drawn]) // if nodes are elements of the page
    grow(this.node, 0)
    if (isSaved) active.changeTracker?.reset?.((app.rootGraph ?? app.graph).serialize())
  }
}

function paragraph(kind, text, className = '') {
  return Object.assign(document.createElement(kind), { textContent: text.slice(0, 1).toUpperCase() + text.slice(1), className })
}

/** Replaces a result that was chosen as the input of a node by its copy in the input folder. */
async function replaceMarked(node) {
  const widget = node.widgets?.find(({ value }) => typeof value === 'string' && MARKED.test(value))
  const isOurs = node.comfyClass?.startsWith('Artgraph_')
  if (!widget || tried.get(node) === widget.value || !(isOurs || node.comfyClass === 'LoadImage')) return
  const { value } = widget
  tried.set(node, value)
  const answer = await api.fetchApi('/artgraph/bring', { method: 'POST', body: JSON.stringify({ value }) })
  if (!answer.ok || widget.value !== value) return
  const { name } = await answer.json()
  await refreshChoices()
  if (isOurs || isWired(node)) return setWidget(node, widget.name, name)
  replaceLoader(node, name)
}

const isWired = (node) => node.outputs.some(({ links }) => links?.length)

/** Replaces a new node of ComfyUI that loads a picture, such as from “Insert as node”, by artgraph’s. */
export function useOwnLoader(node) {
  if (node.comfyClass !== 'LoadImage' || app.configuringGraph) return
  setTimeout(() => {
    const value = node.widgets?.find(({ name }) => name === 'image')?.value
    if (node.graph && !isWired(node) && !MARKED.test(value ?? '')) replaceLoader(node, value)
  }, 300)
}

function replaceLoader(node, name) {
  const own = window.LiteGraph.createNode('Artgraph_load_image')
  own.pos = [...node.pos]
  node.graph.add(own)
  node.graph.remove(node)
  if (name) setWidget(own, 'path', name)
}

/** Makes a picture that was painted in the editor’s mask editor the value of its node. */
function watchMasks() {
  const stores = document.querySelector('#vue-app')?.__vue_app__?.config.globalProperties.$pinia?._s
  const store = stores?.get('nodeOutput') // not there before it is needed
  if (!store || store === watched) return
  watched = store
  store.$onAction(({ name, args: [node, images] }) => {
    if (name !== 'replaceNodeOutputImages' || node.comfyClass !== 'Artgraph_load_image') return
    const [{ filename, subfolder }] = images
    setWidget(node, 'path', subfolder ? `${subfolder}/${filename}` : filename)
    refreshChoices()
  })
}
