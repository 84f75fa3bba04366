// The pictures of the review sheet by class. Only those that are in view are elements of the page.

const GAP = 10 // pixels, as the following
const HEAD = 46 // height of the heading of a class
const CAPTION = 24 // height of the line below a picture
const OUTSIDE = 400 // how far above and below the view pictures are prepared
const REST = 90 // milliseconds without scrolling after which pictures are loaded

/** Returns an element with a class, a text and children. */
export function element(kind, className, text, ...children) {
  const made = document.createElement(kind)
  if (className) made.className = className
  if (text !== undefined && text !== null) made.textContent = text
  made.append(...children)
  return made
}

export const stars = (count) => '★'.repeat(count) + '☆'.repeat(5 - count)
export const fileName = (picture) => picture.name.split('/').pop()

export class Grid {
  /** `on.select(picture, event)` and `on.open(picture)` are called for clicks and double clicks. */
  constructor(review, on) {
    Object.assign(this, { review, on, size: 160, filter: () => true, current: null, selected: new Set() })
    this.cells = new Map() // from the number of a picture to its element
    this.heads = new Map() // from a class to its heading
    this.space = element('div', 'rv-space')
    this.box = element('div', 'rv-grid', null, this.space)
    Object.assign(this.box, { tabIndex: 0, id: 'rv-grid' })
    this.box.setAttribute('role', 'listbox')
    this.box.setAttribute('aria-multiselectable', 'true')
    this.box.setAttribute('aria-label', 'Pictures')
    this.box.addEventListener('scroll', () => this.scrolled(), { passive: true })
    this.space.addEventListener('click', (event) => this.clicked(event, on.select))
    this.space.addEventListener('dblclick', (event) => this.clicked(event, on.open))
    this.watcher = new ResizeObserver(() => this.layOut())
    this.watcher.observe(this.box)
  }

  clicked(event, call) {
    const cell = event.target.closest?.('.rv-cell')
    if (cell) call(this.review.pictures[Number(cell.dataset.number)], event)
  }

