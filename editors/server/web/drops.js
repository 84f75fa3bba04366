// Pictures that are dropped anywhere in the window, or pasted: a folder or several pictures become a set.

import { app } from '/scripts/app.js'
import { addNode, addPicture, isPicture, loaderOf, setNode, setWidget, uploadTo } from './files.js'
import { notify } from './menu.js'

const SETS = 'Artgraph_load_dataset' // the class of a new node for a set
const PICTURE = 'Artgraph_load_image' // the class of a new node for one picture
const USUAL_NAME = 'pictures' // of a set whose files come from no folder

/** Takes folders and several pictures before the editor does, which can’t use them. */
export function acceptDrops() {
  window.addEventListener('drop', onDrop, true)
  window.addEventListener('dragover', (event) => hasFiles(event) && event.preventDefault(), true)
  document.addEventListener('paste', onPaste, true)
  app.handleFileList = (files) => dropped({ folders: [], files: [...files] }, null)
}

const ASSET = 'application/x-comfy-asset-info' // what is dragged out of Assets

const hasFiles = (event) => event.dataTransfer?.types.includes('Files')

function onDrop(event) {
  if (document.querySelector('dialog[open]')) return
  if (event.dataTransfer?.types.includes(ASSET)) return onAsset(event)
  if (!hasFiles(event)) return
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean)
  const folders = entries.filter((entry) => entry.isDirectory)
  const names = new Set(folders.map((entry) => entry.name))
  const files = [...event.dataTransfer.files].filter((file) => !names.has(file.name) || file.type)
  const place = placeOf(event)
  const pictures = files.filter((file) => isPicture(file.name))
  const isOnePicture = place.isApp && files.length === 1 && pictures.length === 1
  if (!folders.length && pictures.length < 2 && !isOnePicture) return
  take(event)
  if (isOnePicture) addPicture(pictures[0], place.picture)
  else dropped({ folders, files }, place)
}

/** The editor does not handle this drop, and removes its mark of where it may be. */
function take(event) {
  event.preventDefault()
  event.stopImmediatePropagation()
  event.target.dispatchEvent(new DragEvent('dragleave', { bubbles: true }))
}

/** Lets a node load a file that was dragged out of Assets. Its value is replaced by a copy in the input folder. */
function onAsset(event) {
  let asset = {}
  try {
    asset = JSON.parse(event.dataTransfer.getData(ASSET))
  } catch {
    return
  }
  const { filename, subfolder, type } = asset
  const loader = isPicture(filename ?? '') ? { kind: PICTURE, widget: 'path' } : loaderOf(filename ?? '')
  if (!loader) return
  take(event)
  const place = placeOf(event)
  const path = subfolder ? `${subfolder}/${filename}` : filename
  const there = [place.under, place.picture].find((node) => node?.comfyClass === loader.kind)
  setWidget(there ?? addNode(loader.kind), loader.widget, type && type !== 'input' ? `${path} [${type}]` : path)
}

/** Returns where files were dropped: the node there, and the position on the canvas. */
function placeOf(event) {
  const canvas = app.canvas
  canvas.adjustMouseEvent(event)
  const position = [event.canvasX, event.canvasY]
  canvas.graph_mouse[0] = position[0]
  canvas.graph_mouse[1] = position[1]
  const element = event.target.closest?.('[data-node-id]')
  const isApp = isAppMode()
  const node = element ? canvas.graph.getNodeById(element.dataset.nodeId)
    : event.target === canvas.canvas ? canvas.graph.getNodeOnPos(...position) : null
  const nodes = app.graph.nodes
  return {
    position,
    isApp,
    under: node,
    node: setNode(node) ? node : isApp ? nodes.find((one) => setNode(one)) : null,
    picture: isApp ? nodes.find((one) => one.comfyClass === PICTURE) : null
  }
}

/** Returns whether the graph is shown as an app, without its canvas. */
export const isAppMode = () => Boolean(document.querySelector('[data-testid="linear-widgets"]')?.checkVisibility())

/** Uploads folders and files as one set, and lets a node load it. */
async function dropped({ folders, files }, place) {
  const unread = []
  let found = files.map((file) => ({ path: file.name, file }))
  const isOneFolder = folders.length === 1 && !found.length
  for (const folder of folders)
    found = found.concat(await filesIn(folder, isOneFolder ? '' : `${folder.name}/`, unread))
  const names = folders.map((folder) => folder.name)
  if (unread.length && !found.length) return notify('error', `${names.join(', ') || 'The folder'} can’t be read`, 'Check who may read it.')
  const name = names.length > 3 ? `${names.slice(0, 3).join(', ')} ...` : names.join(', ')
  await uploadTo(place?.node, { name: name || USUAL_NAME, files: found, unread, isLoose: !name }, () => addNode(SETS, place?.position))
}

/** Returns the files in a folder that was dropped, with their paths. */
async function filesIn(folder, start, unread) {
  const found = []
  const waiting = [[folder, start]]
  while (waiting.length) {
    const [current, path] = waiting.shift()
    const reader = current.createReader()
    for (;;) {
      const entries = await promised(reader, 'readEntries').catch(() => unread.push(path || current.name) && [])
      if (!entries.length) break
      for (const entry of entries) {
        if (entry.isDirectory) waiting.push([entry, `${path}${entry.name}/`])
        else {
          const file = await promised(entry, 'file').catch(() => unread.push(path + entry.name) && null)
          if (file) found.push({ path: path + entry.name, file })
        }
      }
    }
  }
  return found
}

const promised = (object, method) => new Promise((resolve, reject) => object[method](resolve, reject))

/** A pasted picture becomes a node that loads it, or the value of the selected one; several become a set. */
function onPaste(event) {
  const files = [...(event.clipboardData?.files ?? [])].filter(({ type }) => type.startsWith('image/'))
  const { target } = event
  const isText = ['INPUT', 'TEXTAREA'].includes(target?.tagName) || target?.isContentEditable
  if (!files.length || isText || document.querySelector('dialog[open]')) return
  event.preventDefault()
  event.stopImmediatePropagation()
  if (files.length > 1) return void dropped({ folders: [], files }, null)
  const selected = Object.values(app.canvas.selected_nodes ?? {}).find((node) => node.comfyClass === PICTURE)
  addPicture(named(files[0]), selected)
}

/** Returns a pasted picture under a name that says where it is from, instead of “image.png”. */
function named(file) {
  const suffix = file.name.slice(file.name.lastIndexOf('.'))
  return /^image\.\w+$/.test(file.name) ? new File([file], `pasted${suffix}`, { type: file.type }) : file
}
