// What was decided about the pictures of a sheet: changes, undo and redo, and saving.

import { api } from '/scripts/api.js'

const MOST_STEPS = 300 // steps of undo that are stored for the next time that the sheet is opened
const MOST_KEPT = 50_000 // length of a request that the browser finishes if the page is closed
const ORDER = ['drop', 'keep', 'class', 'stars', 'crop']
const byNumber = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' }).compare

/** Sends JSON to the server. Returns its answer, or throws an Error with a status. */
async function post(path, body) {
  const sent = { method: 'POST', body: JSON.stringify(body) }
  sent.keepalive = sent.body.length < MOST_KEPT
  const answer = await api.fetchApi(`/artgraph/review/${path}`, sent).catch(() => null)
  if (!answer) throw new Error('The server does not answer. Start `artgraph edit` again if it has ended.')
  if (answer.ok) return answer.json()
  throw Object.assign(new Error(await answer.text()), { status: answer.status })
}

/** Returns fields in one order and without what is usual, or null if nothing is left. */
function tidy(fields, folderClass) {
  const kept = ORDER.filter((name) => fields[name] && !(name === 'class' && fields.class === folderClass))
  return kept.length ? Object.fromEntries(kept.map((name) => [name, fields[name]])) : null
}

const same = (one, other) => JSON.stringify(one ?? null) === JSON.stringify(other ?? null)

export class Review extends EventTarget {
  /** Opens the sheet for the values of a node's widgets. Throws an Error that says why it can't. */
  static async open(widgets) {
    const review = new Review()
    review.widgets = widgets
    review.read(await post('open', widgets))
    review.restoreSteps()
    return review
  }

  read(opened) {
    const { sheet, title, file, digest, pictures, choices, skipped, doubts, unknown } = opened
    Object.assign(this, { sheet, title, file, digest, skipped, doubts, unknown })
    this.pictures = pictures.map(([name, label], number) => ({ name, label, number }))
    this.saved = new Map(Object.entries(choices))
    this.choices = new Map(this.saved)
    this.waiting = new Map()
    this.flags ??= {}
    this.undoSteps = []
    this.redoSteps = []
    this.problem = null
  }

  of(picture) {
    return this.choices.get(picture.name) ?? {}
  }

  classOf(picture) {
    return this.of(picture).class ?? picture.label
  }

  /** Returns the classes in natural order. */
  classes() {
    return [...new Set(this.pictures.map((picture) => this.classOf(picture)))].sort(byNumber)
  }

  flagsOf(picture) {
    return this.flags[picture.name] ?? []
  }

  address(picture, edge) {
    return api.apiURL(`/artgraph/review/picture?${new URLSearchParams({ sheet: this.sheet, number: picture.number, edge })}`)
  }

  counts() {
    let [dropped, flagged, kept] = [0, 0, 0]
    const classes = new Set()
    for (const picture of this.pictures) {
      const { drop, keep } = this.of(picture)
      dropped += Boolean(drop)
      kept += Boolean(keep)
      flagged += this.flagsOf(picture).length > 0
      if (!drop && this.classOf(picture)) classes.add(this.classOf(picture))
    }
    return { all: this.pictures.length, classes: classes.size, dropped, flagged, kept }
  }

  /** Changes the fields of pictures as one step. `edit` gets the fields and returns new ones. */
  change(pictures, edit) {
    const step = []
    for (const { name, label } of pictures) {
      const before = this.choices.get(name) ?? null
      const after = tidy(edit({ ...before }), label)
      if (!same(before, after)) step.push([name, before, after])
    }
    if (step.length) this.applyStep(step)
  }

  applyStep(step) {
    this.undoSteps.push(step)
    this.redoSteps = []
    this.apply(step.map(([name, , after]) => [name, after]))
  }

  /** Returns the names of the pictures that changed, or null if there is no step to undo. */
  undo() {
    const step = this.undoSteps.pop()
    if (!step) return null
    this.redoSteps.push(step)
    this.apply(step.map(([name, before]) => [name, before]))
    return step.map(([name]) => name)
  }

  redo() {
    const step = this.redoSteps.pop()
    if (!step) return null
    this.undoSteps.push(step)
    this.apply(step.map(([name, , after]) => [name, after]))
    return step.map(([name]) => name)
  }