  scrolled() {
    this.fast = true
    clearTimeout(this.rest)
    this.rest = setTimeout(() => {
      this.fast = false
      this.draw()
    }, REST)
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null
      this.draw()
    })
  }

  /** Sorts the pictures into classes and computes their places. */
  layOut() {
    const width = this.box.clientWidth - 2 * GAP
    if (width <= 0) return
    this.columns = Math.max(2, Math.floor((width + GAP) / (this.size + GAP)))
    this.edge = Math.floor((width + GAP) / this.columns) - GAP
    this.step = this.edge + CAPTION + GAP
    const groups = new Map(this.review.classes().map((name) => [name, []]))
    for (const picture of this.review.pictures)
      if (this.filter(picture)) groups.get(this.review.classOf(picture)).push(picture)
    this.shown = [] // the pictures in their order
    this.places = new Map() // from a picture to its row, column and top
    this.sections = []
    let [top, row] = [0, 0]
    for (const [name, pictures] of groups) {
      if (!pictures.length) continue
      const first = this.shown.length
      const section = { name, top, pictures }
      top += HEAD
      pictures.forEach((picture, at) => {
        const place = { row: row + Math.floor(at / this.columns), column: at % this.columns }
        this.places.set(picture, { ...place, top: top + Math.floor(at / this.columns) * this.step, at: first + at })
        this.shown.push(picture)
      })
      const rows = Math.ceil(pictures.length / this.columns)
      row += rows
      top += rows * this.step + GAP
      this.sections.push({ ...section, bottom: top })
    }
    this.rows = row
    this.space.style.height = `${top + GAP}px`
    this.box.classList.toggle('rv-none', !this.shown.length)
    this.draw(true)
  }

  /** Draws what is in view. With `all`, also what is drawn already. */
  draw(all = false) {
    if (!this.sections) return
    const [from, to] = [this.box.scrollTop - OUTSIDE, this.box.scrollTop + this.box.clientHeight + OUTSIDE]
    const seen = new Set()
    const heads = new Set()
    for (const section of this.sections) {
      if (section.bottom < from || section.top > to) continue
      heads.add(section.name)
      this.drawHead(section, all)
      const first = Math.max(0, Math.floor((from - section.top - HEAD) / this.step)) * this.columns
      const last = (Math.floor((to - section.top - HEAD) / this.step) + 1) * this.columns
      for (const picture of section.pictures.slice(first, Math.max(first, last))) {
        seen.add(picture.number)
        this.drawCell(picture, all)
      }
    }
    this.dropOthers(this.cells, seen)
    this.dropOthers(this.heads, heads)
  }

  dropOthers(drawn, wanted) {
    for (const [key, old] of drawn) {
      if (wanted.has(key)) continue
      old.remove()
      drawn.delete(key)
    }
  }

  drawHead(section, all) {
    let head = this.heads.get(section.name)
    if (head && !all) return
    if (!head) {
      head = element('div', 'rv-head')
      head.setAttribute('role', 'presentation')
      this.heads.set(section.name, head)
      this.space.append(head)
    }
    const dropped = section.pictures.filter((picture) => this.review.of(picture).drop).length
    const words = [`${section.pictures.length}`, ...(dropped ? [`${dropped} dropped`] : [])]
    head.replaceChildren(element('h3', '', section.name || 'without a label'), element('span', '', words.join(' · ')))
    head.style.transform = `translateY(${section.top}px)`
  }

  drawCell(picture, all) {
    let cell = this.cells.get(picture.number)
    const isNew = !cell
    if (isNew) {
      cell = this.newCell(picture)
      this.cells.set(picture.number, cell)
      this.space.append(cell)
    }
    if (isNew || all) this.update(cell, picture)
    const image = cell.querySelector('img')
    if (!this.fast && !image.getAttribute('src')) this.load(image, picture)
  }

  newCell(picture) {
    const image = element('img')
    Object.assign(image, { alt: '', draggable: false, decoding: 'async' })
    const frame = element('div', 'rv-frame', null, element('div', 'rv-fit', null, image, element('div', 'rv-cut')))
    const cell = element('div', 'rv-cell', null, frame, element('div', 'rv-marks'), element('div', 'rv-caption'))
    Object.assign(cell, { id: `rv-${picture.number}`, role: 'option' })
    cell.dataset.number = picture.number
    image.onload = () => {
      fitInto(image.parentElement, image.naturalWidth / image.naturalHeight)
      image.classList.toggle('rv-tiny', Math.max(image.naturalWidth, image.naturalHeight) <= 64)
      cell.classList.add('rv-loaded')
    }
    image.onerror = () => this.failed(cell, image, picture)
    return cell
  }

  load(image, picture) {
    image.src = this.review.address(picture, 256)
  }

  /** Shows why a picture has none. If the server has closed the sheet, opens it again. */
  async failed(cell, image, picture) {
    const answer = await fetch(image.src).catch(() => null)
    if (answer?.status === 410 && !cell.again && (await this.review.reopen())) {
      cell.again = true
      return this.load(image, picture)
    }
    const why = answer ? await answer.text() : 'the server does not answer'
    if (answer?.ok && !cell.again) {
      cell.again = true
      return this.load(image, picture)
    }
    cell.classList.add('rv-broken')
    cell.querySelector('.rv-frame').title = why
    image.parentElement.append(element('p', 'rv-why', `Not shown: ${why}`))
  }

  update(cell, picture) {
    const { drop, keep, stars: count = 0, crop } = this.review.of(picture)
    const place = this.places.get(picture)
    const left = GAP + place.column * (this.edge + GAP)
    cell.style.cssText = `width:${this.edge}px;height:${this.edge + CAPTION}px;transform:translate(${left}px,${place.top}px)`
    const isSelected = this.selected.has(picture)
    const flags = this.review.flagsOf(picture)
    cell.classList.toggle('rv-dropped', Boolean(drop))
    cell.classList.toggle('rv-kept', Boolean(keep))
    cell.classList.toggle('rv-selected', isSelected)
    cell.classList.toggle('rv-current', picture === this.current)
    cell.setAttribute('aria-selected', isSelected)
    const words = [fileName(picture), this.review.classOf(picture), drop && 'dropped', keep && 'kept',
      count && `${count} stars`, crop && 'cropped', ...flags.map(([word]) => word)]
    cell.setAttribute('aria-label', words.filter(Boolean).join(', '))
    const marks = [...new Map(flags).entries()].map(([word, text]) => Object.assign(element('span', 'rv-flag', word), { title: text }))
    if (drop) marks.unshift(element('span', 'rv-verdict rv-no', '✕'))
    if (keep) marks.unshift(element('span', 'rv-verdict rv-yes', '✓'))
    cell.querySelector('.rv-marks').replaceChildren(...marks)
    const name = Object.assign(element('span', 'rv-name', fileName(picture)), { title: picture.name })
    cell.querySelector('.rv-caption').replaceChildren(name, ...(count ? [element('span', 'rv-stars', '★'.repeat(count))] : []))
    showCrop(cell.querySelector('.rv-cut'), crop)
  }

  mark() {
    for (const [number, cell] of this.cells) this.update(cell, this.review.pictures[number])
    this.box.setAttribute('aria-activedescendant', this.current ? `rv-${this.current.number}` : '')
  }

  /** Scrolls as little as necessary to show a picture. */
  reveal(picture) {
    const place = this.places?.get(picture)
    if (!place) return
    const { scrollTop, clientHeight } = this.box
    const [top, bottom] = [place.top - HEAD, place.top + this.step]
    if (top < scrollTop) this.box.scrollTop = top
    else if (bottom > scrollTop + clientHeight) this.box.scrollTop = bottom - clientHeight
    this.draw()
  }

  /** Returns the picture that a key leads to from the current one. */
  neighbour(key) {
    const place = this.places.get(this.current)
    const last = this.shown.length - 1
    if (!place) return this.shown[0]
    const page = Math.max(1, Math.floor(this.box.clientHeight / this.step))
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page }
    if (key in steps) {
      const row = Math.min(this.rows - 1, Math.max(0, place.row + steps[key]))
      if (row === place.row) return this.current
      return this.inRow(row, place.column)
    }
    const at = { ArrowLeft: place.at - 1, ArrowRight: place.at + 1, Home: 0, End: last }[key]
    return this.shown[Math.min(last, Math.max(0, at))]
  }

  inRow(row, column) {
    const inIt = this.shown.filter((picture) => this.places.get(picture).row === row)
    return inIt[Math.min(column, inIt.length - 1)]
  }

  close() {
    this.watcher.disconnect()
    clearTimeout(this.rest)
    if (this.frame) cancelAnimationFrame(this.frame)
  }
}

/** Gives an element the largest size of this aspect that fits into its parent. */
export function fitInto(box, aspect) {
  box.style.aspectRatio = aspect
  box.style.width = aspect >= 1 ? '100%' : 'auto'
  box.style.height = aspect >= 1 ? 'auto' : '100%'
}

/** Darkens what is outside of a crop. */
export function showCrop(cut, crop) {
  cut.hidden = !crop
  if (!crop) return
  const [left, top, width, height] = crop.map((part) => `${100 * part}%`)
  Object.assign(cut.style, { left, top, width, height })
}
