// The curves of a training as one plot in the colours of the editor's palette.

import { showDialog } from './dialog.js'

const SVG = 'http://www.w3.org/2000/svg'
const [WIDTH, HEIGHT, FOOT] = [300, 96, 14] // size of the plot, and of the line with steps below
const MOST = 400 // points of a curve

/** Returns an element with the curves of a table: each over its own range, with its values below. */
export function plot({ x, columns }) {
  const box = document.createElement('div')
  box.className = 'artgraph-curves'
  const svg = box.appendChild(document.createElementNS(SVG, 'svg'))
  svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT + FOOT}`)
  const steps = columns[x]
  add(svg, 'path', { d: `M0 ${HEIGHT}H${WIDTH}`, class: 'artgraph-axis' })
  const names = Object.keys(columns).filter((name) => name !== x)
  names.forEach((name, i) => drawCurve(svg, steps, columns[name], i, WIDTH, HEIGHT))
  label(svg, 0, 'start', steps[0])
  label(svg, WIDTH, 'end', `${x} ${short(steps.at(-1))}`)
  const legend = box.appendChild(document.createElement('div'))
  names.forEach((name, i) => legend.append(entry(name, columns[name], i)))
  box.title = 'Click to enlarge'
  box.onclick = () => showDialog('Curves', panels(x, columns))
  return box
}

/** Returns the curves in large: a panel with an axis for each. */
function panels(x, columns) {
  const grid = document.createElement('div')
  grid.className = 'artgraph-panels'
  const names = Object.keys(columns).filter((name) => name !== x)
  names.forEach((name, i) => {
    const panel = grid.appendChild(document.createElement('div'))
    panel.className = 'artgraph-curves'
    panel.append(entry(name, columns[name], i))
    const svg = panel.appendChild(document.createElementNS(SVG, 'svg'))
    svg.setAttribute('viewBox', `0 0 460 ${200 + 18}`)
    const inner = add(svg, 'svg', { x: 60, y: 6, width: 396, height: 190, overflow: 'visible' })
    add(inner, 'path', { d: 'M0 190H396M0 0V190', class: 'artgraph-axis' })
    drawCurve(inner, columns[x], columns[name], i, 396, 190)
    const [low, high] = range(columns[name])
    for (const [y, value] of [[12, high], [196, low]]) add(svg, 'text', { x: 54, y, 'text-anchor': 'end' }, short(value))
    add(svg, 'text', { x: 60, y: 212 }, short(columns[x][0]))
    add(svg, 'text', { x: 456, y: 212, 'text-anchor': 'end' }, `${x} ${short(columns[x].at(-1))}`)
  })
  return grid
}

function drawCurve(svg, steps, values, number, width, height) {
  const [low, high] = range(values)
  const [first, last] = range(steps)
  const points = steps
    .map((step, i) => [step, values[i]])
    .filter(([, value]) => Number.isFinite(value))
    .map(([step, value]) => [
      ((step - first) / (last - first || 1)) * width,
      high === low ? height / 2 : height - 4 - ((value - low) / (high - low)) * (height - 8)
    ])
  if (points.length) {
    const d = 'M' + points.map((point) => point.map((n) => n.toFixed(1)).join(' ')).join('L')
    add(svg, 'path', { d, class: `artgraph-curve artgraph-hue-${number % 8}` })
  }
}

function entry(name, values, number) {
  const known = values.filter(Number.isFinite)
  const result = document.createElement('span')
  result.className = `artgraph-hue-${number % 8}`
  const text = known.length ? ` ${short(known[0])} → ${short(known.at(-1))}` : ''
  result.append(Object.assign(document.createElement('i'), { textContent: '━ ' }), name + text)
  return result
}

function label(svg, at, anchor, text) {
  add(svg, 'text', { x: at, y: HEIGHT + FOOT - 2, 'text-anchor': anchor }, typeof text === 'number' ? short(text) : text)
}

function add(parent, kind, attributes, text) {
  const child = parent.appendChild(document.createElementNS(SVG, kind))
  for (const [name, value] of Object.entries(attributes)) child.setAttribute(name, value)
  if (text !== undefined) child.textContent = text
  return child
}

function range(values) {
  const known = values.filter(Number.isFinite)
  return known.length ? [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))] : [0, 0]
}

function short(value) {
  if (Number.isInteger(value)) return String(value)
  return String(Number(value.toPrecision(3)))
}

/** Adds rows to curves that are drawn while a training runs. Returns a limited number of rows. */
export function joined(before, columns, first) {
  const result = {}
  for (const [name, cells] of Object.entries(columns)) {
    const all = [...(before?.[name] ?? []).slice(0, first), ...cells]
    result[name] = all
  }
  return result
}

export function thinned(columns) {
  const count = Object.values(columns)[0]?.length ?? 0
  if (count <= MOST) return columns
  const at = Array.from({ length: MOST }, (_, i) => Math.round((i * (count - 1)) / (MOST - 1)))
  return Object.fromEntries(Object.entries(columns).map(([name, cells]) => [name, at.map((i) => cells[i])]))
}
