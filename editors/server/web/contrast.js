// What is drawn on the canvas: the names of wired values and the titles of groups are readable in every palette.

import { app } from '/scripts/app.js'

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

const TITLE = 0.7 // share of black or white in a group's title; the rest is the colour of the group
const BAR = 0.44 // share of the group's colour in the bar behind its title

/** Draws the titles of groups in a colour that is readable on their bars. */
export function drawGroups() {
  const { prototype, defaultColour } = LiteGraph.LGraphGroup
  const { draw } = prototype
  prototype.draw = function (canvas, ...rest) {
    const color = this.color || defaultColour
    this._lastTitleBgColor = color // the editor has chosen the colour of the title for this one
    this._titleTextColor = titleColor(color, canvas.clear_background_color || '#222')
    return draw.call(this, canvas, ...rest)
  }
}

/** Draws the brackets at both sides of a subgraph in the colour of names instead of white. */
export function drawSides() {
  const side = app.canvas?.subgraph?.inputNode
  for (let kind = side && Object.getPrototypeOf(side); kind; kind = Object.getPrototypeOf(kind))
    if (Object.getOwnPropertyDescriptor(kind, 'sideStrokeStyle')?.get)
      Object.defineProperty(kind, 'sideStrokeStyle', { configurable: true, get: () => LiteGraph.NODE_TEXT_COLOR })
}

const titles = new Map()

function titleColor(color, ground) {
  const key = `${color} ${ground}`
  if (!titles.has(key)) {
    const own = parts(color)
    const bar = parts(ground).map((part, i) => part * (1 - BAR) + own[i] * BAR)
    const ink = bar[0] * 0.3 + bar[1] * 0.59 + bar[2] * 0.11 < 140 ? 255 : 0
    titles.set(key, `rgb(${own.map((part) => Math.round(part * (1 - TITLE) + ink * TITLE)).join()})`)
  }
  return titles.get(key)
}

/** Returns red, green and blue of a colour. */
function parts(color) {
  const context = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d')
  context.fillStyle = color
  context.fillRect(0, 0, 1, 1)
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
}
