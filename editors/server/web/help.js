// Help in the side bar of the editor, instead of the editor's links to pages about ComfyUI.

import { app } from '/scripts/app.js'
import { said } from './language.js'

const PAGES = [
  ['Run', 'Press Run. Results that were computed before are marked “reused” and not computed again. If you raise the steps of a training, it continues from its last step.'],
  ['Add a node', 'Double-click the canvas and type a name, or drag a node out of the node library. Wires connect sockets of the same colour.'],
  ['Your pictures', 'Drop a picture on the canvas, or add the node “Load pictures” and choose a folder. Each sub-folder becomes a class. “Review pictures” on the node shows them all, to drop, move, crop or rate them.'],
  ['Train', 'The node shows samples during the training. You can stop at any time. Press Run to continue from there.'],
  ['Results', 'Results appear on the nodes, under Assets in this bar, and in the folder “out” beside your graphs.'],
  ['The picture is the graph', 'Drop a PNG that artgraph saved on the canvas to open the graph that made it.'],
  ['Graphs are files', 'Save writes the graph as YAML into your folder. “artgraph run” makes exactly the same pictures from it. Copy as YAML and Show plan are in the menu artgraph.'],
  ['About a node', 'Select a node and press the “i” above it to see what it does and what each setting means.']
]

const DOCS = [ // pages of the documentation, which the server of the editor contains
  ['artists', 'For artists: from your pictures to a good result'],
  ['editor', 'The editor'],
  ['folders', 'Folders of pictures and reviews'],
  ['graphs', 'Graphs as files'],
  ['reference', 'All nodes']
]

// Commands of the editor that open pages about ComfyUI.
const ELSEWHERE = /^Comfy\.(Help\.|ContactSupport|ToggleHelpCenter|User\.|Onboarding)/

export function addHelp() {
  app.extensionManager.registerSidebarTab({
    id: 'artgraph-help',
    icon: 'pi pi-question-circle',
    title: said('Help'),
    tooltip: said('Help'),
    type: 'custom',
    render: fill
  })
  const open = () => app.extensionManager.command.execute('Workspace.ToggleSidebarTab.artgraph-help')
  for (const command of app.extensionManager.command.commands)
    if (ELSEWHERE.test(command.id)) command.function = open
}

function fill(box) {
  const help = document.createElement('div')
  help.className = 'artgraph-help'
  const title = document.createElement('h2')
  title.textContent = 'artgraph'
  help.append(title)
  for (const [name, text] of PAGES) {
    const [heading, words] = ['h3', 'p'].map((kind) => document.createElement(kind))
    heading.textContent = said(name)
    words.textContent = said(text)
    help.append(heading, words)
  }
  title.after(...DOCS.map(([name, text]) => {
    const line = document.createElement('p')
    const link = { href: `/artgraph/docs/${name}.md`, target: '_blank', textContent: said(text) }
    line.append(Object.assign(document.createElement('a'), link))
    return line
  }))
  box.replaceChildren(help)
}
