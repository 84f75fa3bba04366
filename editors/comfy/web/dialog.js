// Dialogs of artgraph, in ComfyUI and in its own editor.

/**
 * Shows a dialog. Escape, its button, and a click beside it close the dialog.
 * `choices` are further buttons; `closed` gets the value of the one that was pressed.
 */
export function showDialog(title, content, choices = {}, closed = () => {}) {
  const dialog = document.createElement('dialog')
  dialog.className = 'artgraph-dialog'
  const heading = Object.assign(document.createElement('h2'), { textContent: title })
  let choice
  const names = Object.keys(choices)
  const close = Object.assign(document.createElement('button'), { textContent: names.length ? 'Cancel' : 'Close' })
  close.onclick = () => dialog.close()
  const buttons = names.map((name) => {
    const button = Object.assign(document.createElement('button'), { textContent: name })
    button.onclick = () => {
      choice = choices[name]
      dialog.close()
    }
    return button
  })
  dialog.onclick = (event) => event.target === dialog && dialog.close()
  // Handles the key before the editor does, wherever the focus is.
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
    closed(choice)
  }
  dialog.append(heading, content, ...buttons, close)
  document.body.append(dialog)
  dialog.showModal()
  close.focus()
}
