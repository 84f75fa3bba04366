// How far the run is: a line at the bottom, the title of the tab, and the editor's own figures.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { notify } from './menu.js'
import { setFailure, setWords, shared } from './words.js'

let current = null // the last message about the run, or null if nothing runs
const box = document.createElement('div')
box.className = 'artgraph-progress'

export function followProgress() {
  box.hidden = true
  document.body.append(box)
  api.addEventListener('artgraph.progress', ({ detail }) => {
    current = detail
    knowNodes(detail.prompt_id)
    show()
  })
  for (const kind of ['execution_success', 'execution_error', 'execution_interrupted'])
    api.addEventListener(kind, () => {
      current = null
      show()
    })
  api.addEventListener('execution_interrupted', ({ detail }) => stopped(detail))
  api.addEventListener('execution_error', () => setEnd('Failed'))
  api.addEventListener('artgraph.failed', ({ detail }) => {
    if (!detail.because) setFailure(detail.what, detail.advice)
  })
  weighByTime()
}

/** Returns the title of the tab while something runs, or else an empty text. */
export function titleOfRun() {
  if (!current) return ''
  const graph = app.extensionManager?.workflow?.activeWorkflow?.filename ?? 'artgraph'
  return `${current.line || percent(current.share)} - ${graph}`
}

const percent = (share) => `${Math.round(100 * share)} %`

function show() {
  box.hidden = !current
  if (current) {
    const node = app.rootGraph?.getNodeById?.(current.node) ?? app.graph?.getNodeById(current.node)
    const title = node?.title ?? current.name
    const [, left] = / · (.+) left$/.exec(current.line) ?? []
    const rest = current.rest && !(left && current.rest.includes(left)) && `${current.rest} in all`
    box.textContent = [[title, current.line].filter(Boolean).join(': '), rest].filter(Boolean).join(' \u2014 ')
    box.style.setProperty('--share', percent(current.share).replace(' ', ''))
    document.title = titleOfRun()
  }
}

function stopped({ reached }) {
  setEnd('Stopped')
  notify('info', reached ? `Stopped at ${reached}` : 'Stopped', 'Run continues from there: what is done is stored.')
}

/** Sets what the editor calls a run that has ended early; it knows failures only. */
function setEnd(jobFailed) {
  setWords({ sideToolbar: { queueProgressOverlay: { jobFailed } } })
}

/** Makes the editor's total a share of the time. By itself it counts nodes. */
function weighByTime() {
  const store = execution()?.__v_raw
  if (!store?._executingNodeProgress || !store.executionProgress) return
  const counted = store.executionProgress
  store.executionProgress = {
    __v_isRef: true,
    get value() {
      const byNodes = counted.value
      void store._executingNodeProgress.value // changes with each message about progress
      return current ? current.share : byNodes
    }
  }
}

/** Gives the editor the names of the nodes of a run that it has not started itself. */
function knowNodes(run) {
  const job = execution()?.queuedJobs?.[run]
  if (!job || job.nodeLookup) return
  job.nodeLookup = Object.fromEntries(
    (app.graph?.nodes ?? []).map((node) => [String(node.id), { title: node.title, type: node.type }])
  )
}

const execution = () => shared()?.$pinia?._s.get('execution')
