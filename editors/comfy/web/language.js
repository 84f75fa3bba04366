// artgraph's own texts in the language of the editor. A text without a translation is shown in English.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'

let words = {}
const waiting = [] // what is called when the language changes

/** Loads the texts in the language of the editor, now and when it changes. */
export async function loadWords() {
  await load()
  app.ui.settings.addEventListener('Comfy.Locale.change', async () => {
    await load()
    for (const act of waiting) act()
  })
}

async function load() {
  const language = app.ui.settings.getSettingValue('Comfy.Locale') ?? 'en'
  const answer = await api.fetchApi(`/artgraph/words?${new URLSearchParams({ language })}`).catch(() => null)
  words = answer?.ok ? await answer.json() : {}
}

/** Calls a function when the language has changed. */
export const whenTranslated = (act) => waiting.push(act)

/** Returns a text in the language of the editor. `{name}` is replaced by the part of this name. */
export function said(text, parts = {}) {
  return (words[text] ?? text).replace(/\{(\w+)\}/g, (found, name) => parts[name] ?? found)
}
