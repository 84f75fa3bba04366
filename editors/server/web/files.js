// Files for the editor: dropped graphs (YAML or PNG), dropped pictures, and folders of pictures.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { notify } from './menu.js'
import { READABLE, TABLES } from './suffixes.js' // made by the server

const GRAPH = /\.(png|ya?ml)$/i
const OF_SYSTEM = /^(\.|thumbs\.db$|desktop\.ini$)/i // files that are not the user's own
const hasEnding = (name, endings) => endings.some((ending) => name.toLowerCase().endsWith(ending))
const isPicture = (name) => hasEnding(name, READABLE)
/** Returns whether a file of a folder may contain the labels of its pictures. */
const isTable = (file) => hasEnding(file.name, TABLES) && file.webkitRelativePath.split('/').length === 2

const loaders = [] // of large files: the class of a node, its widget, and the endings of the files

/** Remembers the widgets of a class to which archives or films can be uploaded. */
export function rememberLoader(nodeData) {
  for (const [widget, input] of Object.entries(nodeData.input?.required ?? {}))
    if (input[1]?.file_upload) loaders.push({ kind: nodeData.name, widget, endings: input[1].file_upload, isFolder: input[1].folder_upload })
}

/** Returns the first class that loads a file of this name. */
function loaderOf(name) {
  const preferred = ['Artgraph_load_dataset', 'Artgraph_load_video']
  const found = loaders.filter(({ endings }) => hasEnding(name, endings))
  return found.find(({ kind }) => preferred.includes(kind)) ?? found[0]
}

/**
 * Opens the graph in a dropped YAML or PNG. For another picture, an archive of pictures or a film,
 * adds a node that loads it.
 */
export function acceptFiles() {
  const handle = app.handleFile.bind(app)
  app.handleFile = async (file, ...rest) => {
    if (GRAPH.test(file.name) && (await openGraph(file))) return
    if (isPicture(file.name)) return addPicture(file)
    const loader = loaderOf(file.name)
    if (loader) return addLoader(file, loader)
    return handle(file, ...rest)
  }
}

async function openGraph(file) {
  const query = new URLSearchParams({ name: file.name })
  const answer = await api.fetchApi(`/artgraph/open?${query}`, { method: 'POST', body: file })
  if (!answer.ok) return false
  const { workflow, name, error } = await answer.json()
  if (error) notify('error', `The graph in ${file.name} cannot be opened`, error)
  if (workflow) await app.loadGraphData(workflow, true, true, name)
  return Boolean(workflow || error)
}

async function addPicture(file) {
  const { name, refused } = await upload(file, '')
  if (refused) return notify('error', `${file.name} was not uploaded`, refused)
  setWidget(addNode('Artgraph_load_image'), 'path', name)
}

async function addLoader(file, { kind, widget }) {
  const name = await uploadLarge(file)
  if (name) setWidget(addNode(kind), widget, name)
}

/** Adds a node under the mouse. */
function addNode(kind) {
  const node = window.LiteGraph.createNode(kind)
  const [x, y] = app.canvas.graph_mouse
  node.pos = [x, y]
  app.graph.add(node)
  return node
}

/** Uploads an archive or a film. Returns its name in the input folder, or null if that failed. */
async function uploadLarge(file) {
  if (file.size > 2 ** 25) notify('info', `${file.name} is being uploaded`, `${(file.size / 2 ** 20).toFixed(0)} MiB`)
  const query = new URLSearchParams({ name: file.name })
  const failed = (reason) => notify('error', `${file.name} was not uploaded`, reason) ?? null
  try {
    const answer = await api.fetchApi(`/artgraph/upload?${query}`, { method: 'POST', body: file })
    if (!answer.ok) return failed(await answer.text())
    notify('success', `${file.name} was uploaded`, 'It is in the input folder.')
    return (await answer.json()).name
  } catch {
    return failed('The connection was closed. The file may be too large, or the disk full.')
  }
}

/** Returns the file's name in the input folder, or why the server refused it. */
async function upload(file, folder) {
  const form = new FormData()
  form.append('image', file, file.name)
  form.append('subfolder', folder)
  const answer = await api.fetchApi('/upload/image', { method: 'POST', body: form })
  return answer.ok ? await answer.json() : { refused: await answer.text() }
}

/** Returns the node at the other end of a widget's wire, or null if it is not wired. */
function sourceOf(node, name) {
  const wired = node.inputs.findIndex((input) => input.widget?.name === name && input.link != null)
  return wired < 0 ? null : node.getInputNode(wired)
}

