// Buttons that upload a folder of pictures, an archive or a film, and a sheet of the folder on its node.
import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { loadWords, said } from './language.js'
import { valuePlace } from './nodes.js'

const AT_ONCE = 4 // uploads at a time
const EVERY = 700 // milliseconds between two checks whether a folder has changed
const MARGIN = 8 // around the sheet, in pixels
const TEXT = 32 // height of the text below the sheet: two lines
const VALUES = ['fit', 'table', 'label'] // widgets that change the sheet, besides the folder
const [FOLDER, ARCHIVE, FILM] = ['choose a folder of pictures', 'choose a zip, tar or Parquet file', 'choose a film']
const MOST_NAMES = 3 // of files that a message lists
const DROPPED = 'dropped' // name of the folder of several pictures that were dropped on a node

const loaders = new Map() // from the class of a node to its widget, and the endings of files for it
const boxes = new Map() // from a node to its sheet

app.registerExtension({
  name: 'artgraph.folders',
  init: loadWords,
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!nodeData.name.startsWith('Artgraph_')) return
    const inputs = { ...nodeData.input?.required, ...nodeData.input?.optional }
    for (const [widget, [, options]] of Object.entries(inputs)) {
      const { folder_upload: inFolder, file_upload: endings } = options ?? {}
      if (inFolder || endings) loaders.set(nodeData.name, { widget, inFolder, endings })
    }
  },
  nodeCreated(node) {
    const loader = loaders.get(node.comfyClass)
    if (!loader) return
    const { inFolder } = loader
    if (inFolder) addButton(node, FOLDER, () => chooseFolder(node, loader))
    addButton(node, inFolder ? ARCHIVE : FILM, () => chooseFile(node, loader))
    node.onDragOver = ({ dataTransfer }) => [...(dataTransfer?.items ?? [])].some(({ kind }) => kind === 'file')
    node.onDragDrop = ({ dataTransfer }) => drop(node, loader, dataTransfer)
    if (inFolder) boxes.set(node, new Box(node, loader))
  },
  setup() {
    setInterval(() => boxes.forEach((box) => box.check()), EVERY)
  }
})

function addButton(node, text, act) {
  const button = node.addWidget('button', text, null, act, { serialize: false })
  button.label = said(text)
  button.serialize = false
}

function notify(severity, summary, detail) {
  app.extensionManager?.toast?.add({ severity, summary, detail, life: severity === 'error' ? 20000 : 8000 })
}

const hasEnding = (name, endings) => endings.some((ending) => name.toLowerCase().endsWith(ending))
const isHidden = (path) => path.split('/').some((part) => part.startsWith('.'))

function choose(options, act) {
  const input = Object.assign(document.createElement('input'), { type: 'file', ...options })
  input.onchange = () => input.files.length && act([...input.files])
  input.click()
}

function chooseFolder(node, loader) {
  choose({ multiple: true, webkitdirectory: true }, (files) => {
    const found = files.map((file) => ({ file, path: inside(file.webkitRelativePath) }))
    uploadFolder(node, loader, files[0].webkitRelativePath.split('/')[0], found)
  })
}

function chooseFile(node, loader) {
  choose({ accept: loader.endings.join(',') }, ([file]) => uploadFile(node, loader, file))
}

/** Uploads what was dropped on a node. Returns whether it does: other files are left to the editor. */
async function drop(node, loader, { items, files }) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean)
  const [first, ...others] = files
  if (first && !others.length && hasEnding(first.name, loader.endings)) {
    uploadFile(node, loader, first)
    return true
  }
  const isFolder = entries.some((entry) => entry.isDirectory)
  if (!loader.inFolder || (!isFolder && ![...files].some(({ name }) => hasEnding(name, loader.inFolder)))) return false
  const isOne = entries.length === 1
  const name = isFolder && isOne ? entries[0].name : others.length ? DROPPED : first.name.replace(/\.\w+$/, '')
  try {
    const found = isFolder ? (await Promise.all(entries.map(filesIn))).flat() : [...files].map((file) => ({ file, path: file.name }))
    if (isFolder && isOne) for (const one of found) one.path = inside(one.path)
    uploadFolder(node, loader, name, found)
  } catch (error) {
    refuse(name, error.message)
  }
  return true
}

/** Returns the files in a folder that was dropped, and their paths. */
async function filesIn(entry) {
  const path = entry.fullPath.slice(1)
  if (entry.isFile) return [{ file: await new Promise((...act) => entry.file(...act)), path }]
  const reader = entry.createReader()
  const found = []
  for (;;) {
    const some = await new Promise((...act) => reader.readEntries(...act))
    if (!some.length) return found
    for (const one of some) found.push(...(await filesIn(one)))
  }
}

/** Returns a path without the folder that it begins with. */
const inside = (path) => path.split('/').slice(1).join('/')

async function uploadFile(node, { widget, endings }, file) {
  if (!hasEnding(file.name, endings)) return refuse(file.name, said('Choose one of {endings}.', { endings: endings.join(', ') }))
  try {
    setWidget(node, widget, await upload(file, ''))
  } catch (error) {
    refuse(file.name, `${error.message} ${said('You can also copy it into the input folder.')}`)
  }
}

const refuse = (name, why) => notify('error', said('{name} was not uploaded', { name }), why)

