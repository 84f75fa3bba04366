// Words of the editor that depend on what happened, and parts of it that lead to another program.

import { app } from '/scripts/app.js'

/** Returns what Vue shares with all parts of the page. */
export const shared = () => document.querySelector('#vue-app')?.__vue_app__?.config.globalProperties

/** Returns the editor's translator. */
function translator() {
  const provided = document.querySelector('#vue-app')?.__vue_app__?._context.provides ?? {}
  const parts = Object.getOwnPropertySymbols(provided).map((symbol) => provided[symbol]?.global)
  return parts.find((part) => part?.mergeLocaleMessage)
}

/** Replaces texts of the editor in its current language. */
export function setWords(tree) {
  const words = translator()
  words?.mergeLocaleMessage(words.locale.value ?? words.locale, tree)
}

const escaped = (text) => text.replace(/[{}@|$%]/g, (character) => `{'${character}'}`)

/** Makes the editor's panel of errors show what has failed. By itself it only knows that a node has. */
export function setFailure(what, advice) {
  const message = escaped([what, advice].filter(Boolean).map(capital).join('\n'))
  const both = { message, toastMessage: message }
  setWords({
    errorCatalog: {
      runtimeErrors: { execution_failed: both },
      validationErrors: { custom_validation_failed: both, unknown_validation_error: both }
    }
  })
}

const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1)

// Parts that are found by their label, by the key of the label's text in all languages.
const ELSEWHERE = ['menu.manageExtensions', 'deployToComfyApi.buttonLabel', 'g.shareWorkflow', 'actionbar.feedback']
const MENUS = ['Help'] // by their key, which is not translated
// Commands and settings of what artgraph does not have, by their ids.
const COMMANDS = /^Comfy\.Memory\./
const SETTINGS = /^Comfy\.(EditAttention\.|Execution\.PreviewMethod|ModelLibrary\.|NodeBadge\.ShowApiPricing|NodeReplacement\.|Notification\.ShowVersionUpdates|ErrorSystem\.ShowMissingModels)/

/** Removes menus about another program, and hides buttons to it and its settings, in every language. */
export function hideElsewhere() {
  const { menuItems = [] } = shared()?.$pinia?._s.get('menuItem') ?? {}
  remove(menuItems, ({ key }) => MENUS.includes(key))
  for (const { items } of menuItems) if (items) remove(items, ({ commandId }) => COMMANDS.test(commandId ?? ''))
  for (const setting of Object.values(shared()?.$pinia?._s.get('setting')?.settingsById ?? {}))
    if (SETTINGS.test(setting.id)) setting.type = 'hidden'
  hideByLabel()
  app.ui.settings.addEventListener('Comfy.Locale.change', () => setTimeout(hideByLabel, 500))
}

function remove(list, isUnwanted) {
  for (let i = list.length - 1; i >= 0; i--) if (isUnwanted(list[i])) list.splice(i, 1)
}

function hideByLabel() {
  const words = translator()
  const labels = ELSEWHERE.filter((key) => words?.te?.(key)).map((key) => CSS.escape(words.t(key)))
  const style = document.querySelector('#artgraph-elsewhere') ?? document.head.appendChild(document.createElement('style'))
  style.id = 'artgraph-elsewhere'
  const places = labels.flatMap((label) => ['[role="menuitem"]', 'button'].map((kind) => `${kind}[aria-label="${label}"]`))
  style.textContent = `${places.join(', ') || 'none'} { display: none !important; }`
}
