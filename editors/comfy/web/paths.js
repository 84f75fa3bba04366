// A text can be wired to a path, which is a list to choose from. `fits` in folders.py accepts it.
import { app } from '/scripts/app.js'

const WITH_TEXT = 'COMBO,STRING' // a primitive of the editor follows the definition, which is COMBO

function widen(node) {
  const { required, optional } = node.constructor?.nodeData?.input ?? {}
  if (!node.comfyClass?.startsWith('Artgraph_')) return
  for (const slot of node.inputs ?? []) {
    const [kind, options] = required?.[slot.widget?.name] ?? optional?.[slot.widget?.name] ?? []
    if (kind === 'COMBO' && options?.artgraph_paths) slot.type = WITH_TEXT
  }
}

app.registerExtension({ name: 'artgraph.paths', nodeCreated: widen, loadedGraphNode: widen })
