// Values by name: ComfyUI's editor keeps them by position, so that a graph saved before a node of
// ours got another widget would come back with wrong values.
import { app } from '/scripts/app.js'

const CONTROLS = ['fixed', 'increment', 'decrement', 'randomize']

app.registerExtension({
  name: 'artgraph.widgets',
  beforeConfigureGraph(graph) {
    const inner = (graph.definitions?.subgraphs ?? []).flatMap((subgraph) => subgraph.nodes ?? [])
    for (const node of [...(graph.nodes ?? []), ...inner]) {
      if (node.type?.startsWith?.('Artgraph_')) putInOrder(node)
    }
  }
})

function putInOrder(node) {
  const saved = valuesByName(node)
  const known = saved && window.LiteGraph.createNode(node.type)?.widgets
  if (!known) return
  let last = ''
  node.widgets_values = known
    .filter((widget) => widget.serialize !== false)
    .map((widget) => {
      const isControl = last === 'seed' && CONTROLS.includes(widget.value)
      last = isControl ? 'seed control' : widget.name
      return saved.has(last) ? saved.get(last) : widget.value
    })
}

// Nothing where the graph does not tell the names of all values.
function valuesByName(node) {
  const names = (node.inputs ?? []).filter((input) => input.widget).map((input) => input.name)
  const values = Array.isArray(node.widgets_values) ? [...node.widgets_values] : []
  const saved = new Map()
  for (const name of names) {
    if (!values.length) return null
    saved.set(name, values.shift())
    if (name === 'seed' && CONTROLS.includes(values[0])) saved.set('seed control', values.shift())
  }
  return values.length ? null : saved
}