  apply(edits) {
    for (const [name, fields] of edits) {
      if (fields) this.choices.set(name, fields)
      else this.choices.delete(name)
      this.waiting.set(name, fields)
    }
    this.dispatchEvent(new Event('change'))
    this.save()
  }

  /** Saves what is not saved yet, one request after the other. */
  save() {
    this.saving ??= this.saveAll().finally(() => (this.saving = null))
    return this.saving
  }

  async saveAll() {
    while (this.waiting.size) {
      this.report('saving')
      const edits = new Map(this.waiting)
      try {
        const sent = { sheet: this.sheet, digest: this.digest, edits: Object.fromEntries(edits) }
        this.digest = (await post('save', sent)).digest
      } catch (error) {
        if (error.status === 410 && (await this.reopen())) continue
        this.report(error.status === 409 ? 'changed' : 'failed', error.message)
        return
      }
      for (const [name, fields] of edits) {
        if (fields) this.saved.set(name, fields)
        else this.saved.delete(name)
        if (this.waiting.get(name) === fields) this.waiting.delete(name)
      }
    }
    this.storeSteps()
    this.report('saved')
  }

  /** Opens the sheet again, which the server has closed. Returns whether the file is as it was. */
  async reopen() {
    this.reopening ??= post('open', this.widgets).finally(() => (this.reopening = null))
    const opened = await this.reopening.catch(() => null)
    if (!opened || opened.pictures.length !== this.pictures.length) return false
    this.sheet = opened.sheet
    if (!Object.keys(this.flags).length) this.watchFlags()
    return true
  }

  /**
   * Reads the file again. Unsaved changes are made again, except to pictures that someone else has
   * changed meanwhile. Returns the number of those.
   */
  async reload() {
    const [mine, before] = [this.waiting, this.saved]
    const opened = await post('open', this.widgets)
    this.close()
    this.read(opened)
    const own = this.pictures.filter(({ name }) => mine.has(name))
    const free = own.filter(({ name }) => same(before.get(name), this.saved.get(name)))
    this.dispatchEvent(new Event('change'))
    this.report('saved')
    if (free.length) this.applyStep(free.map(({ name }) => [name, this.saved.get(name) ?? null, mine.get(name)]))
    this.watchFlags()
    return own.length - free.length
  }

  report(state, detail) {
    this.problem = state === 'changed' || state === 'failed' ? { state, detail } : null
    this.dispatchEvent(new CustomEvent('saving', { detail: { state, detail } }))
  }

  /** Asks for the flags until they are there. */
  async watchFlags() {
    const sheet = this.sheet
    while (this.sheet === sheet) {
      const answer = await api.fetchApi(`/artgraph/review/flags?sheet=${sheet}`).catch(() => null)
      const found = answer?.ok ? await answer.json() : { error: 'the server does not answer' }
      if (this.sheet !== sheet) return
      if (found.flags) {
        this.flags = found.flags
        this.dispatchEvent(new Event('change'))
      }
      this.dispatchEvent(new CustomEvent('flags', { detail: found }))
      if (!('done' in found)) return
      await new Promise((resolve) => setTimeout(resolve, 700))
    }
  }

  close() {
    const sheet = this.sheet
    this.sheet = null
    post('close', { sheet }).catch(() => {})
  }

  // Steps of undo survive closing the sheet and loading the page again, while the file is the same.

  get storedUnder() {
    return `artgraph.review ${JSON.stringify([this.widgets.folder, this.file])}`
  }

  storeSteps() {
    const steps = { digest: this.digest, undo: this.undoSteps.slice(-MOST_STEPS), redo: this.redoSteps.slice(-MOST_STEPS) }
    try {
      sessionStorage.setItem(this.storedUnder, JSON.stringify(steps))
    } catch {
      sessionStorage.removeItem(this.storedUnder) // there is not enough room for them
    }
  }

  restoreSteps() {
    const steps = JSON.parse(sessionStorage.getItem(this.storedUnder) ?? 'null')
    if (steps?.digest !== this.digest) return
    this.undoSteps = steps.undo
    this.redoSteps = steps.redo
  }
}
