// The bars of the review sheet with their buttons, and the list of its keys.

import { element } from './review_grid.js'

export const FILTERS = [['all', 'All'], ['flagged', 'Flagged'], ['dropped', 'Dropped'], ['kept', 'Kept']]
const HELP = [
  ['Arrows, Home, End, Page', 'go to another picture; with Shift, select'], ['Ctrl+A, Ctrl+click', 'select all, or one more'],
  ['D or Delete', 'drop, or use again'], ['K', 'keep: it was looked at and is wanted'], ['1 to 5, 0', 'give stars, or none'],
  ['C or M', 'move to another class'], ['X', 'crop'], ['Space or Enter', 'show in large'], ['Z, Y', 'undo, redo'],
  ['F', 'show only the flagged ones, or all'], ['+ and −', 'larger or smaller'], ['Escape', 'close']
]

/** Returns a button that does something and then gives the focus back to the pictures. */
export function makeButton(sheet, text, key, label, act, className = '') {
  const made = Object.assign(element('button', className, text), { type: 'button', title: key ? `${label} (${key})` : label })
  made.setAttribute('aria-label', label)
  if (key) made.append(element('kbd', '', key))
  made.onclick = () => {
    act()
    if (!sheet.chooser.isOpen) sheet.focus()
  }
  return made
}

/** Returns the bar at the top. Its changing parts become properties of the sheet. */
export function makeTop(sheet) {
  sheet.counter = element('span', 'rv-counter')
  sheet.counter.setAttribute('role', 'status')
  sheet.filters = new Map(FILTERS.map(([name, text]) => [name, makeButton(sheet, text, '', `Show ${text.toLowerCase()}`, () => sheet.setFilter(name))]))
  const filters = element('div', 'rv-filters', null, ...sheet.filters.values())
  filters.setAttribute('role', 'group')
  const sizes = element('div', 'rv-sizes', null, makeButton(sheet, '−', '', 'Smaller pictures', () => sheet.resize(-1)), makeButton(sheet, '+', '', 'Larger pictures', () => sheet.resize(1)))
  return element('header', 'rv-top', null, element('h2', '', sheet.review.title), sheet.counter, filters, sizes,
    makeButton(sheet, '?', '', 'Help', () => sheet.showHelp()), makeButton(sheet, 'Close', '', 'Close', () => sheet.close(), 'rv-close'))
}

/** Returns the bar at the bottom, with a button for each action. */
export function makeBottom(sheet) {
  const rate = [1, 2, 3, 4, 5].map((count) => makeButton(sheet, '★', '', count === 1 ? '1 star' : `${count} stars`, () => sheet.rate(count), 'rv-star'))
  sheet.stars = rate
  sheet.status = element('span', 'rv-status')
  sheet.status.setAttribute('role', 'status')
  sheet.about = element('span', 'rv-selected-count')
  sheet.accept = element('div', 'rv-accept', null, makeButton(sheet, 'Accept', '⏎', 'Accept the crop', () => sheet.acceptCrop(), 'rv-main'),
    makeButton(sheet, 'Whole picture', 'W', 'Use the whole picture', () => sheet.large.whole()), makeButton(sheet, 'Cancel', 'Esc', 'Cancel the crop', () => sheet.cancelCrop()))
  sheet.actions = element('div', 'rv-actions', null,
    sheet.drop = makeButton(sheet, 'Drop', 'D', 'Drop', () => sheet.toggle('drop')), sheet.keep = makeButton(sheet, 'Keep', 'K', 'Keep', () => sheet.toggle('keep')),
    element('span', 'rv-rate', null, ...rate), makeButton(sheet, 'Class', 'C', 'Move to a class', () => sheet.chooseClass()),
    makeButton(sheet, 'Crop', 'X', 'Crop', () => sheet.startCrop()), makeButton(sheet, 'View', 'Space', 'Show in large', () => sheet.toggleLarge()),
    sheet.undo = makeButton(sheet, 'Undo', 'Z', 'Undo', () => sheet.step('undo')), sheet.redo = makeButton(sheet, 'Redo', 'Y', 'Redo', () => sheet.step('redo')))
  return element('footer', 'rv-bottom', null, sheet.actions, sheet.accept, sheet.about, sheet.status)
}

/** Returns the list of keys, which is hidden at first. */
export function makeHelp(sheet) {
  const lines = HELP.map(([keys, text]) => element('tr', '', null, element('th', '', keys), element('td', '', text)))
  const panel = element('div', 'rv-panel', null, element('h3', '', 'Keys'), element('table', '', null, ...lines),
    element('p', 'rv-hint', 'Every change is saved at once. No picture file is changed.'))
  const veil = element('div', 'rv-veil', null, panel)
  veil.hidden = true
  veil.onclick = () => sheet.showHelp(false)
  return veil
}
