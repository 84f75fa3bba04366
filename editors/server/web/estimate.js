// How long a run would take, on the buttons that start one.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'

const AFTER = 800 // milliseconds without a change, after which the time is estimated again

let timer
let running = false
let newest = 0 // number of the newest request

/** Shows the time on the buttons, and estimates it again when the graph changes. */
export function showEstimate() {
  for (const kind of ['graphChanged', 'execution_success', 'execution_error', 'execution_interrupted'])
    api.addEventListener(kind, () => {
      if (kind !== 'graphChanged') running = false
      estimateSoon()
    })
  api.addEventListener('execution_start', () => {
    running = true
    write('')
  })
}

/** Another graph was opened: a run of the graph before may end unnoticed. */
export function estimateOpened() {
  running = false
  estimateSoon()
}

/** Estimates the time of the graph that is open now. */
function estimateSoon() {
  clearTimeout(timer)
  timer = setTimeout(estimate, AFTER)
}

async function estimate() {
  const number = ++newest
  if (running || !app.graph?.nodes?.length) return write('')
  const body = JSON.stringify((app.rootGraph ?? app.graph).serialize())
  const answer = await api.fetchApi('/artgraph/plan', { method: 'POST', body })
  const { short } = answer.ok ? await answer.json() : {}
  if (number === newest && !running) write(short ?? '')
}

/** The style sheet adds this text to the buttons. */
function write(text) {
  document.body.style.setProperty('--artgraph-estimate', text ? JSON.stringify(text) : 'none')
}
