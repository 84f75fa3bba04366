// The lists of files and folders in widgets, read again after a file was saved.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { editorStore, everyNode } from './nodes.js'

const lists = new Map() // from the class of a node to the names of its widgets that list files

app.registerExtension({
  name: 'artgraph.lists',
  beforeRegisterNodeDef(nodeType, nodeData) {
    const inputs = Object.entries({ ...nodeData.input?.required, ...nodeData.input?.optional })
    const names = inputs.filter(([, input]) => input[1]?.artgraph_paths).map(([name]) => name)
    if (names.length) lists.set(nodeData.name, names)
  },
  setup() {
    api.addEventListener('executed', ({ detail }) => {
      if (detail.output?.artgraph_saved?.length) readSoon()
    })
  }
})

let timer

/** Reads the lists again, once for several files. */
function readSoon() {
  clearTimeout(timer)
  timer = setTimeout(() => Promise.all([...lists.keys()].map(read)), 300)
}

async function read(type) {
  const answer = await api.fetchApi(`/object_info/${type}`).catch(() => null)
  const definition = answer?.ok ? (await answer.json())[type] : null
  if (!definition) return
  await app.registerNodeDef?.(type, definition) // for nodes that are made from now on
  for (const name of lists.get(type)) {
    const values = valuesOf(definition, name)
    if (values) for (const [, node] of everyNode()) offer(node, type, name, values)
  }
}

/** Returns the values of a list, which each version of ComfyUI's node API writes in its own way. */
function valuesOf({ input }, name) {
  const [kind, options] = { ...input?.required, ...input?.optional }[name] ?? []
  return Array.isArray(kind) ? kind : options?.options
}

/** Sets the values of a widget, and of a primitive that is wired to it. */
function offer(node, type, name, values) {
  if (node.comfyClass !== type) return
  const widget = node.widgets?.find((one) => one.name === name)
  const slot = node.inputs?.findIndex((input) => input.widget?.name === name && input.link != null) ?? -1
  const source = slot < 0 ? null : node.getInputNode(slot)
  setValues(node, widget, values)
  if (source?.type === 'PrimitiveNode') setValues(source, source.widgets?.[0], values)
}

/** Sets the values of a widget, also where Nodes 2.0 draw it: only a change of the editor's store is noticed. */
function setValues(node, widget, values) {
  if (!widget?.options?.values) return
  const states = editorStore('widgetValue')?.getNodeWidgets?.((app.rootGraph ?? app.graph).id, node.id) ?? []
  for (const { name, options } of states) if (name === widget.name && options) options.values = values
  widget.options.values = values
}
