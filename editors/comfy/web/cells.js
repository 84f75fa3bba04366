// Pictures on a node to choose from: a click on one writes its number into a widget, in ComfyUI and in
// artgraph's own editor. Nodes declare such a widget by its role (`chosen_of` among the options of the input).

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { nameInWords } from './knobs.js'
import { said } from './language.js'
import { editorStore, everyNode, findNode, idsOf, valuePlace } from './nodes.js'
import { element, grow } from './notes.js'

const [MARGIN, PADDING, LINE, SMALLEST, GAP] = [6, 6, 16, 72, 6] // pixels, as in cells.css
const WIDTH = 348 // of a node with pictures, so that four of them are beside each other
const HIGHEST = 640 // of the pictures on a node, which then scroll
const EVERY = 300 // milliseconds between two checks whether a value has changed in another way
const ALL = 'all' // the text that chooses all pictures
const ROWS = { ArrowUp: -1, ArrowDown: 1 }
const STEPS = { ArrowLeft: -1, ArrowRight: 1 }

const widgets = new Map() // from a node's class to the names of its widgets with the role
const sheets = new WeakMap() // from a node to its sheets
const boxes = new WeakMap() // from an element of the page to its sheet
let focused = null // the node and the number of the picture that had the focus last

const href = new URL('./cells.css', import.meta.url).href
document.head.append(Object.assign(document.createElement('link'), { rel: 'stylesheet', href }))

app.registerExtension({
  name: 'artgraph.cells',
  beforeRegisterNodeDef(nodeType, nodeData) {
    const inputs = Object.entries({ ...nodeData.input?.required, ...nodeData.input?.optional })
    const names = inputs.filter(([, input]) => input[1]?.chosen_of).map(([name]) => name)
    if (names.length) widgets.set(nodeData.name, names)
  },
  nodeCreated(node) {
    const names = widgets.get(node.comfyClass)
    if (!names) return
    sheets.set(node, names.map((name) => new Sheet(node, name)))
    if (node.size[0] < WIDTH) node.setSize([WIDTH, node.size[1]])
  },
  setup() {
    api.addEventListener('executed', ({ detail }) => show(detail.display_node ?? detail.node, detail.output?.artgraph_cells))
    api.addEventListener('artgraph.cells', ({ detail }) => show(detail.node, detail.cells))
    setInterval(() => {
      for (const [id, node] of everyNode()) for (const sheet of sheets.get(node) ?? []) sheet.look(id)
      document.querySelectorAll('.artgraph-cells').forEach(renew)
    }, EVERY)
  }
})

/** Shows pictures on a node: those of a result, or those that are drawn while the graph is being changed. */
function show(id, cells) {
  const node = findNode(id)
  for (const sheet of (node && sheets.get(node)) ?? []) sheet.show(cells)
}

/** After "Undo", the node is another one, but Nodes 2.0 and App mode go on showing the pictures of the old one. */
function renew(box) {
  const old = boxes.get(box)
  const now = sheets.get(findNode(old.id))?.find(({ name }) => name === old.name)
  if (!now || now === old || now.box.isConnected) return
  box.replaceWith(now.box)
  now.focusAgain()
}

/** The pictures of a widget, which is itself a text such as `1, 4, 7-9`. */
class Sheet {
  constructor(node, name) {
    Object.assign(this, { node, name, cells: null, known: '', value: null, current: 0 })
    this.line = element('p')
    this.text = element('span')
    this.none = Object.assign(element('button', said('None')), { type: 'button', onclick: () => this.write([]) })
    this.line.append(this.text, this.none)
    this.text.setAttribute('aria-live', 'polite')
    this.grid = element('div')
    this.grid.setAttribute('role', 'group')
    this.box = element('div')
    this.box.className = 'artgraph-cells'
    boxes.set(this.box, this)
    this.box.append(this.line, this.grid)
    // Neither a drag of the node nor a shortcut of the editor begins on a picture.
    for (const kind of ['pointerdown', 'mousedown', 'dblclick']) this.grid.addEventListener(kind, (event) => event.stopPropagation())
    this.grid.addEventListener('keydown', (event) => this.press(event))
    const height = () => this.height()
    const options = { serialize: false, margin: MARGIN, getMinHeight: height, getMaxHeight: height }
    this.widget = node.addDOMWidget(`${name} sheet`, 'artgraph_cells', this.box, options) // named as in workflow_app.py
    this.widget.serialize = false
    this.mark()
  }

  /** Follows what has changed without a click: the value, or the node's results after "Undo" or in another tab. */
  look(id) {
    this.id = id
    const outputs = editorStore('nodeOutput')?.getNodeOutputs?.(this.node) ?? app.nodeOutputs?.[this.node.id]
    const cells = outputs?.artgraph_cells
    if (cells && JSON.stringify(cells) !== this.known) this.show(cells, true)
    if (this.value !== this.read()) this.mark()
    this.grid.ariaLabel = this.widget.label = nameInWords(this.node)
  }

