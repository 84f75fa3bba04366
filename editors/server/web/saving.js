// Saving and opening of graphs: nothing is overwritten unseen, and each failure says why.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { showDialog } from './dialog.js'
import { notify } from './menu.js'
import { editorStore } from './nodes.js'
import { markRefused } from './results.js'

const VERSION = 'X-Artgraph-Version' // header: the version of a graph's file that was read
const WINDOW = 'X-Artgraph-Window' // header: the id of this window
const PROBLEMS = 'artgraph_problems' // in a workflow: what is wrong with the graph in the file
const STORED = 'artgraph.versions' // stored in the tab, so that it is known after a reload
const own = crypto.randomUUID?.() ?? String(Math.random())
const versions = new Map(Object.entries(JSON.parse(sessionStorage.getItem(STORED) ?? '{}')))
const stale = new Map() // from the path of an open graph to its file that was changed on disk

const title = (path) => path.replace(/^workflows\//, '').replace(/(\.app)?\.json$/, '')
const plain = (path) => path?.replace(/\.app\.json$/, '.json') // the editor renames a graph that opens as an app
const workflows = () => app.extensionManager.workflow
const isGraph = (path) => /^workflows\/(.*\/)?[^./][^/]*$/.test(path)

function remember(path, answer) {
  const version = answer.headers.get(VERSION)
  if (!version) return
  versions.set(plain(path), version)
  sessionStorage.setItem(STORED, JSON.stringify(Object.fromEntries(versions)))
}

/** Watches how the editor reads and saves graphs. */
export function watchFiles() {
  const get = api.getUserData.bind(api)
  api.getUserData = async (path, ...rest) => {
    const answer = await get(path, ...rest)
    if (isGraph(path) && answer.ok) remember(path, answer)
    else if (isGraph(path)) {
      notify('error', `${title(path)} cannot be opened`, await reason(answer.clone()))
      setTimeout(openSomething, 2000)
    }
    return answer
  }
  const store = api.storeUserData.bind(api)
  api.storeUserData = async (path, data, options = {}) => {
    if (!isGraph(path)) return store(path, data, options)
    const overwrite = options.overwrite ?? true
    const query = new URLSearchParams({ overwrite, full_info: options.full_info ?? false })
    const body = options.stringify ?? !Object.keys(options).length ? JSON.stringify(data) : data
    const send = (base) => {
      const headers = { [WINDOW]: own, ...(base ? { [VERSION]: base } : {}) }
      return api.fetchApi(`/userdata/${encodeURIComponent(path)}?${query}`, { method: 'POST', body, headers })
    }
    // A new name has no version that was read: the editor asks before it replaces a file.
    let answer = await send(overwrite ? versions.get(plain(path)) : undefined)
    if (answer.status === 412) {
      const choice = await askStale(path)
      if (choice === 'overwrite') answer = await send('*')
      else if (choice === 'load') setTimeout(() => reload(path), 100)
      if (choice !== 'overwrite') throw new Error(`${title(path)} was not saved`)
    }
    if (answer.ok) {
      stale.delete(plain(path))
      remember(path, answer)
    } else if (options.throwOnError !== false) {
      if (answer.status !== 409) notify('error', `${title(path)} was not saved`, await reason(answer.clone()))
      throw new Error(`Error storing user data file '${path}': ${answer.status} ${answer.statusText}`)
    }
    return answer
  }
}

/** Makes the editor's dialogs name the files of graphs, which are YAML. */
export function nameFiles() {
  const dialogs = editorStore('dialog')
  const show = dialogs?.showDialog
  if (!show) return
  const inFolder = (item) => (isGraph(String(item)) ? `${title(item)}.yaml` : item)
  dialogs.showDialog = ({ props, ...rest }) => {
    const named = Array.isArray(props?.itemList) ? { ...props, itemList: props.itemList.map(inFolder) } : props
    return show({ ...rest, props: named })
  }
}

/** Opens the first graph if none is open, as after a reload whose only graph can't be opened. */
function openSomething() {
  if (!workflows().activeWorkflow) app.loadGraphData()
}

async function reason(answer) {
  return (await answer.text().catch(() => '')) || `${answer.status} ${answer.statusText}`
}

/** Asks what to do if the file to be saved was changed by someone else. */
function askStale(path) {
  return new Promise((resolve) => {
    const text = document.createElement('p')
    text.textContent = 'Another window or program has changed this file since you opened it. '
      + 'If you overwrite it, the other version is stored in .artgraph/backups. '
      + 'If you load it, your changes in this window are lost.'
    const buttons = { 'Overwrite': 'overwrite', 'Load the other version': 'load' }
    showDialog(`${title(path)} has changed`, text, buttons, (choice) => resolve(choice ?? 'cancel'))
  })
}

/** Says what a save of this window has lost or done in another way. */
export function savedWithNote({ name, note, window: by }) {
  if (!by || by === own) notify('warn', `${name} was saved`, note)
}

/** Another window or program has changed a graph, or this window has saved it. */
export function changedOnDisk({ path, file, window: by }) {
  if (by === own) return
  if (workflows().openWorkflows.some((workflow) => plain(workflow.path) === plain(path))) stale.set(plain(path), file)
  reloadStale()
}

/** Reads the open graph again if it was changed and has no unsaved changes. */
export async function reloadStale() {
  const active = workflows().activeWorkflow
  const file = stale.get(plain(active?.path))
  if (!stale.delete(plain(active?.path))) return
  const summary = `${file} was changed on disk`
  const isOwn = plain(active.path).endsWith(file.replace(/\.ya?ml$/, '.json'))
  if (active.isModified)
    return notify('warn', summary, isOwn ? 'Your graph has unsaved changes. When you save them, you can choose a version.'
      : 'Your graph has unsaved changes, so it was not loaded again.')
  if (await reload(active.path)) notify('info', summary, 'The new version is shown.')
}

/** Reads the graph that is open again from its file. Returns whether that was possible. */
async function reload(path) {
  const active = workflows().activeWorkflow
  const answer = await api.getUserData(path)
  if (!answer.ok || active?.path !== path) return false
  const text = await answer.text()
  active.originalContent = active.content = text
  await app.loadGraphData(JSON.parse(text), true, false, active)
  active.changeTracker?.reset?.()
  active.isModified = false
  return true
}

/** Shows what is wrong with a graph when it opens: on its nodes, and the rest as a message. */
export function showProblems() {
  const load = app.loadGraphData.bind(app)
  app.loadGraphData = async (data, ...rest) => {
    const problems = data?.extra?.[PROBLEMS]
    if (problems) delete data.extra[PROBLEMS]
    const result = await load(data, ...rest)
    if (problems) setTimeout(() => {
      markRefused(problems.nodes)
      for (const text of problems.graph) notify('warn', 'The graph has a problem', text)
    }, 400)
    return result
  }
}
