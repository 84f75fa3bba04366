// Asks for a class: one of those that exist, or a new one.

import { element } from './review_grid.js'

/** Shows a list over the sheet. Calls `chosen` with a name; closing without a choice calls nothing. */
export class ClassChooser {
  constructor(chosen) {
    this.chosen = chosen
    this.input = Object.assign(element('input'), { type: 'text', maxLength: 200, placeholder: 'Class, or the name of a new one' })
    const options = { role: 'combobox', 'aria-expanded': 'true', 'aria-controls': 'rv-classes', 'aria-label': 'Class', autocomplete: 'off', spellcheck: 'false' }
    for (const [name, value] of Object.entries(options)) this.input.setAttribute(name, value)
    this.list = Object.assign(element('div', 'rv-classes'), { id: 'rv-classes', role: 'listbox' })
    this.title = element('h3')
    this.panel = element('div', 'rv-panel', null, this.title, this.input, this.list, element('p', 'rv-hint', 'Enter moves, Escape cancels.'))
    this.node = element('div', 'rv-veil', null, this.panel)
    this.node.hidden = true
    this.node.onclick = (event) => event.target === this.node && this.close()
    this.input.oninput = () => this.fill(0)
  }

  get isOpen() {
    return !this.node.hidden
  }

  open(title, classes) {
    this.title.textContent = title
    this.classes = classes
    this.input.value = ''
    this.node.hidden = false
    this.fill(0)
    this.input.focus()
  }

  fill(active) {
    const typed = this.input.value.trim().replace(/\s+/g, ' ')
    const found = this.classes.filter((name) => name.toLowerCase().includes(typed.toLowerCase()))
    const isNew = typed && !this.classes.includes(typed)
    this.names = isNew ? [...found, typed] : found
    this.active = Math.min(Math.max(0, active), this.names.length - 1)
    const lines = this.names.map((name, at) => {
      const line = element('div', 'rv-class', isNew && at === this.names.length - 1 ? `New class “${name}”` : name)
      Object.assign(line, { id: `rv-class-${at}`, role: 'option', onclick: () => this.choose(at) })
      line.setAttribute('aria-selected', at === this.active)
      return line
    })
    this.list.replaceChildren(...lines)
    this.input.setAttribute('aria-activedescendant', lines.length ? `rv-class-${this.active}` : '')
    lines[this.active]?.scrollIntoView({ block: 'nearest' })
  }

  /** Handles a key. Returns whether the input must not get it. */
  key(event) {
    if (event.key === 'Escape') this.close()
    else if (event.key === 'Enter') this.choose(this.active)
    else if (event.key === 'ArrowDown') this.fill(this.active + 1)
    else if (event.key === 'ArrowUp') this.fill(this.active - 1)
    else return false
    return true
  }

  choose(at) {
    const name = this.names[at]
    this.close()
    if (name) this.chosen(name)
  }

  close() {
    this.node.hidden = true
    this.onclose?.()
  }
}
