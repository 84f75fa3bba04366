// Files for the editor: dropped graphs (YAML or PNG), dropped pictures, and folders of pictures.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { notify } from './menu.js'
import { READABLE } from './suffixes.js' // made by the server

const GRAPH = /\.(png|ya?ml)$/i
const isPicture = (name) => READABLE.some((suffix) => name.toLowerCase().endsWith(suffix))

/** Opens the graph in a dropped YAML or PNG. For another picture, adds a node that loads it. */
export function acceptFiles() {
  const handle = app.handleFile.bind(app)
  app.handleFile = async (file, ...rest) => {
    if (GRAPH.test(file.name) && (await openGraph(file))) return
    if (isPicture(file.name)) return addPicture(file)
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
  const node = window.LiteGraph.createNode('Artgraph_load_image')
  const [x, y] = app.canvas.graph_mouse
  node.pos = [x, y]
  app.graph.add(node)
  setWidget(node, 'path', name)
}

/** Returns the file's name in the input folder, or why the server refused it. */
async function upload(file, folder) {
  const form = new FormData()
  form.append('image', file, file.name)
  form.append('subfolder', folder)
  const answer = await api.fetchApi('/upload/image', { method: 'POST', body: form })
  return answer.ok ? await answer.json() : { refused: await answer.text() }
}

/** Sets the value of a widget. If the widget is wired, sets the value at the source of the wire. */
function setWidget(node, name, value) {
  const wired = node.inputs.findIndex((input) => input.widget?.name === name && input.link != null)
  const source = wired < 0 ? null : node.getInputNode(wired)
  if (source?.widgets?.length) return setWidget(source, source.widgets[0].name, value)
  const widget = node.widgets.find((w) => w.name === name)
  if (Array.isArray(widget.options?.values) && !widget.options.values.includes(value))
    widget.options.values.push(value)
  widget.value = value
  widget.callback?.(value)
}

/** Adds a button that uploads a folder of pictures and sets the widget to its path. */
export function addUploadButton(node, widget) {
  const options = { serialize: false } // not a value in the prompt
  const button = node.addWidget('button', 'choose a folder of pictures', null, () => choose(node, widget), options)
  button.serialize = false // not a value in the workflow
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
  const root = pictures[0].webkitRelativePath.split('/')[0] || 'pictures'
  const refusals = []
  for (const file of pictures) {
    const folder = file.webkitRelativePath.split('/').slice(0, -1).join('/') || root
    const { refused } = await upload(file, folder)
    if (refused) refusals.push(refused)
  }
  setWidget(node, widget, root)
  const done = pictures.length - refusals.length
  if (refusals.length) notify('error', `${refusals.length} pictures were not uploaded`, refusals[0])
  if (done) notify('success', `${done} pictures were uploaded`, `They are in the input folder, in ${root}.`)
}
