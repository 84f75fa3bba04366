// The commands of the menu artgraph, and messages to the user.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { showDialog } from './dialog.js'

/** Shows a message in a corner of the editor. */
export function notify(severity, summary, detail) {
  const life = ['error', 'warn'].includes(severity) ? 20000 : 6000 // milliseconds
  app.extensionManager?.toast?.add({ severity, summary, detail, life })
}

/** Adds a style sheet of artgraph to the page, once. Resolves when it is loaded. */
export function addStyle(file) {
  const href = `/extensions/artgraph/${file}`
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve()
  const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href })
  return new Promise((resolve) => {
    link.onload = link.onerror = resolve
    document.head.append(link)
  })
}

export async function copyAsYaml() {
  const { yaml, error } = await postGraph('/artgraph/yaml')
  if (error) return notify('error', 'The graph cannot be written as YAML', error)
  await navigator.clipboard?.writeText(yaml).catch(() => {})
  showDialog('The graph as YAML (copied)', Object.assign(document.createElement('pre'), { textContent: yaml }))
}

export async function showPlan() {
  const { rows, total, error } = await postGraph('/artgraph/plan')
  if (error) return notify('error', 'The graph has no plan', error)
  const table = document.createElement('table')
  for (const { node, action, why, time } of rows) {
    const row = table.insertRow()
    row.className = `artgraph-${action}`
    for (const text of [node, ACTIONS[action], time, why]) row.insertCell().textContent = text
  }
  const about = Object.assign(document.createElement('p'), { textContent: total.slice(0, 1).toUpperCase() + total.slice(1) })
  const content = document.createElement('div')
  content.append(table, about)
  showDialog('What a run would do, in this order', content)
}

const ACTIONS = { cached: 'reused', run: 'runs', extend: 'resumes' }

/** Sends the open graph to the server, and returns the answer. */
async function postGraph(path) {
  const { workflow } = await app.graphToPrompt()
  const body = JSON.stringify(workflow)
  return (await api.fetchApi(path, { method: 'POST', body })).json()
}
