// One picture of the review sheet in large, and the rectangle that crops it.

import { element, fileName, showCrop, stars } from './review_grid.js'

const STEP = 0.01 // of the picture: how far an arrow key moves or resizes the rectangle
const LEAST = 0.02 // shortest edge of a rectangle
const CORNERS = ['nw', 'ne', 'sw', 'se']
const inside = (value, low, high) => Math.min(high, Math.max(low, value))

export class Large {
  /** `on` has what the buttons do, by their names. */
  constructor(review, on) {
    Object.assign(this, { review, on, picture: null, box: null })
    this.image = Object.assign(element('img'), { draggable: false })
    this.cut = element('div', 'rv-cut')
    this.fit = element('div', 'rv-fit', null, this.image, this.cut)
    this.stage = element('div', 'rv-stage', null, this.fit)
    this.about = element('div', 'rv-about')
    this.about.setAttribute('aria-live', 'polite')
    const arrow = (text, label, key) => {
      const made = Object.assign(element('button', `rv-arrow rv-${key}`, text), { onclick: () => on.move(key) })
      made.setAttribute('aria-label', label)
      return made
    }
    this.node = element('div', 'rv-large', null, this.stage, this.about,
      arrow('‹', 'Picture before', 'ArrowLeft'), arrow('›', 'Next picture', 'ArrowRight'))
    this.node.hidden = true
    this.image.onload = () => this.fitImage()
    this.image.onerror = () => this.about.append(element('p', 'rv-warn', 'This picture cannot be shown.'))
    this.watcher = new ResizeObserver(() => this.fitImage())
    this.watcher.observe(this.stage)
    this.fit.addEventListener('pointerdown', (event) => this.box && this.drag(event))
    this.stage.addEventListener('click', (event) => event.target === this.stage && !this.box && on.close())
  }

  get isOpen() {
    return !this.node.hidden
  }

  show(picture) {
    if (picture !== this.picture) {
      this.picture = picture
      this.stopCrop()
      this.image.src = this.review.address(picture, 1600)
    }
    this.node.hidden = false
    this.update()
    this.fitImage()
  }

  close() {
    this.stopCrop()
    this.node.hidden = true
  }

  /** Makes the picture as large as fits, but at most four times as large as it is. */
  fitImage() {
    const { naturalWidth: width, naturalHeight: height } = this.image
    if (!width || !this.stage.clientWidth) return
    const style = getComputedStyle(this.stage)
    const room = [this.stage.clientWidth - 2 * parseFloat(style.paddingLeft), this.stage.clientHeight - 2 * parseFloat(style.paddingTop)]
    const scale = Math.min(room[0] / width, room[1] / height, 4)
    Object.assign(this.fit.style, { width: `${width * scale}px`, height: `${height * scale}px` })
    this.image.classList.toggle('rv-tiny', scale >= 3)
  }

  update() {
    if (!this.picture) return
    const { drop, keep, stars: count = 0, crop } = this.review.of(this.picture)
    this.image.alt = this.picture.name
    this.node.classList.toggle('rv-dropped', Boolean(drop))
    if (!this.box) showCrop(this.cut, crop)
    const state = [drop && 'dropped', keep && 'kept', crop && 'cropped'].filter(Boolean).join(', ')
    const flags = this.review.flagsOf(this.picture)
    this.about.replaceChildren(
      element('p', 'rv-title', null,
        element('b', '', fileName(this.picture)),
        element('span', 'rv-chip', this.review.classOf(this.picture) || 'without a label'),
        element('span', 'rv-stars', count ? stars(count) : ''),
        element('span', drop ? 'rv-no' : 'rv-yes', state)),
      ...flags.map((flag) => this.flagLine(flag)))
    if (this.box) this.about.append(element('p', 'rv-hint', 'Drag a rectangle, or move it with the arrow keys (with Shift: resize). Enter accepts, Escape cancels, W uses the whole picture.'))
  }

  /** Returns a line about a flag. A duplicate has a small picture of what it repeats. */
  flagLine([word, text, of]) {
    const line = element('p', 'rv-warn', null, element('span', 'rv-flag', word), ` ${text} `)
    const other = of && this.review.pictures.find((picture) => picture.name === of)
    if (!other) return line
    const small = Object.assign(element('img', 'rv-other'), { src: this.review.address(other, 256), alt: of })
    const button = Object.assign(element('button', 'rv-otherbutton', null, small), { title: `Show ${of}`, onclick: () => this.on.go(other) })
    line.append(button)
    return line
  }

  // Cropping

  get isCropping() {
    return this.box !== null
  }

  startCrop() {
    this.box = [...(this.review.of(this.picture).crop ?? [0, 0, 1, 1])]
    this.cut.replaceChildren(...CORNERS.map((corner) => Object.assign(element('i', `rv-corner rv-${corner}`), { corner })))
    this.node.classList.add('rv-cropping')
    this.drawBox()
    this.update()
  }

  stopCrop() {
    this.box = null
    this.cut.replaceChildren()
    this.node.classList.remove('rv-cropping')
  }

  drawBox() {
    showCrop(this.cut, this.box)
  }

  /** Returns the crop: fractions with four decimals, or undefined for the whole picture. */
  get crop() {
    const [left, top] = this.box.slice(0, 2).map((part) => Math.round(part * 1e4) / 1e4)
    const [width, height] = [[left, 2], [top, 3]].map(([start, at]) => Math.min(Math.round(this.box[at] * 1e4) / 1e4, Math.round((1 - start) * 1e4) / 1e4))
    return width >= 0.999 && height >= 0.999 ? undefined : [left, top, width, height]
  }

  whole() {
    this.box = [0, 0, 1, 1]
    this.drawBox()
  }

  nudge(key, resizes) {
    const [x, y] = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[key]
    const [left, top, width, height] = this.box
    this.box = resizes
      ? [left, top, inside(width + x, LEAST, 1 - left), inside(height + y, LEAST, 1 - top)]
      : [inside(left + x, 0, 1 - width), inside(top + y, 0, 1 - height), width, height]
    this.drawBox()
  }

  /** A drag draws a rectangle; from its inside, it moves it; from a corner, it resizes it. */
  drag(event) {
    event.preventDefault()
    const area = this.fit.getBoundingClientRect()
    const at = ({ clientX, clientY }) => [inside((clientX - area.left) / area.width, 0, 1), inside((clientY - area.top) / area.height, 0, 1)]
    const [x, y] = at(event)
    const [left, top, width, height] = this.box
    const isWhole = width > 0.999 && height > 0.999
    const corner = event.target.corner
    const moves = !corner && !isWhole && event.target === this.cut
    const fixed = corner ? [corner.includes('w') ? left + width : left, corner.includes('n') ? top + height : top] : [x, y]
    this.fit.setPointerCapture(event.pointerId)
    const before = this.box
    this.fit.onpointermove = (moved) => {
      const [now, below] = at(moved)
      this.box = moves
        ? [inside(left + now - x, 0, 1 - width), inside(top + below - y, 0, 1 - height), width, height]
        : [Math.min(fixed[0], now), Math.min(fixed[1], below), Math.abs(now - fixed[0]), Math.abs(below - fixed[1])]
      this.drawBox()
    }
    this.fit.onpointerup = this.fit.onpointercancel = () => {
      this.fit.onpointermove = this.fit.onpointerup = this.fit.onpointercancel = null
      if (Math.min(this.box[2], this.box[3]) < LEAST) this.box = before // a click
      this.drawBox()
    }
  }

  remove() {
    this.watcher.disconnect()
  }
}