/** Returns the value of a widget, or of the source of its wire; undefined if there is none. */
export function valueOf(node, name) {
  const source = sourceOf(node, name)
  if (source?.widgets?.length) return valueOf(source, source.widgets[0].name)
  return node.widgets.find((widget) => widget.name === name)?.value
}

/** Sets the value of a widget. If the widget is wired, sets the value at the source of the wire. */
export function setWidget(node, name, value) {
  const source = sourceOf(node, name)
  if (source?.widgets?.length) return setWidget(source, source.widgets[0].name, value)
  const widget = node.widgets.find((w) => w.name === name)
  if (Array.isArray(widget.options?.values) && !widget.options.values.includes(value))
    widget.options.values.push(value)
  widget.value = value
  widget.callback?.(value)
}

/** Adds a button that is not a value of the graph. */
export function addButton(node, text, act) {
  const options = { serialize: false } // not a value in the prompt
  const button = node.addWidget('button', text, null, act, options)
  button.serialize = false // not a value in the workflow
}

/** Adds a button that uploads a folder of pictures and sets the widget to its path. */
export function addUploadButton(node, widget) {
  addButton(node, 'choose a folder of pictures', () => choose(node, widget))
}

/** Adds a button that uploads an archive or a film, if a widget of the node accepts one. */
export function addFileButton(node) {
  const loader = loaders.find(({ kind }) => kind === node.comfyClass)
  if (!loader) return
  const text = loader.isFolder ? 'choose a zip, tar or Parquet file' : 'choose a film'
  addButton(node, text, () => chooseFile(node, loader))
}

function chooseFile(node, { widget, endings }) {
  const input = document.createElement('input')
  Object.assign(input, { type: 'file', accept: endings.join(',') })
  input.onchange = async () => {
    const [file] = input.files
    if (!hasEnding(file.name, endings))
      return notify('error', `${file.name} was not uploaded`, `Choose one of ${endings.join(', ')}.`)
    const name = await uploadLarge(file)
    if (name) setWidget(node, widget, name)
    app.canvas.setDirty(true, true)
  }
  input.click()
}

function choose(node, widget) {
  const input = document.createElement('input')
  Object.assign(input, { type: 'file', multiple: true, webkitdirectory: true })
  input.onchange = () => uploadFolder(node, widget, [...input.files])
  input.click()
}

async function uploadFolder(node, widget, files) {
  const pictures = files.filter((file) => isPicture(file.name))
  if (!pictures.length)
    return notify('warn', 'No pictures found', 'The folder does not contain pictures that artgraph can read.')
  const wanted = [...pictures, ...files.filter(isTable)]
  const root = pictures[0].webkitRelativePath.split('/')[0] || 'pictures'
  const [stored, refusals, renamed] = [new Set(), [], []]
  for (const file of wanted) {
    const folder = file.webkitRelativePath.split('/').slice(0, -1).join('/') || root
    const { name, refused } = await upload(file, folder)
    if (refused) refusals.push(refused)
    else if (name !== file.name) renamed.push(name)
    if (isPicture(file.name) && !refused) stored.add(`${folder}/${name}`)
  }
  setWidget(node, widget, root)
  const done = wanted.length - refusals.length
  if (refusals.length) notify('error', `${refusals.length} files were not uploaded`, refusals[0])
  if (!done) return
  const others = files.filter((file) => !wanted.includes(file) && !OF_SYSTEM.test(file.name))
  const left = others.length ? [`Not uploaded, because they are not pictures: ${some(others.map(({ name }) => name))}.`] : []
  const before = (await countIn(root)) - stored.size
  const known = before > 0 ? [`${before} more pictures were there before, and are used too.`] : []
  const changed = renamed.length ? [`Stored under new names, because other files had theirs: ${some(renamed)}.`] : []
  const kind = known.length || changed.length ? 'warn' : 'success'
  notify(kind, `${done} files were uploaded`, [`They are in the input folder, in ${root}.`, ...left, ...known, ...changed].join(' '))
}

/** Returns the number of pictures that a folder in the input folder contains. */
async function countIn(folder) {
  const answer = await api.fetchApi(`/artgraph/count?${new URLSearchParams({ folder })}`)
  return answer.ok ? (await answer.json()).pictures : 0
}

/** Returns the first names, and how many more there are. */
function some(names) {
  return names.slice(0, 3).join(', ') + (names.length > 3 ? ` and ${names.length - 3} more` : '')
}
