// Opens the review sheet for a node that loads pictures.

import { app } from '/scripts/app.js'
import { addStyle, notify } from './menu.js'
import { addButton, setWidget, valueOf } from './files.js'
import { ReviewSheet } from './review_sheet.js'
import { Review } from './review_state.js'

const NAMES = ['table', 'label', 'size', 'fit', 'aspect'] // widgets that say what the pictures are
const reviewed = new Map() // from a node's class to the names of its widgets: folder and review
let isOpen = false

/** Remembers the widgets of a class that loads pictures and uses a review. */
export function rememberReview(nodeData) {
  const inputs = Object.entries(nodeData.input?.required ?? {})
  const folder = inputs.find(([, input]) => input[1]?.folder_upload)
  const review = inputs.find(([, input]) => input[1]?.review)
  if (folder && review) reviewed.set(nodeData.name, { folder: folder[0], review: review[0] })
}

/** Adds the button to a node that uses a review. */
export function addReviewButton(node) {
  if (reviewed.has(node.comfyClass)) addButton(node, 'review pictures', () => openReview(node))
}

/** Opens the sheet for the selected node, or for the only one that loads pictures. */
export function reviewSelected() {
  const nodes = app.graph.nodes.filter((node) => reviewed.has(node.comfyClass))
  const selected = nodes.filter((node) => app.canvas.selected_nodes?.[node.id])
  const [node, other] = selected.length ? selected : nodes
  if (!node) return notify('warn', 'There are no pictures to review', 'Add the node “Load pictures”, and choose a folder.')
  if (other) return notify('warn', 'Which pictures?', 'Select one node “Load pictures” first.')
  return openReview(node)
}

async function openReview(node) {
  if (isOpen) return
  isOpen = true
  const names = reviewed.get(node.comfyClass)
  const widgets = Object.fromEntries(NAMES.map((name) => [name, valueOf(node, name)]))
  Object.assign(widgets, { folder: valueOf(node, names.folder) ?? '', review: valueOf(node, names.review) ?? '' })
  widgets.graph = app.extensionManager?.workflow?.activeWorkflow?.path?.replace(/^workflows\//, '') ?? ''
  try {
    await addStyle('review.css')
    const review = await Review.open(widgets)
    const sheet = new ReviewSheet(review, () => {
      isOpen = false
      app.canvas.setDirty(true, true)
    })
    // The file exists after the first change, and is used by the node from then on.
    review.addEventListener('saving', ({ detail }) => {
      if (detail.state === 'saved' && review.digest && valueOf(node, names.review) !== review.file) setWidget(node, names.review, review.file)
    })
    sheet.open()
    if (review.digest && !widgets.review) setWidget(node, names.review, review.file)
  } catch (error) {
    isOpen = false
    notify('error', 'The pictures cannot be reviewed', error.message)
  }
}
