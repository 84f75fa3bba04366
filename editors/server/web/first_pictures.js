// App mode: the picture that a person waits for comes first, and small pictures are enlarged without blurring.

import { app } from '/scripts/app.js'
import { editorStore } from './nodes.js'

const PANEL = '[data-testid="linear-center-panel"] img.object-contain, img.object-contain.contain-size' // the large picture
const watched = new WeakSet() // pictures that follow the size of their place
let sorted = null // the list of results that is kept in order

/** Orders the results of each run as App mode names its outputs, and shows small pictures well. */
export function showFirst() {
  new MutationObserver(keepOrder).observe(document.body, { childList: true, subtree: true })
  document.addEventListener('load', ({ target }) => target.matches?.(PANEL) && enlarge(target), true)
}

/** The editor orders the results of a run by the numbers of nodes, and shows the first of them. */
function keepOrder() {
  const results = raw(editorStore('linearOutput')?.resolvedOutputsCache)
  if (!results || results === sorted) return
  sorted = results
  const set = results.set.bind(results)
  results.set = (run, outputs) => set(run, outputs.sort(byPlace)) // in place: the editor has no other list
}

const raw = (object) => object?.__v_raw ?? object // what Vue watches

const places = () => new Map((app.graph.extra?.linearData?.outputs ?? []).map((id, place) => [String(id), place]))

function byPlace(one, other) {
  const order = places()
  const [first, second] = [one, other].map(({ nodeId }) => order.get(String(nodeId)) ?? order.size)
  return first - second || String(one.filename).localeCompare(String(other.filename), 'en', { numeric: true })
}

/** Shows each pixel of a small picture as a square of the same size. */
function enlarge(picture) {
  if (!watched.has(picture)) {
    watched.add(picture)
    new ResizeObserver(() => enlarge(picture)).observe(picture.parentElement)
  }
  const { naturalWidth: width, naturalHeight: height, style } = picture
  style.padding = style.imageRendering = ''
  const place = [picture.offsetWidth, picture.offsetHeight]
  const dots = window.devicePixelRatio || 1
  const times = Math.floor(Math.min(place[0] / width, place[1] / height) * dots)
  if (!width || times < 1) return
  const [across, down] = [width, height].map((side, axis) => Math.max(0, place[axis] - (side * times) / dots) / 2)
  style.padding = `${down}px ${across}px`
  if (times > 1) style.imageRendering = 'pixelated'
}
