// Nodes that are drawn on the canvas: the names of wired values are readable in every palette.

const WIRED = 0.95 // smallest opacity of a wired value's name, as a share of its node's; the editor uses half
const alpha = Object.getOwnPropertyDescriptor(CanvasRenderingContext2D.prototype, 'globalAlpha')

/** Draws the names of wired values more clearly on all nodes of a type. */
export function drawClearly(nodeType) {
  const { drawWidgets } = nodeType.prototype
  if (!drawWidgets) return
  nodeType.prototype.drawWidgets = function (context, options) {
    const least = WIRED * (options?.editorAlpha ?? 1)
    Object.defineProperty(context, 'globalAlpha', {
      configurable: true,
      get: () => alpha.get.call(context),
      set: (value) => alpha.set.call(context, Math.max(value, least))
    })
    try {
      return drawWidgets.call(this, context, options)
    } finally {
      delete context.globalAlpha
    }
  }
}

let cleared // the colour of names that was set here

/** Moves the colour of names half-way to that of values, once for each palette. */
export function clearNames() {
  if (LiteGraph.WIDGET_SECONDARY_TEXT_COLOR === cleared) return
  const [name, value] = [LiteGraph.WIDGET_SECONDARY_TEXT_COLOR, LiteGraph.WIDGET_TEXT_COLOR].map(parts)
  cleared = `rgb(${name.map((part, i) => Math.round((part + value[i]) / 2)).join()})`
  LiteGraph.WIDGET_SECONDARY_TEXT_COLOR = cleared
}

/** Returns red, green and blue of a colour. */
function parts(color) {
  const context = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d')
  context.fillStyle = color
  context.fillRect(0, 0, 1, 1)
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
}
