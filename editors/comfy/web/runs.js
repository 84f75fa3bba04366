// Which workflow a run belongs to. Several may be open in ComfyUI, and their nodes may have the same ids.

import { app } from '/scripts/app.js'
import { api } from '/scripts/api.js'
import { editorStore } from './nodes.js'

const STORED = 'artgraph.runs' // the paths of the workflows of runs, stored so that a reload keeps them
const MOST = 50 // stored paths
const runs = new Map() // from the id of a run to its workflow
const ONLY = {} // stands for the workflow in versions of the editor without several

export const openWorkflow = () => app.extensionManager?.workflow?.activeWorkflow ?? ONLY

/**
 * Returns the workflow of a run: the open one if the run is not known, as its first messages may be faster than
 * its id; undefined if the workflow was closed and the page loaded again.
 */
export function workflowOf(run) {
  if (runs.has(run)) return runs.get(run)
  const path = stored()[run]
  if (path === undefined) return openWorkflow()
  return app.extensionManager?.workflow?.openWorkflows?.find((one) => one.path === path)
}

/** Returns whether a run is of the workflow that is open. */
export const isHere = (run) => workflowOf(run) === openWorkflow()

function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(STORED)) ?? {}
  } catch {
    return {}
  }
}

function remember(run, workflow) {
  runs.set(run, workflow)
  const latest = Object.entries({ ...stored(), [run]: workflow.path }).slice(-MOST)
  try {
    sessionStorage.setItem(STORED, JSON.stringify(Object.fromEntries(latest)))
  } catch {
    // the storage is full, so a reload forgets whose run it is
  }
}

/**
 * Notes for each run with nodes of artgraph which workflow was queued. `queuing` is called with the workflow,
 * and `refused` with the workflow and ComfyUI's errors by node, if there are any.
 */
export function followQueue(queuing, refused) {
  const queue = api.queuePrompt.bind(api)
  api.queuePrompt = async (number, data, ...rest) => {
    const workflow = openWorkflow()
    const isOurs = Object.values(data?.output ?? {}).some((node) => node.class_type?.startsWith('Artgraph_'))
    if (!isOurs) return queue(number, data, ...rest)
    queuing(workflow)
    try {
      const answer = await queue(number, data, ...rest)
      if (answer?.prompt_id) remember(answer.prompt_id, workflow)
      if (answer?.node_errors) refused(workflow, answer.node_errors)
      return answer
    } catch (error) {
      if (error?.response?.node_errors) refused(workflow, error.response.node_errors)
      throw error
    }
  }
}

/** Returns the id of a node that the open graph does not have. */
function elsewhere(id) {
  const ignoresUnknown = editorStore('workflow')?.nodeToNodeLocatorId // a node in an unknown subgraph
  return ignoresUnknown ? `elsewhere:${id}` : `elsewhere-${String(id).replaceAll(':', '-')}`
}

/**
 * Keeps the results of a run from the nodes of another workflow. ComfyUI's editor shows a result on the node
 * of the open graph that has the same id. It stores the result for its own workflow under another id.
 */
export function keepApart() {
  const dispatch = api.dispatchCustomEvent.bind(api)
  api.dispatchCustomEvent = (kind, detail) => {
    if (kind === 'executed' && detail && !isHere(detail.prompt_id)) {
      return dispatch(kind, { ...detail, display_node: elsewhere(detail.node) })
    }
    if (kind === 'b_preview_with_metadata' && detail && !isHere(detail.jobId ?? detail.promptId)) {
      return dispatch(kind, { ...detail, displayNodeId: elsewhere(detail.displayNodeId) })
    }
    return dispatch(kind, detail)
  }
}