/** Uploads the pictures of a folder into a new folder in the input folder, and lets the node load it. */
async function uploadFolder(node, { widget, inFolder }, wish, files) {
  const name = unusedName(node, widget, wish)
  const wanted = files.filter(({ path }) => hasEnding(path, inFolder) && !isHidden(path))
  if (!wanted.length) return notify('warn', said('There are no pictures in “{name}”', { name: wish }), said('Choose a folder of pictures.'))
  const waiting = [...wanted]
  const refused = []
  let done = 0
  const box = boxes.get(node)
  const send = async () => {
    for (let one = waiting.shift(); one; one = waiting.shift()) {
      const folder = one.path.split('/').slice(0, -1)
      await upload(one.file, [name, ...folder].join('/')).catch((error) => refused.push(`${one.path}: ${error.message}`))
      box?.say(said('{done} of {all} uploaded …', { done: (done += 1), all: wanted.length }))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, send))
  const others = files.filter((one) => !wanted.includes(one)).map(({ path }) => path)
  const details = [
    others.length && said('Left out, as they are not pictures: {names}', { names: some(others) }),
    refused.length && said('Refused: {names}', { names: some(refused) })
  ]
  const stored = wanted.length - refused.length
  const severity = refused.length || others.length ? 'warn' : 'success'
  notify(severity, said('“{name}” has {count} files in the input folder', { name, count: stored }), details.filter(Boolean).join(' '))
  if (stored) setWidget(node, widget, name)
  if (box) box.wanted = '' // so that it shows the folder again instead of the progress
}

const some = (names) => names.slice(0, MOST_NAMES).join(', ') + (names.length > MOST_NAMES ? ', …' : '')

/** Returns the name of a folder that the node does not offer yet. */
function unusedName(node, widget, name) {
  const taken = new Set(node.widgets.find((one) => one.name === widget)?.options?.values ?? [])
  let unused = name
  for (let number = 2; taken.has(unused); number++) unused = `${name} (${number})`
  return unused
}

/** Uploads a file. Returns its path in the input folder. */
async function upload(file, subfolder) {
  const form = new FormData()
  form.append('image', file, file.name)
  form.append('subfolder', subfolder)
  const answer = await api.fetchApi('/upload/image', { method: 'POST', body: form })
  if (!answer.ok) throw new Error(answer.status === 413 ? said('It is too large for an upload.') : said('The server answers {status}.', { status: answer.status }))
  const { name, subfolder: folder } = await answer.json()
  return folder ? `${folder}/${name}` : name
}

/** Writes a value into a widget, or into the primitive that is wired to it. */
function setWidget(node, name, value) {
  const own = node.widgets.find((one) => one.name === name)
  const place = valuePlace(node, name)
  for (const { options } of new Set([own, place].filter(Boolean))) {
    if (Array.isArray(options?.values) && !options.values.includes(value)) options.values.push(value)
  }
  if (!place) {
    const why = said('A wire chooses what this node loads. Remove the wire, and choose it in the list.')
    return notify('warn', said('“{name}” was uploaded, but this node does not load it', { name: value }), why)
  }
  place.value = value
  place.callback?.(value)
  node.setDirtyCanvas?.(true, true)
}

/** Returns the value of a widget, or of the node that is wired to it. */
function valueOf(node, name) {
  const slot = node.inputs?.findIndex((input) => input.widget?.name === name && input.link != null) ?? -1
  const source = slot < 0 ? null : node.getInputNode(slot)
  return (source?.widgets?.length ? source.widgets[0].value : valuePlace(node, name)?.value) ?? ''
}

/** The sheet of a folder on its node, and a line about it. */
class Box {
  constructor(node, { widget }) {
    Object.assign(this, { node, widget, wanted: null })
    this.picture = Object.assign(new Image(), { alt: said('pictures of the folder'), hidden: true })
    this.text = document.createElement('div')
    const element = document.createElement('div')
    element.append(this.picture, this.text)
    Object.assign(element.style, { overflow: 'hidden', fontSize: '11px', lineHeight: '15px' })
    this.picture.style.width = '100%'
    this.picture.onload = () => this.fit()
    const height = () => this.height()
    const shown = node.addDOMWidget('pictures', 'artgraph_folder', element, { serialize: false, margin: MARGIN, getMinHeight: height, getMaxHeight: height })
    shown.serialize = false
  }

  height() {
    const { naturalWidth: width, naturalHeight: height, hidden } = this.picture
    const sheet = hidden || !width ? 0 : ((this.node.size[0] - 4 * MARGIN) * height) / width
    return sheet || this.text.textContent ? sheet + TEXT + 2 * MARGIN : 0
  }

  /** Looks at the folder again if a value of the node has changed. */
  check() {
    const { node } = this
    if (!node.graph) return void (this.wanted !== null && boxes.delete(node)) // it was removed
    const query = { node: node.comfyClass, widget: this.widget, folder: valueOf(node, this.widget) }
    for (const name of VALUES) query[name] = valueOf(node, name)
    const wanted = JSON.stringify(query)
    if (wanted === this.wanted) return this.fit()
    this.wanted = wanted
    if (query.folder) this.look(query, wanted)
    else this.show({})
  }

  async look(query, wanted) {
    const answer = await api.fetchApi(`/artgraph/folder?${new URLSearchParams(query)}`).catch(() => null)
    if (answer?.ok && this.wanted === wanted) this.show(await answer.json())
  }

  show({ sheet, line, problem }) {
    this.picture.hidden = !sheet
    if (sheet) this.picture.src = sheet
    this.say(problem ?? line ?? '')
    this.node.setDirtyCanvas?.(true, true)
  }

  say(text) {
    this.text.textContent = text
    this.fit()
  }

  /** Makes room for the content, which is drawn later than it is known. */
  fit() {
    const { node } = this
    if (LiteGraph.vueNodesMode) return // an element of the page grows by itself
    const needed = node.graph ? node.computeSize()[1] : 0
    if (!this.height() || node.size[1] >= needed) return
    node.setSize([node.size[0], needed])
    node.setDirtyCanvas?.(true, true)
  }
}
