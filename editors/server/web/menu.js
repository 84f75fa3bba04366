// The commands of the menu artgraph, and messages to the user.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'

/** Shows a message in a corner of the editor. */
export function notify(severity, summary, detail) {
  const life = severity === 'error' ? 20000 : 6000 // milliseconds
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
  const { rows, error } = await postGraph('/artgraph/plan')
  if (error) return notify('error', 'The graph has no plan', error)
  const table = document.createElement('table')
  for (const { node, action, why } of rows) {
    const row = table.insertRow()
    row.className = `artgraph-${action}`
    for (const text of [node, ACTIONS[action], why]) row.insertCell().textContent = text
  }
  showDialog('What a run would do', table)
}

const ACTIONS = { cached: 'reused', run: 'runs', extend: 'resumes' }

const stale = new Map() // from the path of an open graph to its file that was changed on disk

export function changedOnDisk({ path, file }) {
  const isOpen = app.extensionManager.workflow.openWorkflows.some((workflow) => workflow.path === path)
  if (isOpen) stale.set(path, file)
  reloadStale()
}

/** Reads the open graph again if it was changed on disk and has no unsaved changes. */
export async function reloadStale() {
  const active = app.extensionManager.workflow.activeWorkflow
  const file = stale.get(active?.path)
  if (!stale.delete(active?.path)) return
  const summary = `${file} was changed on disk`
  const isOwn = active.path.endsWith(file.replace(/\.ya?ml$/, '.json'))
  if (active.isModified)
    return notify('warn', summary, isOwn ? 'If you save your changes, the other version is stored in .artgraph/backups.'
      : 'Your graph has unsaved changes, so it was not loaded again.')
  const answer = await api.fetchApi(`/userdata/${encodeURIComponent(active.path)}`)
  if (!answer.ok) return notify('error', summary, await answer.text())
  await app.loadGraphData(await answer.json(), true, false, active)
  notify('info', summary, 'The new version is shown.')
}

/** Sends the open graph to the server, and returns the answer. */
async function postGraph(path) {
  const { workflow } = await app.graphToPrompt()
  const body = JSON.stringify(workflow)
  return (await api.fetchApi(path, { method: 'POST', body })).json()
}

/** Shows a dialog. Escape, its button, and a click beside it close the dialog. */
function showDialog(title, content) {
  const dialog = document.createElement('dialog')
  dialog.className = 'artgraph-dialog'
  const heading = Object.assign(document.createElement('h2'), { textContent: title })
  const close = Object.assign(document.createElement('button'), { textContent: 'Close' })
  close.onclick = () => dialog.close()
  dialog.onclick = (event) => event.target === dialog && dialog.close()
  // Handles the key before the editor does, wherever the focus is.
  const escape = (event) => {
    if (event.key !== 'Escape') return
    event.preventDefault()
    event.stopImmediatePropagation()
    dialog.close()
  }
  window.addEventListener('keydown', escape, true)
  dialog.onclose = () => {
    window.removeEventListener('keydown', escape, true)
    dialog.remove()
  }
  dialog.append(heading, content, close)
  document.body.append(dialog)
  dialog.showModal()
}
