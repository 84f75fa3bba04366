// The review sheet: a window over the editor with the pictures, its buttons and its keys.

import { app } from '/scripts/app.js'
import { FILTERS, makeBottom, makeButton, makeHelp, makeTop } from './review_bars.js'
import { ClassChooser } from './review_classes.js'
import { Grid, element } from './review_grid.js'
import { handleKey } from './review_keys.js'
import { Large } from './review_large.js'

const SIZES = [96, 128, 160, 200, 260] // edges of pictures in pixels
const plural = (count, one) => `${count.toLocaleString('en')} ${count === 1 ? one : `${one}${one.endsWith('s') ? 'es' : 's'}`}`

export class ReviewSheet {
  /** `closed` is called when the sheet has been closed. */
  constructor(review, closed) {
    Object.assign(this, { review, closed, filter: 'all', kind: null, anchor: null })
    this.grid = new Grid(review, { select: (picture, event) => this.clicked(picture, event), open: (picture) => this.showLarge(picture) })
    const on = { move: (key) => this.go(key), close: () => this.closeLarge(), go: (picture) => this.goTo(picture) }
    this.large = new Large(review, on)
    this.chooser = new ClassChooser((name) => this.moveTo(name))
    this.chooser.onclose = () => this.focus()
    this.help = makeHelp(this)
    this.dialog = element('dialog', 'rv-sheet', null, makeTop(this), this.notes = Object.assign(element('p', 'rv-notes'), { tabIndex: 0 }), this.kinds = element('div', 'rv-kinds'),
      element('div', 'rv-middle', null, this.grid.box, this.large.node, this.chooser.node, this.help), makeBottom(this))
    this.dialog.setAttribute('aria-label', `Review of ${review.title}`)
    this.dialog.addEventListener('cancel', (event) => event.preventDefault())
    review.addEventListener('change', () => this.refresh())
    review.addEventListener('saving', ({ detail }) => this.showSaving(detail))
    review.addEventListener('flags', ({ detail }) => this.showFlags(detail))
    this.keys = (event) => handleKey(this, event)
  }

  open() {
    document.body.append(this.dialog)
    this.dialog.showModal()
    window.addEventListener('keydown', this.keys, true)
    // Older editors do not see that a dialog is open, and would undo a change of the graph.
    this.tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker
    if (this.tracker) this.tracker.undoRedo = async () => true
    if (innerWidth < 600) this.grid.size = SIZES[1]
    this.grid.layOut()
    this.select(this.grid.shown[0])
    this.refresh()
    this.showNotes()
    this.showSaving({ state: 'start' })
    this.focus()
    this.searching = 0
    this.review.watchFlags()
  }

  async close() {
    await this.review.save()
    if (this.review.problem && this.review.waiting.size && !confirm('The last changes are not saved. Close anyway?')) return
    window.removeEventListener('keydown', this.keys, true)
    if (this.tracker) delete this.tracker.undoRedo
    this.review.close()
    this.grid.close()
    this.large.remove()
    this.dialog.close()
    this.dialog.remove()
    this.closed()
  }

  focus() {
    this.grid.box.focus({ preventScroll: true })
  }

  // What the window shows

  showHelp(shows = this.help.hidden) {
    this.help.hidden = !shows
  }

  refresh() {
    this.drawFilters()
    const tests = { all: () => true, flagged: (one) => this.isFlagged(one), dropped: (one) => this.review.of(one).drop, kept: (one) => this.review.of(one).keep }
    this.grid.filter = tests[this.filter]
    this.drawKinds()
    const before = this.grid.places?.get(this.grid.current)?.at ?? 0
    this.grid.layOut()
    if (!this.grid.places?.has(this.grid.current)) {
      for (const picture of this.grid.selected) if (!this.grid.places.has(picture)) this.grid.selected.delete(picture)
      this.select(this.grid.shown[Math.min(before, this.grid.shown.length - 1)])
    }
    this.showSelection()
  }

  drawFilters() {
    const { all, classes, dropped, flagged, kept } = this.review.counts()
    this.counter.textContent = `${plural(all, 'picture')}, ${plural(classes, 'class')}, ${dropped.toLocaleString('en')} dropped`
    const counts = { all, flagged, dropped, kept }
    for (const [name, text] of FILTERS) {
      const isSearching = name === 'flagged' && this.searching !== undefined
      const count = isSearching ? `${this.searching} %` : counts[name].toLocaleString('en')
      const button = this.filters.get(name)
      button.replaceChildren(text, element('small', '', count))
      button.title = isSearching ? 'Looking for duplicates, blur, borders and empty pictures' : ''
      button.setAttribute('aria-pressed', name === this.filter)
    }
  }

