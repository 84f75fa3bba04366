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

/** A graph that someone else has changed on disk is read again, unless there is work to lose. */
export async function reloadFromDisk(path) {
  const store = app.extensionManager.workflow
  const active = store.activeWorkflow
  if (active?.path !== path) return
  const name = path.replace(/^workflows\//, '').replace(/\.json$/, '')
  if (active.isModified)
    return tell(
      'warn',
      `${name} was changed on disk`,
      'Saving yours keeps a copy of that version in .artgraph/backups.'
    )
  const answer = await api.fetchApi(`/userdata/${encodeURIComponent(path)}`)
  if (!answer.ok) return tell('error', `${name} was changed on disk`, await answer.text())
  await app.loadGraphData(await answer.json(), true, false, active)
  tell('info', `${name} was changed on disk`, 'You see the new version.')
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
