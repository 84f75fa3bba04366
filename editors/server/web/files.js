// Files for the editor: dropped graphs (YAML or PNG), single files, and the buttons that choose files.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { said } from './language.js'
import { notify } from './menu.js'
import { freePlace } from './places.js'
import { READABLE } from './suffixes.js' // made by the server
import { refreshChoices, uploadSet } from './uploads.js'

const GRAPH = /\.(png|ya?ml)$/i
const hasEnding = (name, endings) => endings.some((ending) => name.toLowerCase().endsWith(ending))
export const isPicture = (name) => hasEnding(name, READABLE)

const pathWidgets = new Set() // class and name of each widget that offers files or folders
const folderWidgets = new Map() // from a node's class to the name of its widget for a folder
const loaders = new Map() // of large files: from the class of a node to its widget and the endings of the files

/** Remembers the widgets of a class to which folders, archives, films or models can be uploaded. */
export function rememberLoader(nodeData) {
  const kind = nodeData.name
  for (const [widget, input] of Object.entries(nodeData.input?.required ?? {})) {
    const { folder_upload: isFolder, file_upload: endings, image_upload: isImage } = input[1] ?? {}
    if (isFolder || endings || isImage) pathWidgets.add(`${kind} ${widget}`)
    if (isFolder) folderWidgets.set(kind, widget)
    if (endings) loaders.set(kind, { kind, widget, endings, isFolder })
  }
}

/** Returns the name of a node's widget for a folder of pictures; undefined if it has none. */
export const setNode = (node) => folderWidgets.get(node?.comfyClass)

/** Returns the first class that loads a file of this name. */
export function loaderOf(name) {
  const preferred = ['Artgraph_load_dataset', 'Artgraph_load_video']
  const found = [...loaders.values()].filter(({ endings }) => hasEnding(name, endings))
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

/** Uploads a picture, and lets a node load it: this one, or a new one. */
export async function addPicture(file, node) {
  const { name, refused, problem } = await upload(file)
  if (refused) return notify('error', `${file.name} was not uploaded`, refused)
  if (problem) return notify('error', `${file.name} can’t be used`, problem)
  await refreshChoices()
  setWidget(node ?? addNode('Artgraph_load_image'), 'path', name)
  app.canvas.setDirty(true, true)
}

async function addLoader(file, { kind, widget }) {
  const name = await uploadLarge(file)
  if (!name) return
  await refreshChoices()
  setWidget(addNode(kind), widget, name)
}

/** Adds a node to the graph that is shown, under the mouse or at a place. */
export function addNode(kind, place = app.canvas.graph_mouse) {
  const { graph } = app.canvas
  const node = window.LiteGraph.createNode(kind)
  node.pos = freePlace(graph, place)
  graph.add(node)
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
async function upload(file) {
  const form = new FormData()
  form.append('image', file, file.name)
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

/** Offers the values of a node that was opened, so that the editor does not report valid paths as missing. */
export function keepValues(node) {
  for (const { name, value, options } of node.widgets ?? [])
    if (pathWidgets.has(`${node.comfyClass} ${name}`) && value && options?.values?.includes?.(value) === false) options.values.push(value)
}

/** Removes the rows of a knob that would change a file or folder after each run. */
export function dropControls(node) {
  if (node.type !== 'PrimitiveNode' || !(node.widgets?.length > 1)) return
  const link = node.graph.links.get?.(node.outputs[0].links?.[0]) ?? node.graph.links[node.outputs[0].links?.[0]]
  const target = link && node.graph.getNodeById(link.target_id)
  if (!pathWidgets.has(`${target?.comfyClass} ${target?.inputs[link.target_slot]?.widget?.name}`)) return
  node.widgets[0].linkedWidgets = []
  for (const widget of node.widgets.slice(1)) {
    if (node.removeWidget) node.removeWidget(widget)
    else node.widgets.splice(node.widgets.indexOf(widget), 1)
  }
  node.setSize([node.size[0], node.computeSize()[1]])
}

/** Adds a button that is not a value of the graph. */
export function addButton(node, text, act) {
  const options = { serialize: false } // not a value in the prompt
  const button = node.addWidget('button', text, null, act, options)
  button.label = said(text)
  button.serialize = false // not a value in the workflow
}

/** Adds a button that uploads a folder of pictures, if the node loads one. */
export function addUploadButton(node) {
  if (setNode(node)) addButton(node, 'choose a folder of pictures', () => choose(node))
}

/** Adds a button that uploads an archive or a film, if a widget of the node accepts one. */
export function addFileButton(node) {
  const loader = loaders.get(node.comfyClass)
  if (!loader) return
  const isModel = loader.endings.includes('.safetensors')
  const text = loader.isFolder ? 'choose a zip, tar or Parquet file' : isModel ? 'choose a model file' : 'choose a film'
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
    if (!name) return
    await refreshChoices()
    setWidget(node, widget, name)
    app.canvas.setDirty(true, true)
  }
  input.click()
}

function choose(node) {
  const input = document.createElement('input')
  Object.assign(input, { type: 'file', multiple: true, webkitdirectory: true })
  input.onchange = () => {
    const [first] = input.files
    const name = first.webkitRelativePath.split('/')[0]
    const files = [...input.files].map((file) => ({ path: file.webkitRelativePath.slice(name.length + 1) || file.name, file }))
    uploadTo(node, { name, files })
  }
  input.click()
}

/**
 * Uploads a set of pictures, and lets a node load it: this one, or what `makeNode` returns.
 * Pictures that come from no folder (`isLoose`) are added to the set of the node, or become a new set.
 */
export async function uploadTo(node, { isLoose = false, ...set }, makeNode) {
  const widget = setNode(node)
  const current = isLoose && widget ? String(valueOf(node, widget) ?? '') : ''
  const isOwn = current && !current.includes('/') && !hasEnding(current, loaders.get(node.comfyClass)?.endings ?? [])
  if (isOwn) set.name = current
  else if (isLoose) set.how = 'both'
  const stored = await uploadSet(set)
  if (!stored) return
  await refreshChoices()
  const target = node ?? makeNode()
  setWidget(target, setNode(target), stored.name)
  window.dispatchEvent(new CustomEvent('artgraph.stored'))
  app.canvas.setDirty(true, true)
}
