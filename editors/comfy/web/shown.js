// What a node of artgraph shows in ComfyUI: its progress, messages, tables, curves and films; and the
// names of knobs.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { nameKnobs } from './knobs.js'
import { findNode } from './nodes.js'
import { curvesSoFar, dropPreview, element, forgetCurves, growCurves, keepShown, showNote, showOutput, warning } from './notes.js'

const running = new Map() // the lines on the nodes of this run, by the node's id

app.registerExtension({
  name: 'artgraph.shown',
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name.startsWith('Artgraph_')) showOn(nodeType)
  },
  afterConfigureGraph() {
    if (app.graph.extra?.artgraph) nameKnobs()
  },
  setup() {
    api.addEventListener('execution_start', () => {
      running.clear()
      forgetCurves()
    })
    api.addEventListener('artgraph.progress', ({ detail: { node, lines, warnings } }) => {
      running.set(String(node), [...warnings.map(warning), ...lines.map((line) => element('p', line))])
      showRunning(node)
    })
    api.addEventListener('artgraph.curves', ({ detail }) => {
      growCurves(detail)
      showRunning(detail.node)
    })
  }
})

/** Shows how far a node is that runs. */
function showRunning(id) {
  const node = findNode(id)
  if (node) showNote(node, [...(running.get(String(id)) ?? []), ...curvesSoFar(id)])
}

/** Makes the nodes of a type show their results. */
function showOn(nodeType) {
  const { onExecuted, onDrawForeground } = nodeType.prototype
  nodeType.prototype.onExecuted = function (output) {
    if (output?.images?.length) dropPreview(this)
    onExecuted?.apply(this, arguments)
    showOutput(this, output)
  }
  nodeType.prototype.onDrawForeground = function () {
    onDrawForeground?.apply(this, arguments)
    keepShown(this)
  }
}
