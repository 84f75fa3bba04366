// The nodes of the open graph, also those in subgraphs, by the ids that the server uses for them.

import { app } from '/scripts/app.js'

const root = () => app.rootGraph ?? app.graph

export const activePath = () => app.extensionManager?.workflow?.activeWorkflow?.path

/** Returns the name of the file of an open graph, as the server writes it. */
export const graphFile = (path = activePath()) =>
  path?.replace(/^workflows\//, '').replace(/(\.app)?\.json$/, '') + '.yaml'

/** Yields each node with its id: those in subgraphs have ids like 6:3. */
export function* everyNode(graph = root(), prefix = '') {
  for (const node of graph?.nodes ?? []) {
    yield [`${prefix}${node.id}`, node]
    if (node.subgraph) yield* everyNode(node.subgraph, `${prefix}${node.id}:`)
  }
}

export function findNode(id) {
  let graph = root()
  let node
  for (const part of String(id).split(':')) {
    node = graph?.nodes?.find((one) => String(one.id) === part)
    graph = node?.subgraph
  }
  return node
}

/** Returns the ids of a node: several if its subgraph is used several times. */
export function idsOf(node) {
  return [...everyNode()].filter(([, other]) => other === node).map(([id]) => id)
}

/** Returns the name under which the editor stores the results of a node. */
export function locatorOf(node) {
  const inside = node.graph && node.graph !== root() ? `${node.graph.id}:` : ''
  return editorStore('workflow')?.nodeToNodeLocatorId?.(node) ?? `${inside}${node.id}`
}

/** Returns a store of the editor's page; undefined in versions that do not have it. */
export function editorStore(name) {
  const vue = document.querySelector('#vue-app')?.__vue_app__
  return vue?.config.globalProperties.$pinia?._s.get(name)
}

/** Returns the widget that contains the value: of the node, or of a knob that is wired to it; null if it has no widget. */
export function valuePlace(node, name) {
  const slot = node.inputs?.findIndex((input) => input.widget?.name === name && input.link != null) ?? -1
  if (slot < 0) return node.widgets?.find((widget) => widget.name === name) ?? null
  const source = node.getInputNode(slot)
  return source?.isVirtualNode || source?.type?.startsWith('Primitive') ? source.widgets?.[0] ?? null : null
}