  /** Returns whether a picture has a flag, of the chosen kind if one is chosen. */
  isFlagged(picture) {
    return this.review.flagsOf(picture).some(([word]) => !this.kind || word === this.kind)
  }

  /** Shows a button for each kind of flags, below the filter for flagged pictures. */
  drawKinds() {
    const counts = new Map()
    for (const picture of this.review.pictures)
      for (const word of new Set(this.review.flagsOf(picture).map(([one]) => one))) counts.set(word, (counts.get(word) ?? 0) + 1)
    this.kinds.hidden = this.filter !== 'flagged' || !counts.size
    if (this.kinds.hidden) return
    this.kinds.replaceChildren(...[...counts].sort().map(([word, count]) => {
      const button = makeButton(this, word, '', `Show only ${word}`, () => this.setKind(this.kind === word ? null : word))
      button.append(element('small', '', count.toLocaleString('en')))
      button.setAttribute('aria-pressed', this.kind === word)
      return button
    }))
  }

  showSelection() {
    this.grid.mark()
    const chosen = this.chosen()
    const one = chosen.length === 1 ? this.review.of(chosen[0]) : null
    this.about.textContent = this.news || (chosen.length > 1 ? `${chosen.length.toLocaleString('en')} selected` : (chosen[0]?.name ?? ''))
    this.drop.setAttribute('aria-pressed', chosen.length > 0 && chosen.every((picture) => this.review.of(picture).drop))
    this.keep.setAttribute('aria-pressed', chosen.length > 0 && chosen.every((picture) => this.review.of(picture).keep))
    this.stars.forEach((button, at) => button.classList.toggle('rv-on', (one?.stars ?? 0) > at))
    this.undo.disabled = !this.review.undoSteps.length
    this.redo.disabled = !this.review.redoSteps.length
    if (this.large.isOpen) {
      if (this.grid.current) this.large.show(this.grid.current)
      else this.closeLarge()
    }
    this.dialog.classList.toggle('rv-is-cropping', this.large.isCropping)
  }

  /** Shows what is not used and what may be a mistake: the line of the node that loads the pictures. */
  showNotes() {
    const { skipped, doubts, unknown } = this.review
    const lines = this.loaded?.length ? [...this.loaded] : [...(skipped ? [`left out: ${skipped}`] : []), ...doubts]
    if (unknown.length) lines.push(`the review names pictures that are not there: ${unknown.slice(0, 3).join(', ')}${unknown.length > 3 ? ', …' : ''}`)
    if (this.lost) lines.unshift(this.lost)
    if (this.failure) lines.push(`flags could not be found: ${this.failure}`)
    const text = lines.join('; ')
    Object.assign(this.notes, { textContent: text.slice(0, 1).toUpperCase() + text.slice(1), title: text, hidden: !text })
  }

  showFlags({ done, notes, error }) {
    this.searching = done === undefined ? undefined : Math.floor(done * 100)
    this.failure = error
    if (notes) this.loaded = notes
    if (done !== undefined) return this.drawFilters()
    this.refresh()
    this.showNotes()
  }

  showSaving({ state, detail }) {
    const texts = { start: `Changes are saved to ${this.review.file}`, saving: 'Saving …', saved: `Saved to ${this.review.file}` }
    this.status.replaceChildren(texts[state] ?? detail[0].toUpperCase() + detail.slice(1))
    this.status.classList.toggle('rv-problem', state === 'changed' || state === 'failed')
    if (state === 'changed') this.status.append(makeButton(this, 'Reload', '', 'Reload the review', () => this.reload(), 'rv-main'))
    if (state === 'failed') this.status.append(makeButton(this, 'Try again', '', 'Save again', () => this.review.save(), 'rv-main'))
    this.showSelection()
  }

  async reload() {
    try {
      const left = await this.review.reload()
      this.lost = left ? `${plural(left, 'change')} of yours not made again, because someone else changed the same pictures` : ''
      this.showNotes()
    } catch (error) {
      this.showSaving({ state: 'changed', detail: error.message })
    }
  }

  // Choosing pictures

