// The names and the help of a graph's knobs, in App mode and on their nodes.

import { app } from '/scripts/app.js'
import { said } from './language.js'
import { everyNode } from './nodes.js'
import { capital } from './notes.js'

const ACRONYMS = /\b(cnn|fps|gan|vae)\b/gi
const words = (name) => said(capital(name.replaceAll('_', ' ').replace(ACRONYMS, (word) => word.toUpperCase())))
const extra = () => app.graph.extra ?? {}

/** Names the knobs in App mode, and shows what they do. */
export function nameKnobs() {
  for (const [, node] of everyNode()) if (node.type === 'PrimitiveNode') nameKnob(node)
  for (const [id, input] of extra().linearData?.inputs ?? []) {
    const node = app.graph.getNodeById(id)
    const widget = node?.widgets?.find(({ name }) => name === input)
    const name = node?.properties?.artgraph?.name
    if (widget?.options?.values && name && node.type !== 'PrimitiveNode') widget.label = words(name)
  }
}

/** Names knobs that the editor has made anew, such as those that were moved into a subgraph. */
export function nameNewKnobs() {
  for (const [, node] of everyNode())
    if (node.type === 'PrimitiveNode' && node.widgets?.length && !node.widgets[0].label) nameKnob(node)
}

/** Returns the name of a node in words, unless the user has given it a title. */
export function nameInWords(node) {
  const { name, title = name } = node.properties?.artgraph ?? {}
  return name && node.title === title ? words(name) : node.title
}

function nameKnob(node) {
  const widget = node.widgets?.[0]
  if (!widget) return
  widget.label = nameInWords(node)
  const { name } = node.properties?.artgraph ?? {}
  const about = extra().artgraph?.knobs?.[name]?.about
  if (about) widget.tooltip = said(about)
  if (!isSeed(node)) dropControl(node)
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
