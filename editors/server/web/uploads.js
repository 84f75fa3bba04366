// Uploads of sets of pictures: a folder arrives whole or not at all, with a counter and a button to cancel.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { showDialog } from './dialog.js'
import { notify } from './menu.js'

const AT_ONCE = 4 // requests at a time
const TRIES = 3 // to send a file before the upload is given up
const QUOTED = (name) => `“${name}”`

/** Returns a number with its noun, in the plural if needed. */
export const counted = (number, noun) => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`

/** An upload that can't go on. */
class BrokenError extends Error {}

/**
 * Uploads files as a set of pictures. Asks what to do if there is a set of its name, unless `how` says it.
 * `files` are objects with a `path` in the set and a `file`. `unread` are names of files that could not be opened.
 * Returns what the server has stored, or null.
 */
export async function uploadSet({ name, files, how, unread = [] }) {
  const abort = new AbortController()
  const counter = new Counter(name, () => abort.abort())
  let upload = null
  const leave = () => upload && navigator.sendBeacon(api.apiURL('/artgraph/sets/cancel'), JSON.stringify({ upload }))
  window.addEventListener('pagehide', leave)
  try {
    const paths = files.map(({ path }) => path.toWellFormed?.() ?? path)
    const bytes = files.reduce((sum, { file }) => sum + file.size, 0)
    const begun = await post('begin', { name, paths, bytes }, abort.signal)
    if (!begun.take.length) return void tellNothing(name, begun)
    upload = begun.upload
    counter.name = begun.name
    how ??= begun.exists ? await ask(begun, begun.exists, counter) : 'new'
    if (!how) return null
    const refused = await sendAll(upload, files, begun.take, counter, abort.signal)
    counter.finish()
    const stored = await finish({ upload, how, without: [...refused.keys()] }, begun, counter, abort.signal)
    if (stored) tell(stored, begun, refused, unread)
    upload = stored ? null : upload
    return stored
  } catch (error) {
    if (abort.signal.aborted) notify('info', `The upload of ${QUOTED(name)} was cancelled`, 'Nothing was changed.')
    else notify('error', `${QUOTED(name)} was not uploaded`, `${error.message} Nothing was changed.`)
    return null
  } finally {
    window.removeEventListener('pagehide', leave)
    counter.remove()
    if (upload) await post('cancel', { upload }).catch(() => {})
  }
}

/** Sends a request. Returns the JSON of the answer. */
async function post(path, body, signal) {
  const answer = await fetchSet(path, { body: JSON.stringify(body), signal })
  if (answer.status === 409) return answer.json()
  if (!answer.ok) throw new BrokenError(sentence(await answer.text()))
  return answer.json()
}

async function fetchSet(path, options) {
  try {
    return await api.fetchApi(`/artgraph/sets/${path}`, { method: 'POST', ...options })
  } catch (error) {
    if (options.signal?.aborted) throw error
    throw new BrokenError('The connection to the editor was lost. Is it still running?')
  }
}

const sentence = (text) => text.slice(0, 1).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.')

/** Sends the files. Returns why some were refused, by their numbers. */
async function sendAll(upload, files, take, counter, signal) {
  const [waiting, refused] = [[...take], new Map()]
  counter.total = take.length
  const send = async () => {
    for (let number = waiting.shift(); number !== undefined; number = waiting.shift()) {
      const reason = await sendOne(upload, files[number].file, number, signal)
      if (reason) refused.set(number, `${files[number].path}: ${reason}`)
      counter.add()
    }
  }
  const stop = (error) => {
    waiting.length = 0 // so that the others stop too
    throw error
  }
  await Promise.all(Array.from({ length: AT_ONCE }, () => send().catch(stop)))
  return refused
}

/** Sends a file, several times if the connection breaks. Returns why it was refused, if it was. */
async function sendOne(upload, file, number, signal) {
  const path = `file?${new URLSearchParams({ upload, number })}`
  for (let left = TRIES - 1; ; left--) {
    try {
      const answer = await fetchSet(path, { body: file, signal })
      if (answer.ok) return null
      const text = await answer.text()
      if (answer.status === 400 || answer.status === 413) return text
      throw new BrokenError(sentence(text))
    } catch (error) {
      if (signal.aborted) throw error
      const isReadable = await file.slice(0, 1).arrayBuffer().then(() => true, () => false)
      if (!isReadable) return 'it can’t be read'
      if (!left) throw error
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
}

/** Stores the set. Asks again if a set of its name has appeared meanwhile. Returns null if the answer is no. */
async function finish(body, begun, counter, signal) {
  while (body.how) {
    const answer = await post('finish', body, signal)
    if (!answer.exists) return answer
    body.how = await ask(begun, answer.exists, counter)
  }
  return null
}

/** Asks what to do with a set of the same name. */
function ask({ name: wanted, take }, { name, pictures, is_set, free }, counter) {
  counter.box.hidden = true
  const text = document.createElement('p')
  const both = { [`Keep both, as ${QUOTED(free)}`]: 'both' }
  const choices = is_set ? { [`Replace ${QUOTED(name)}`]: 'replace', [`Add to ${QUOTED(name)}`]: 'add', ...both } : both
  text.textContent = is_set
    ? `${QUOTED(name)} contains ${counted(pictures, 'picture')}, and you have chosen ${counted(take.length, 'file')}. `
      + 'If you replace it, it contains only what you have chosen. If you add to it, all that it contains stays.'
    : `${QUOTED(wanted)} is the name of a file or a link there.`
  const answered = (resolve) => (choice) => {
    counter.box.hidden = false
    resolve(choice)
  }
  return new Promise((resolve) => showDialog(`${QUOTED(name)} is in the input folder already`, text, choices, answered(resolve)))
}

/** Says in one message what was stored, and what was not. */
function tell(stored, begun, refused, unread) {
  const lines = []
  const left = [begun.left, unread.length ? `${unread.length} that can’t be read (${some(unread)})` : '']
  if (refused.size) left.push(`${refused.size} refused (${some([...refused.values()])})`)
  if (left.some(Boolean)) lines.push(`Left out: ${left.filter(Boolean).join(', ')}.`)
  lines.push(...begun.notes.map(sentence))
  const [renamed, names] = begun.renamed[0] ? begun.renamed : stored.renamed
  if (renamed) lines.push(`${counted(renamed, 'file')} got a new name, such as ${names.join(', ')}.`)
  if (stored.same) lines.push(`${counted(stored.same, 'file')} ${stored.same === 1 ? 'was' : 'were'} there already.`)
  if (stored.kept) lines.push(`Its ${stored.kept} was kept.`)
  const isWarning = lines.length > (stored.same ? 1 : 0) + (stored.kept ? 1 : 0)
  const summary = `${QUOTED(stored.name)} contains ${counted(stored.pictures, 'picture file')}`
  notify(isWarning ? 'warn' : 'success', summary, lines.join(' ') || 'It is in the input folder.')
}

function tellNothing(name, { left, notes }) {
  const text = [left && `It contains: ${left}.`, ...notes.map(sentence)].filter(Boolean).join(' ')
  notify('warn', `There are no pictures in ${QUOTED(name)}`, text || 'Choose a folder of pictures, or an archive.')
}

/** Returns the first names, and how many more there are. */
function some(names) {
  return names.slice(0, 3).join(', ') + (names.length > 3 ? ` and ${names.length - 3} more` : '')
}

/** Shows at the lower edge of the page how many files have arrived, with a button to cancel. */
class Counter {
  constructor(name, cancel) {
    this.name = name
    this.done = this.total = 0
    this.text = document.createElement('span')
    this.bar = document.createElement('progress')
    this.button = Object.assign(document.createElement('button'), { textContent: 'Cancel', onclick: cancel })
    this.box = document.createElement('div')
    this.box.className = 'artgraph-upload'
    this.box.setAttribute('role', 'status')
    this.box.append(this.text, this.bar, this.button)
    let stack = document.querySelector('.artgraph-uploads')
    if (!stack) document.body.append(stack = Object.assign(document.createElement('div'), { className: 'artgraph-uploads' }))
    stack.append(this.box)
    this.show()
  }

  add() {
    this.done += 1
    this.show()
  }

  /** All have arrived, and can't be cancelled any more. */
  finish() {
    this.button.disabled = true
  }

  show() {
    const number = (value) => value.toLocaleString('en')
    this.text.textContent = this.total ? `${this.name}: ${number(this.done)} of ${number(this.total)}` : `${this.name} …`
    if (this.total) Object.assign(this.bar, { max: this.total, value: this.done })
  }

  remove() {
    this.box.remove()
  }
}

/** Lets all nodes offer what is in the input folder now. */
export async function refreshChoices() {
  await app.reloadNodeDefs?.().catch(() => {})
}
