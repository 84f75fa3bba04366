// The names and the help of a graph's knobs, in App mode and on their nodes.

import { app } from '/scripts/app.js'
import { capital } from './notes.js'

const ACRONYMS = /\b(cnn|fps|gan|vae)\b/gi
const words = (name) => capital(name.replaceAll('_', ' ').replace(ACRONYMS, (word) => word.toUpperCase()))
const extra = () => app.graph.extra ?? {}

/** Names the knobs in App mode, and shows what they do. */
export function nameKnobs() {
  const knobs = extra().artgraph?.knobs ?? {}
  for (const node of app.graph.nodes) {
    const widget = node.type === 'PrimitiveNode' && node.widgets?.[0]
    if (!widget) continue
    const { name, title = name } = node.properties?.artgraph ?? {}
    widget.label = name && node.title === title ? words(name) : node.title
    const about = knobs[name]?.about
    if (about) widget.tooltip = about
    if (!isSeed(node)) dropControl(node)
  }
  for (const [id, input] of extra().linearData?.inputs ?? []) {
    const node = app.graph.getNodeById(id)
    const widget = node?.widgets?.find(({ name }) => name === input)
    const name = node?.properties?.artgraph?.name
    if (widget?.options?.values && name && node.type !== 'PrimitiveNode') widget.label = words(name)
  }
}

/** Returns whether a knob is wired to a seed. */
function isSeed(node) {
  return (node.getOutputNodes(0) ?? []).some((target) => {
    const options = target.constructor.nodeData?.input?.required ?? {}
    return target.inputs.some((input, slot) =>
      target.getInputNode(slot) === node && options[input.widget?.name]?.[1]?.control_after_generate)
  })
}

/** Removes the choice of what happens to a number after a run, unless the user has used it. */
function dropControl(node) {
  const [value, control, ...others] = node.widgets
  if (control?.value !== 'fixed' || others.some((widget) => widget.value)) return
  for (const widget of [control, ...others]) node.widgets.splice(node.widgets.indexOf(widget), 1)
  value.linkedWidgets = []
}