  show(found, isStored = false) {
    const cells = found?.find(({ widget }) => widget === this.name)
    if (!cells) return
    if (isStored || !cells.data) this.known = JSON.stringify(found)
    const query = new URLSearchParams({ filename: cells.filename, subfolder: cells.subfolder, type: cells.type })
    const url = cells.data ?? api.apiURL(`/view?${query}`)
    const before = this.height()
    const { count, columns, size: [width, height] } = cells
    const rows = Math.ceil(count / columns)
    const buttons = Array.from({ length: count }, (_, number) => this.grid.children[number] ?? this.button(number))
    buttons.forEach((button, number) => {
      const [column, row] = [number % columns, Math.floor(number / columns)]
      button.style.aspectRatio = `${width} / ${height}`
      Object.assign(button.firstChild.style, {
        backgroundImage: `url("${url}")`,
        backgroundSize: `${100 * columns}% ${100 * rows}%`,
        backgroundPosition: `${columns > 1 ? (100 * column) / (columns - 1) : 0}% ${rows > 1 ? (100 * row) / (rows - 1) : 0}%`,
        imageRendering: width < SMALLEST ? 'pixelated' : ''
      })
    })
    if (this.grid.childElementCount !== count) this.grid.replaceChildren(...buttons)
    this.cells = cells
    this.current = Math.min(this.current, count - 1)
    this.mark()
    if (this.height() !== before) requestAnimationFrame(() => this.node.graph && grow(this.node, this.node.size[1]))
    this.focusAgain()
  }

  button(number) {
    const button = Object.assign(element('button'), { type: 'button', className: 'artgraph-cell' })
    button.append(element('span'), element('b', String(number + 1)))
    button.onclick = () => this.toggle(number)
    button.onfocus = () => {
      this.current = number
      focused = { id: this.id, name: this.name, number }
      this.mark()
    }
    return button
  }

  /** After "Undo", the node is another one; the focus returns to the same picture of it. */
  focusAgain() {
    if (focused?.id !== this.id || focused.name !== this.name || document.activeElement !== document.body) return
    this.grid.children[focused.number]?.focus({ preventScroll: true })
  }

  /** Moves the focus with the arrow keys, and keeps the keys of the pictures from the editor's shortcuts. */
  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const { key } = event
    if (key === 'Enter' || key === ' ') event.stopPropagation()
    const across = getComputedStyle(this.grid).gridTemplateColumns.split(' ').length
    const last = this.grid.childElementCount - 1
    const to = key === 'Home' ? 0 : key === 'End' ? last : this.current + (STEPS[key] ?? across * (ROWS[key] ?? 0))
    if (!(key in STEPS || key in ROWS || key === 'Home' || key === 'End')) return
    event.preventDefault()
    event.stopPropagation()
    this.grid.children[Math.max(0, Math.min(last, to))]?.focus()
  }

  toggle(number) {
    const chosen = new Set(this.chosen())
    if (!chosen.delete(number)) chosen.add(number)
    this.write([...chosen].filter((one) => one < this.cells.count))
  }

  /** Writes the numbers of the chosen pictures into the widget, as a step that can be undone. */
  write(chosen) {
    const place = valuePlace(this.node, this.name)
    if (!place) return
    const value = chosen.sort((a, b) => a - b).map((number) => number + 1).join(', ')
    place.value = value
    place.callback?.(value)
    this.mark()
    const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker
    if (tracker?.captureCanvasState) tracker.captureCanvasState()
    else tracker?.checkState?.()
    app.canvas?.setDirty(true, true)
    window.dispatchEvent(new CustomEvent('artgraph.chosen', { detail: idsOf(this.node) }))
  }

  read() {
    return String(valuePlace(this.node, this.name)?.value ?? '')
  }

  chosen() {
    return this.cells ? numbers(this.read(), this.cells.count) : []
  }

  /** Shows which pictures are chosen. */
  mark() {
    this.value = this.read()
    const chosen = new Set(this.chosen())
    const [count, isFixed] = [this.cells?.count ?? 0, !valuePlace(this.node, this.name)]
    ;[...this.grid.children].forEach((button, number) => {
      const isChosen = chosen.has(number)
      button.setAttribute('aria-pressed', isChosen)
      const parts = { number: number + 1, count }
      button.ariaLabel = isChosen ? said('Picture {number} of {count}, chosen', parts) : said('Picture {number} of {count}', parts)
      button.tabIndex = number === this.current ? 0 : -1
      button.disabled = isFixed
    })
    const some = chosen.size ? said('{chosen} of {count} chosen', { chosen: chosen.size, count }) : said('Click on the pictures that you like')
    this.text.textContent = !count ? said('The pictures are shown after a run') : isFixed ? said('A wire chooses') : some
    this.none.hidden = !chosen.size || isFixed
  }

  height() {
    const room = this.node.size[0] - 2 * MARGIN - 2 * PADDING
    const frame = 2 * MARGIN + 2 * PADDING + LINE
    if (!this.cells) return frame
    const { count, size: [width, height] } = this.cells
    const across = Math.max(1, Math.floor((room + GAP) / (SMALLEST + GAP)))
    const cell = (room - (across - 1) * GAP) / across
    return Math.min(HIGHEST, frame + Math.ceil(count / across) * ((cell * height) / width + GAP))
  }
}

/** Returns the indices, from 0 on, that a text such as `1, 4, 7-9` names; those that do not exist are left out. */
function numbers(text, count) {
  if (text.trim() === ALL) return Array.from({ length: count }, (_, number) => number)
  const found = new Set()
  for (const part of text.replaceAll(/\s*[-–]\s*/g, '-').split(/[\s,;，、；]+/)) {
    const ends = /^(\d{1,7})(?:-(\d{1,7}))?$/.exec(part)
    if (!ends) continue
    for (let number = Math.max(1, ends[1]); number <= Math.min(count, ends[2] ?? ends[1]); number++) found.add(number - 1)
  }
  return [...found]
}
