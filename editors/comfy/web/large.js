// Small pictures on nodes, drawn as large as their nodes. ComfyUI's editor draws a single picture at most at its
// own size on the classic canvas.

import { app } from '/scripts/app.js'

const SIZE = /^\d+ × \d+$/ // the line about the size of a picture
const LARGE = 2048 // the size as which a picture is drawn, if its node has the space

app.registerExtension({
  name: 'artgraph.large',
  beforeRegisterNodeDef(nodeType, nodeData) {
    const { drawWidgets } = nodeType.prototype
    if (!drawWidgets || !nodeData.name.startsWith('Artgraph_')) return
    nodeType.prototype.drawWidgets = function (context, ...rest) {
      const restore = enlarge(pictureOf(this), context)
      try {
        return drawWidgets.call(this, context, ...rest)
      } finally {
        restore()
      }
    }
  }
})

/** Returns the only or chosen picture of a node. */
function pictureOf(node) {
  const { imgs, imageIndex } = node
  return imgs?.[imgs.length === 1 ? 0 : imageIndex]
}

/** Makes a picture seem large, but not in the line about its size. Returns a function that undoes this. */
function enlarge(picture, context) {
  const [width, height] = [picture?.naturalWidth, picture?.naturalHeight]
  const factor = LARGE / Math.max(width, height)
  if (!(factor > 1 && Number.isFinite(factor))) return () => {}
  Object.defineProperty(picture, 'naturalWidth', { configurable: true, value: width * factor })
  Object.defineProperty(picture, 'naturalHeight', { configurable: true, value: height * factor })
  const { fillText } = context
  context.fillText = (text, ...where) => fillText.call(context, SIZE.test(text) ? `${width} × ${height}` : text, ...where)
  return () => {
    delete picture.naturalWidth
    delete picture.naturalHeight
    delete context.fillText
  }
}
