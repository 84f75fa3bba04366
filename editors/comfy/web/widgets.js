// Restores widget values by name. ComfyUI's editor saves them by position, so that a graph saved
// before one of our nodes got another widget would be loaded with wrong values.
import { app } from '/scripts/app.js'

const CONTROLS = ['fixed', 'increment', 'decrement', 'randomize']

const seeds = new Map() // for each class, the names of its widgets with a "control after generate"

app.registerExtension({
  name: 'artgraph.widgets',
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!nodeData.name.startsWith('Artgraph_')) return
    const inputs = Object.entries({ ...nodeData.input?.required, ...nodeData.input?.optional })
    const controlled = inputs.filter(([, input]) => input[1]?.control_after_generate)
    seeds.set(nodeData.name, new Set(controlled.map(([name]) => name)))
  },
  // Older versions of the editor would draw another seed after each run, which trains again.
  nodeCreated(node) {
    node.widgets?.forEach((widget, place) => {
      const control = node.widgets[place + 1]
      if (seeds.get(node.comfyClass)?.has(widget.name) && CONTROLS.includes(control?.value)) control.value = 'fixed'
    })
  },
  beforeConfigureGraph(graph) {
    const inner = (graph.definitions?.subgraphs ?? []).flatMap((subgraph) => subgraph.nodes ?? [])
    for (const node of [...(graph.nodes ?? []), ...inner]) {
      if (node.type?.startsWith?.('Artgraph_')) putInOrder(node)
    }
  }
})

function putInOrder(node) {
  const saved = valuesByName(node)
  const widgets = saved && window.LiteGraph.createNode(node.type)?.widgets
  if (!widgets) return
  let last = ''
  node.widgets_values = widgets
    .filter((widget) => widget.serialize !== false)
    .map((widget) => {
      const isControl = seeds.get(node.type)?.has(last) && CONTROLS.includes(widget.value)
      last = isControl ? `${last} control` : widget.name
      return saved.has(last) ? saved.get(last) : widget.value
    })
}

// Returns null if the graph does not contain the names of all values.
function valuesByName(node) {
  const names = (node.inputs ?? []).filter((input) => input.widget).map((input) => input.name)
  const values = Array.isArray(node.widgets_values) ? [...node.widgets_values] : []
  const saved = new Map()
  for (const name of names) {
    if (!values.length) return null
    saved.set(name, values.shift())
    const hasControl = seeds.get(node.type)?.has(name) && CONTROLS.includes(values[0])
    if (hasControl) saved.set(`${name} control`, values.shift())
  }
  return values.length ? null : saved
}
