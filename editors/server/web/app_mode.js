// App mode: its first page with cards, the names and the help of its inputs; and how a graph opens.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { showDialog } from './dialog.js'
import { nameKnobs } from './knobs.js'
import { notify } from './menu.js'
import { capital } from './notes.js'

const USUAL = 'artgraph_app' // in a workflow: the inputs and outputs that nobody has chosen
const READABLE = 0.7 // smallest scale at which a graph opens
const TITLE = 30 // height of a node's title
const EDGES = [88, 96, 24, 60] // space for the bars of the editor: left, top, right, bottom
const FOLDER = 'choose a folder of pictures' // the name of a button of files.js
const CARDS = [ // the first page offers these graphs
  ['my_gan', 'Train on my pictures'],
  ['morph_two', 'Morph two pictures'],
  ['sort', 'Sort my archive'],
  ['style_remix', 'Remix styles']
]

const extra = () => app.graph.extra ?? {}

/** Shows a card for each of some graphs, and what the open graph does, until App mode has results. */
export function addCards() {
  let waits = false
  new MutationObserver(() => {
    if (waits) return
    waits = true
    requestAnimationFrame(() => {
      waits = false
      const page = document.querySelector('[data-testid="linear-welcome"]')
      if (page && page.dataset.artgraph !== key()) fill(page)
    })
  }).observe(document.body, { childList: true, subtree: true })
}

const key = () => `${app.extensionManager.workflow.activeWorkflow?.path} ${Boolean(extra().linearData?.outputs?.length)}`

function fill(page) {
  page.dataset.artgraph = key()
  page.querySelector('.artgraph-start')?.remove()
  const box = element('div', 'artgraph-start')
  const { title, about } = extra().artgraph ?? {}
  if (extra().linearData?.outputs?.length) {
    const run = element('button', 'artgraph-run-button', 'Run')
    run.onclick = () => app.extensionManager.command.execute('Comfy.QueuePrompt')
    const name = app.extensionManager.workflow.activeWorkflow?.filename ?? ''
    box.append(element('h2', '', title ?? name), element('p', '', about ?? ''), ...folderButton(), run)
  }
  box.append(element('h3', '', 'Or begin with'), allCards())
  page.append(box)
}

/** Returns a button that chooses the folder of the first input that is one, or nothing. */
function folderButton() {
  const [[id] = []] = (extra().linearData?.inputs ?? []).filter(([, input]) => input === FOLDER)
  const widget = app.graph.getNodeById(id)?.widgets?.find(({ name }) => name === FOLDER)
  if (!widget) return []
  const button = element('button', 'artgraph-folder-button', capital(FOLDER))
  button.onclick = () => widget.callback()
  return [button]
}

/** Shows the cards of the first page, which the results of a graph replace. */
export function showStart() {
  const cards = allCards()
  cards.addEventListener('click', () => cards.closest('dialog')?.close())
  showDialog('Begin with', cards)
}

function allCards() {
  const cards = element('div', 'artgraph-cards')
  for (const [name, text] of CARDS) cards.append(card(name, text))
  return cards
}

function card(name, text) {
  const button = element('button', 'artgraph-card')
  const picture = Object.assign(element('img'), { src: api.fileURL(`/templates/${name}-1.webp`), alt: '' })
  button.append(picture, element('span', '', text))
  button.onclick = async () => {
    const answer = await api.fetchApi(`/templates/${name}.json`)
    if (answer.ok) await app.loadGraphData(await answer.json(), true, true, name)
    else notify('error', 'The graph cannot be opened', await answer.text())
  }
  return button
}

/** Chooses the inputs and outputs of App mode again when it opens, unless the user has chosen some. */
export function followGraph() {
  const { commands } = app.extensionManager.command
  const toggle = commands.find(({ id }) => id === 'Comfy.ToggleLinear')
  if (!toggle) return
  const act = toggle.function
  toggle.function = async (...args) => {
    await chooseAgain().catch(() => {}) // App mode then shows what it showed before
    return act(...args)
  }
}

async function chooseAgain() {
  const { linearData, [USUAL]: usual } = extra()
  if (linearData && JSON.stringify(linearData) !== JSON.stringify(usual)) return
  const body = JSON.stringify(app.graph.serialize())
  const answer = await (await api.fetchApi('/artgraph/app', { method: 'POST', body })).json()
  if (!answer.app) return
  for (const input of answer.app.inputs) { // the editor names the widget of a new knob otherwise
    const node = app.graph.getNodeById(input[0])
    if (node?.type === 'PrimitiveNode') input[1] = node.widgets?.[0]?.name ?? input[1]
  }
  Object.assign(app.graph.extra, { linearData: answer.app, [USUAL]: structuredClone(answer.app) })
  const pinia = document.querySelector('#vue-app')?.__vue_app__?.config.globalProperties.$pinia
  pinia?._s.get('appMode')?.loadSelections?.(answer.app)
  nameKnobs()
}

/** Opens a graph as a whole; a large graph at a readable size, at its first group. */
export function openReadable() {
  const { ds } = app.canvas
  if (!ds.fitToBounds) return // an older version of the editor
  const fit = ds.fitToBounds.bind(ds)
  ds.fitToBounds = (bounds, options) => {
    fit(bounds, options)
    const [left, top, width, height] = options?.viewport ?? [0, 0, innerWidth, innerHeight]
    const [x, y] = [left + EDGES[0], top + EDGES[1]]
    const room = [width - EDGES[0] - EDGES[2], height - EDGES[1] - EDGES[3]]
    const scaleOf = (box) => Math.min(1, room[0] / box[2], room[1] / box[3])
    const box = scaleOf(bounds) < READABLE ? firstGroup() ?? bounds : bounds
    ds.scale = Math.max(READABLE, scaleOf(box))
    ds.offset[0] = x / ds.scale - box[0]
    ds.offset[1] = y / ds.scale - box[1]
  }
}

/** Returns the box of the topmost group, the knobs, and the note about the graph; null without groups. */
function firstGroup() {
  const groups = [...(app.canvas.graph?.groups ?? [])].sort((a, b) => a.pos[1] - b.pos[1] || a.pos[0] - b.pos[0])
  if (!groups.length) return null
  const { pos: [x, y], size: [width, height] } = groups[0]
  const { nodes } = app.canvas.graph
  const knobs = nodes.filter((node) => node.type === 'PrimitiveNode' && node.pos[0] < x)
  const note = nodes.filter((node) => node.properties?.artgraph === 'about' && node.pos[1] < y)
  const left = Math.min(x, ...knobs.map((node) => node.pos[0]))
  const top = Math.min(y, ...note.map((node) => node.pos[1] - TITLE))
  return [left, top, x + width - left, y + height - top]
}

function element(kind, className = '', text = '') {
  return Object.assign(document.createElement(kind), { className, textContent: text })
}
