// The commands of the menu artgraph, and messages to the user.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { showDialog } from './dialog.js'
import { said } from './language.js'

const LONG = 20000 // milliseconds for which warnings and errors are shown
const MOST = 12 // lines of one message
let open = null // the message with the last warnings and errors

/** Shows a message in a corner of the editor. Warnings and errors at the same time become one message. */
export function notify(severity, summary, detail) {
  const toast = app.extensionManager?.toast
  if (!['error', 'warn'].includes(severity)) return toast?.add({ severity, summary, detail, life: 6000 })
  const lines = isOpen() ? open.lines : []
  lines.push(`${summary}: ${detail}`)
  console.warn(`${summary}: ${detail}`)
  const message = lines.length === 1 ? { severity, summary, detail, life: LONG } : {
    severity: [severity, open.message.severity].includes('error') ? 'error' : 'warn',
    summary: said('{count} messages', { count: lines.length }),
    detail: [...lines.slice(0, MOST).map((line) => `• ${line}`), ...(lines.length > MOST ? [said('All are in the console of the browser.')] : [])].join('\n'),
    life: LONG
  }
  show(toast, message)
  open = { message, lines, until: Date.now() + LONG }
}

/** Shows a message instead of the one that is open. */
function show(toast, message) {
  const { severity, summary, detail, life } = message
  const kind = severity === 'warn' ? 'warning' : severity
  if (toast?.[kind]) return toast[kind](summary, { id: 'artgraph', description: detail, duration: life })
  if (isOpen()) toast?.remove?.(open.message) // an older version of the editor
  toast?.add(message)
}

/** Returns whether the last warnings are still shown: the user may have closed them. */
function isOpen() {
  if (!open || Date.now() > open.until) return false
  const shown = [...document.querySelectorAll('[data-testid="toast"], .p-toast-message')].map((one) => one.textContent)
  return shown.some((text) => text.includes(open.message.summary)) || open.until - Date.now() > LONG - 500
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
