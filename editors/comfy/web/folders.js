// Buttons that upload a folder of pictures, an archive or a film, and a sheet of the folder on its node.
import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'

const AT_ONCE = 4 // uploads at a time
const EVERY = 700 // milliseconds between two checks whether a folder has changed
const MARGIN = 8 // around the sheet, in pixels
const TEXT = 32 // height of the text below the sheet: two lines
const VALUES = ['fit', 'table', 'label'] // widgets that change the sheet, besides the folder

const loaders = new Map() // from the class of a node to its widget, and the endings of files for it
const boxes = new Map() // from a node to its sheet

app.registerExtension({
  name: 'artgraph.folders',
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
    if (inFolder) addButton(node, 'choose a folder of pictures', () => chooseFolder(node, loader))
    const text = inFolder ? 'choose a zip, tar or Parquet file' : 'choose a film'
    addButton(node, text, () => chooseFile(node, loader))
    if (inFolder) boxes.set(node, new Box(node, loader))
  },
  setup() {
    setInterval(() => boxes.forEach((box) => box.check()), EVERY)
  }
})

function addButton(node, text, act) {
  const button = node.addWidget('button', text, null, act, { serialize: false })
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
  choose({ multiple: true, webkitdirectory: true }, (files) => uploadFolder(node, loader, files))
}

function chooseFile(node, { widget, endings }) {
  choose({ accept: endings.join(',') }, async ([file]) => {
    if (!hasEnding(file.name, endings)) return notify('error', `${file.name} was not uploaded`, `Choose one of ${endings.join(', ')}.`)
    try {
      setWidget(node, widget, await upload(file, ''))
    } catch (error) {
      notify('error', `${file.name} was not uploaded`, `${error.message} You can also copy it into the input folder.`)
    }
  })
}

/** Uploads the pictures of a folder into a new folder in the input folder, and lets the node load it. */
async function uploadFolder(node, { widget, inFolder }, files) {
  const pathOf = (file) => file.webkitRelativePath || file.name
  const name = unusedName(node, widget, pathOf(files[0]).split('/')[0])
  const wanted = files.filter((file) => hasEnding(file.name, inFolder) && !isHidden(pathOf(file)))
  if (!wanted.length) return notify('warn', `There are no pictures in “${name}”`, 'Choose a folder of pictures.')
  const waiting = [...wanted]
  const refused = []
  let done = 0
  const box = boxes.get(node)
  const send = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      const inside = pathOf(file).split('/').slice(1, -1)
      await upload(file, [name, ...inside].join('/')).catch((error) => refused.push(`${file.name}: ${error.message}`))
      box?.say(`${(done += 1)} of ${wanted.length} uploaded …`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, send))
  const left = files.length - wanted.length
  const details = [left && `${left} other files were left out.`, refused.length && `Refused: ${refused.slice(0, 3).join('; ')}`]
  const stored = wanted.length - refused.length
  const severity = refused.length ? 'warn' : 'success'
  notify(severity, `“${name}” has ${stored} files in the input folder`, details.filter(Boolean).join(' '))
  if (stored) setWidget(node, widget, name)
}

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
  if (!answer.ok) throw new Error(answer.status === 413 ? 'It is too large for an upload.' : `The server answers ${answer.status}.`)
  const { name, subfolder: folder } = await answer.json()
  return folder ? `${folder}/${name}` : name
}

function setWidget(node, name, value) {
  const widget = node.widgets.find((one) => one.name === name)
  const { values } = widget.options
  if (Array.isArray(values) && !values.includes(value)) values.push(value)
  widget.value = value
  widget.callback?.(value)
  node.setDirtyCanvas?.(true, true)
}

/** Returns the value of a widget, or of the primitive that is wired to it. */
function valueOf(node, name) {
  const slot = node.inputs?.findIndex((input) => input.widget?.name === name && input.link != null) ?? -1
  const source = slot < 0 ? null : node.getInputNode(slot)
  if (source?.widgets?.length) return source.widgets[0].value ?? ''
  return node.widgets?.find((one) => one.name === name)?.value ?? ''
}

/** The sheet of a folder on its node, and a line about it. */
class Box {
  constructor(node, { widget }) {
    Object.assign(this, { node, widget, wanted: null })
    this.picture = Object.assign(new Image(), { alt: 'pictures of the folder', hidden: true })
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
  }

  say(text) {
    this.text.textContent = text
    this.fit()
  }

  /** Makes room for the content, which is drawn later than it is known. */
  fit() {
    const { node } = this
    const needed = node.graph ? node.computeSize()[1] : 0
    if (this.height() && node.size[1] < needed) node.setSize([node.size[0], needed])
  }
}
