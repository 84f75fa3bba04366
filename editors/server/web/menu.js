// The artgraph menu, and messages to the user.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'

export function tell(severity, summary, detail) {
  const life = severity === 'error' ? 20000 : 6000
  app.extensionManager?.toast?.add({ severity, summary, detail, life })
}

export async function copyAsYaml() {
  const { yaml, error } = await ask('/artgraph/yaml')
  if (error) return tell('error', 'The graph is no YAML yet', error)
  await navigator.clipboard?.writeText(yaml).catch(() => {})
  show('The graph as YAML (copied)', Object.assign(document.createElement('pre'), { textContent: yaml }))
}

export async function showPlan() {
  const { rows, error } = await ask('/artgraph/plan')
  if (error) return tell('error', 'There is no plan yet', error)
  const table = document.createElement('table')
  for (const { node, action, why } of rows) {
    const row = table.insertRow()
    row.className = `artgraph-${action}`
    for (const text of [node, WORDS[action], why]) row.insertCell().textContent = text
  }
  show('What a run would do', table)
}

const WORDS = { cached: 'reused', run: 'runs', extend: 'goes on' }

const stale = new Map() // of each open graph that someone else changed on disk: the file

export function changedOnDisk({ path, file }) {
  const isOpen = app.extensionManager.workflow.openWorkflows.some((workflow) => workflow.path === path)
  if (isOpen) stale.set(path, file)
  reloadStale()
}

/** The graph that is shown is read again if it was changed on disk, unless there is work to lose. */
export async function reloadStale() {
  const active = app.extensionManager.workflow.activeWorkflow
  const file = stale.get(active?.path)
  if (!stale.delete(active?.path)) return
  const summary = `${file} was changed on disk`
  const isOwn = active.path.endsWith(file.replace(/\.ya?ml$/, '.json'))
  if (active.isModified)
    return tell('warn', summary, isOwn ? 'Saving yours keeps a copy of that version in .artgraph/backups.'
      : 'Your graph has changes that are not saved, so it stays as you see it.')
  const answer = await api.fetchApi(`/userdata/${encodeURIComponent(active.path)}`)
  if (!answer.ok) return tell('error', summary, await answer.text())
  await app.loadGraphData(await answer.json(), true, false, active)
  tell('info', summary, 'You see the new version.')
}

/** A question about the graph as it is drawn. */
async function ask(path) {
  const { workflow } = await app.graphToPrompt()
  const body = JSON.stringify(workflow)
  return (await api.fetchApi(path, { method: 'POST', body })).json()
}

/** A dialog that Escape, its button or a click beside it closes. */
function show(title, content) {
  const dialog = document.createElement('dialog')
  dialog.className = 'artgraph-dialog'
  const heading = Object.assign(document.createElement('h2'), { textContent: title })
  const close = Object.assign(document.createElement('button'), { textContent: 'Close' })
  close.onclick = () => dialog.close()
  dialog.onclick = (event) => event.target === dialog && dialog.close()
  // Heard before the editor's own keys, wherever the focus is.
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
