// Places for new nodes, so that none hides another one.

const NEAR = 16 // pixels within which a node would hide another one
const STEP = 32 // pixels by which it is moved

/** Moves what is pasted if it would hide nodes that are there. */
export function keepApart() {
  const { prototype } = window.LGraphCanvas
  const paste = prototype._deserializeItems
  if (!paste) return // an older version of the editor
  prototype._deserializeItems = function (items, options = {}) {
    if (this.pointer?.isDown) return paste.call(this, items, options) // a copy is being dragged
    const position = options.position ?? this.graph_mouse
    return paste.call(this, items, { ...options, position: freePlace(this.graph, position, offsets(items)) })
  }
}

/** Returns the places of pasted nodes, from the left upper corner of all that is pasted. */
function offsets({ nodes = [], reroutes = [], groups = [] }) {
  const all = [...nodes, ...reroutes].map(({ pos }) => pos).concat(groups.map(({ bounding }) => bounding))
  const [left, top] = [0, 1].map((axis) => Math.min(...all.map((pos) => pos[axis])))
  return nodes.map(({ pos }) => [pos[0] - left, pos[1] - top])
}

/** Returns the first place to the right and below at which a node hides no other one. */
export function freePlace(graph, [x, y], parts = [[0, 0]]) {
  const isNear = (node) => parts.some(([left, top]) => Math.abs(node.pos[0] - x - left) < NEAR && Math.abs(node.pos[1] - y - top) < NEAR)
  while ((graph?.nodes ?? []).some(isNear)) [x, y] = [x + STEP, y + STEP]
  return [x, y]
}
