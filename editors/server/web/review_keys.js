// The keys of the review sheet.

const ARROWS = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End', 'PageUp', 'PageDown']

/** Handles a key. The editor must not get it: older ones do not see that a dialog is open. */
export function handleKey(sheet, event) {
  event.stopImmediatePropagation()
  if (event.key === 'Tab' || event.isComposing) return
  const focused = document.activeElement
  const onButton = focused?.tagName === 'BUTTON' && sheet.dialog.contains(focused) && ['Enter', ' '].includes(event.key)
  if (onButton) return
  if (act(sheet, event)) event.preventDefault()
}

/** Handles a key. Returns whether it has a meaning here. */
function act(sheet, event) {
  const { key } = event
  if (sheet.chooser.isOpen) return sheet.chooser.key(event)
  if (!sheet.help.hidden) return sheet.showHelp(false) ?? true
  if (sheet.large.isCropping) return cropKey(sheet, event)
  const controls = event.ctrlKey || event.metaKey
  const name = key.length === 1 ? key.toLowerCase() : key
  if (controls) {
    if (name === 'a') return sheet.selectAll() ?? true
    if (name === 'z') return sheet.step(event.shiftKey ? 'redo' : 'undo') ?? true
    if (name === 'y') return sheet.step('redo') ?? true
    if (name === 's') return true // it is saved
    return false
  }
  if (event.altKey) return false
  if (ARROWS.includes(key)) return sheet.go(key, event.shiftKey && !sheet.large.isOpen) ?? true
  if (/^[0-5]$/.test(key)) return sheet.rate(Number(key)) ?? true
  const keys = {
    d: () => sheet.toggle('drop'), Delete: () => sheet.toggle('drop'), Backspace: () => sheet.toggle('drop'), k: () => sheet.toggle('keep'),
    c: () => sheet.chooseClass(), m: () => sheet.chooseClass(), x: () => sheet.startCrop(), z: () => sheet.step('undo'), y: () => sheet.step('redo'),
    ' ': () => sheet.toggleLarge(), Enter: () => sheet.toggleLarge(), '?': () => sheet.showHelp(),
    f: () => sheet.setFilter(sheet.filter === 'flagged' ? 'all' : 'flagged'), '+': () => sheet.resize(1), '=': () => sheet.resize(1), '-': () => sheet.resize(-1),
    Escape: () => (sheet.large.isOpen ? sheet.closeLarge() : sheet.close())
  }
  keys[name]?.()
  return name in keys
}

function cropKey(sheet, event) {
  if (event.key === 'Enter') sheet.acceptCrop()
  else if (event.key === 'Escape') sheet.cancelCrop()
  else if (event.key.toLowerCase() === 'w') sheet.large.whole()
  else if (/^Arrow/.test(event.key)) sheet.large.nudge(event.key, event.shiftKey)
  else return false
  return true
}
