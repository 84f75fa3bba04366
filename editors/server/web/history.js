// The history: what ran when, what was changed, and two runs beside each other.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { showDialog } from './dialog.js'

const MOST = 60 // runs that are listed
const WORDS = { completed: '', failed: 'failed', cancelled: 'stopped', in_progress: 'running', pending: 'waiting' }
let list // the element with the runs, while the tab is open
let chosen = [] // the runs to be compared

/** Adds a tab with the runs, and writes their graphs into the editor's own list of jobs. */
export function addHistory() {
  app.extensionManager.registerSidebarTab({
    id: 'artgraph-history',
    icon: 'pi pi-history',
    title: 'History',
    tooltip: 'History: what was changed from run to run',
    type: 'custom',
    render(element) {
      list = element
      show()
    },
    destroy() {
      list = undefined
    }
  })
  api.addEventListener('status', () => {
    if (list?.isConnected) show()
    forgetJobs()
  })
  new MutationObserver(nameJobs).observe(document.body, { childList: true, subtree: true })
}

async function jobs() {
  return (await (await api.fetchApi(`/jobs?limit=${MOST}`)).json()).jobs
}

async function show() {
  const found = await jobs()
  if (!list) return
  list.className = 'artgraph-history'
  const bar = make('p', chosen.length === 2 ? '' : 'Choose two runs to compare their pictures.')
  if (chosen.length === 2) {
    const button = bar.appendChild(make('button', 'Compare'))
    button.onclick = () => compare(chosen)
  }
  list.replaceChildren(make('h2', 'History'), bar, ...found.map(row))
  if (!found.length) list.append(make('p', 'There is no run yet.'))
}

function row(job) {
  const item = make('div')
  item.className = 'artgraph-job'
  item.dataset.job = job.id
  const picture = item.appendChild(make('div'))
  if (job.preview_output) picture.append(image(job.preview_output, 96))
  const text = item.appendChild(make('div'))
  text.append(make('b', nameOf(job)), make('small', [when(job), WORDS[job.status]].filter(Boolean).join(' · ')))
  for (const line of changesOf(job)) text.append(make('p', line))
  if (job.preview_output) {
    const box = text.appendChild(make('label'))
    const input = Object.assign(make('input'), { type: 'checkbox', checked: chosen.some(({ id }) => id === job.id) })
    input.onchange = () => {
      chosen = chosen.filter(({ id }) => id !== job.id)
      if (input.checked) chosen = [...chosen, job].slice(-2)
      show()
    }
    box.append(input, ' compare')
  }
  return item
}

const nameOf = (job) => job.artgraph?.graph?.replace(/\.ya?ml$/, '') ?? ''

function changesOf(job) {
  const changes = job.artgraph?.changes
  return !changes ? ['first run'] : changes.length ? changes : ['nothing was changed']
}

function when(job) {
  const time = new Date(job.create_time).toLocaleString([], { dateStyle: 'short', timeStyle: 'short' })
  const took = job.execution_end_time - job.execution_start_time
  return job.execution_end_time ? `${time} · ${(took / 1000).toFixed(1)} s` : time
}

function address({ filename, subfolder, type }) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`)
}

function image(file, size) {
  return Object.assign(make('img'), { src: address(file), loading: 'lazy', width: size, alt: file.filename })
}

/** Shows the pictures of two runs on top of each other, with a slider between them. */
async function compare(two) {
  const full = await Promise.all(two.map(async ({ id }) => (await api.fetchApi(`/jobs/${id}`)).json()))
  full.sort((a, b) => a.create_time - b.create_time)
  const files = full.map((job) => pictures(job))
  const names = [...files[0].keys()].filter((name) => files[1].has(name))
  const content = make('div')
  content.className = 'artgraph-compare'
  const choice = content.appendChild(make('select'))
  const all = names.length ? names : ['']
  choice.append(...all.map((name) => Object.assign(make('option', name), { value: name })))
  choice.hidden = all.length < 2
  const stage = content.appendChild(make('div'))
  const slider = content.appendChild(Object.assign(make('input'), { type: 'range', min: 0, max: 100, value: 50 }))
  slider.setAttribute('aria-label', 'Left the earlier run, right the later run')
  const legend = content.appendChild(make('p'))
  legend.append(make('span', `Left: ${when(full[0])}`), make('span', `Right: ${when(full[1])} · ${changesOf(full[1]).join(', ')}`))
  const draw = () => {
    const pick = (map) => (names.length ? map.get(choice.value) : map.values().next().value)
    const [before, after] = files.map(pick).map((file) => Object.assign(make('img'), { src: address(file), draggable: false }))
    stage.replaceChildren(after, before)
    const cut = () => (before.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`)
    slider.oninput = cut
    stage.onpointermove = (event) => {
      const { left, width } = stage.getBoundingClientRect()
      slider.value = (100 * (event.clientX - left)) / width
      cut()
    }
    cut()
  }
  choice.onchange = draw
  draw()
  showDialog(full.map(nameOf).filter((name, i, names) => names.indexOf(name) === i).join(' and '), content)
}

/** Returns the pictures of a run by their names. */
function pictures(job) {
  const files = Object.values(job.outputs).flatMap((output) => output.images ?? [])
  const saved = files.filter(({ type }) => type === 'output')
  return new Map((saved.length ? saved : files).map((file) => [file.filename, file]))
}

let known = new Map()
let asking

/** Reads the runs again, since one of them has begun or ended. */
function forgetJobs() {
  known = new Map()
  for (const row of document.querySelectorAll('[data-artgraph-of]')) delete row.dataset.artgraphOf
  nameJobs()
}

/** Writes the graph and the changes of each run into the editor's own list, and which were stopped. */
async function nameJobs() {
  const rows = [...document.querySelectorAll('[data-job-id]')].filter((row) => row.dataset.artgraphOf !== row.dataset.jobId)
  if (!rows.length) return
  if (rows.some((row) => !known.has(row.dataset.jobId))) {
    asking ??= jobs().then((found) => {
      known = new Map(found.map((job) => [job.id, job]))
      asking = undefined
    })
    await asking
  }
  for (const row of rows) {
    const job = known.get(row.dataset.jobId)
    row.dataset.artgraphOf = row.dataset.jobId
    const [title, detail] = row.querySelectorAll('span.truncate')
    for (const line of [title, detail]) delete line?.dataset.artgraph
    if (!detail || !job?.execution_end_time) continue
    const isStopped = job.status === 'cancelled'
    if (isStopped) title.dataset.artgraph = 'Stopped'
    detail.dataset.artgraph = [isStopped || job.status === 'failed' ? '' : detail.textContent, nameOf(job), changesOf(job).join(', ')]
      .filter(Boolean).join(' · ')
    for (const line of [title, detail]) line.title = line.dataset.artgraph ?? line.textContent
  }
}

function make(kind, text) {
  const result = document.createElement(kind)
  if (text !== undefined) result.textContent = text
  return result
}