  /** Returns the pictures that an action is for. */
  chosen() {
    if (this.large.isOpen) return this.grid.current ? [this.grid.current] : []
    return this.grid.shown.filter((picture) => this.grid.selected.has(picture))
  }

  select(picture, how = 'one') {
    const { grid } = this
    this.news = ''
    if (!picture) {
      grid.current = null
      grid.selected.clear()
      return this.showSelection()
    }
    if (how === 'more') {
      if (!grid.selected.delete(picture)) grid.selected.add(picture)
    } else {
      grid.selected.clear()
      if (how === 'range' && grid.places.has(this.anchor)) {
        const [from, to] = [this.anchor, picture].map((one) => grid.places.get(one).at).sort((a, b) => a - b)
        for (const one of grid.shown.slice(from, to + 1)) grid.selected.add(one)
      } else grid.selected.add(picture)
    }
    if (how !== 'range') this.anchor = picture
    grid.current = picture
    grid.reveal(picture)
    this.showSelection()
  }

  clicked(picture, event) {
    this.select(picture, event.shiftKey ? 'range' : event.ctrlKey || event.metaKey ? 'more' : 'one')
    this.focus()
  }

  go(key, extends_ = false) {
    const next = this.grid.neighbour(key)
    if (next) this.select(next, extends_ ? 'range' : 'one')
  }

  goTo(picture) {
    if (!this.grid.places.has(picture)) this.setFilter('all')
    this.select(picture)
  }

  setKind(kind) {
    this.kind = kind
    this.setFilter('flagged')
  }

  setFilter(name) {
    if (name !== 'flagged') this.kind = null
    this.filter = name
    this.grid.box.scrollTop = 0
    this.refresh()
    if (this.grid.current) this.grid.reveal(this.grid.current)
  }

  selectAll() {
    this.grid.selected = new Set(this.grid.shown)
    this.showSelection()
  }

  resize(by) {
    const at = SIZES.indexOf(this.grid.size) + by
    this.grid.size = SIZES[Math.min(SIZES.length - 1, Math.max(0, at))]
    this.grid.layOut()
    if (this.grid.current) this.grid.reveal(this.grid.current)
  }

  // What is decided

  change(edit) {
    this.review.change(this.chosen(), edit)
  }

  /** Drops or keeps all that are chosen; if all are, undoes that. */
  toggle(what) {
    const other = what === 'drop' ? 'keep' : 'drop'
    const all = this.chosen().every((picture) => this.review.of(picture)[what])
    this.change((fields) => ({ ...fields, [what]: !all, [other]: all && fields[other] }))
  }

  rate(count) {
    this.change((fields) => ({ ...fields, stars: count }))
  }

  chooseClass() {
    const count = this.chosen().length
    if (count) this.chooser.open(`Move ${plural(count, 'picture')} to`, this.review.classes().filter(Boolean))
  }

  /** Moves what is chosen to a class. The next picture takes its place, so that work goes on there. */
  moveTo(name) {
    const chosen = new Set(this.chosen())
    const { shown, places, current } = this.grid
    const rest = (from, to) => shown.slice(from, to).filter((picture) => !chosen.has(picture))
    const at = places.get(current)?.at ?? 0
    const next = rest(at)[0] ?? rest(0, at).pop() ?? current
    this.change((fields) => ({ ...fields, class: name }))
    this.select(next)
    this.news = `${plural(chosen.size, 'picture')} moved to ${name}` // until something else is selected
    this.showSelection()
  }

  step(kind) {
    const names = this.review[kind]()
    const first = names && this.grid.shown.find((picture) => picture.name === names[0])
    if (first) this.select(first)
  }

  // The large view

  showLarge(picture = this.grid.current) {
    if (!picture) return
    this.select(picture)
    this.large.show(picture)
    this.showSelection()
  }

  closeLarge() {
    this.large.close()
    this.showSelection()
  }

  toggleLarge() {
    if (this.large.isOpen) this.closeLarge()
    else this.showLarge()
  }

  startCrop() {
    if (!this.grid.current) return
    this.cropOnly = !this.large.isOpen
    this.showLarge()
    this.large.startCrop()
    this.showSelection()
  }

  acceptCrop() {
    const { crop } = this.large
    this.large.stopCrop()
    this.change((fields) => ({ ...fields, crop }))
    this.endCrop()
  }

  cancelCrop() {
    this.large.stopCrop()
    this.endCrop()
  }

  endCrop() {
    if (this.cropOnly) this.large.close()
    this.showSelection()
  }
}
