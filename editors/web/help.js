// Help in the editor's own side bar, instead of pages about another program.

import { app } from '/scripts/app.js'

const PAGES = [
  ['Run', 'Press Run. What was computed before is reused and marked so; a training that was made longer goes on where it was.'],
  ['Add a node', 'Double-click the canvas and type, or drag one out of the node library. Wires join sockets of one colour.'],
  ['Your pictures', 'Drop a picture on the canvas, or add the node “Load pictures” and choose a folder. Its sub-folders are the classes.'],
  ['Train', 'The node shows samples while it learns. Stop whenever you like: nothing is lost, and Run goes on from there.'],
  ['Results', 'They appear on the nodes, under Assets in this bar, and in the folder “out” beside your graphs.'],
  ['The picture is the graph', 'Drop a PNG that artgraph saved on the canvas: the graph that made it opens.'],
  ['Graphs are files', 'Save writes YAML into your folder. “artgraph run” makes the same of it, to the bit. Copy as YAML and Show plan are in the menu artgraph.'],
  ['A node', 'Select it and press the “i” above it: what it does, and what each of its values means.']
]

const ABROAD = /^Comfy\.(Help\.|ContactSupport|ToggleHelpCenter|User\.|Onboarding)/

export function addHelp() {
  app.extensionManager.registerSidebarTab({
    id: 'artgraph-help',
    icon: 'pi pi-question-circle',
    title: 'Help',
    tooltip: 'Help',
    type: 'custom',
    render: fill
  })
  const open = () => app.extensionManager.command.execute('Workspace.ToggleSidebarTab.artgraph-help')
  for (const command of app.extensionManager.command.commands)
    if (ABROAD.test(command.id)) command.function = open
}

function fill(box) {
  const help = document.createElement('div')
  help.className = 'artgraph-help'
  const title = document.createElement('h2')
  title.textContent = 'artgraph'
  help.append(title)
  for (const [name, text] of PAGES) {
    const [heading, words] = ['h3', 'p'].map((kind) => document.createElement(kind))
    heading.textContent = name
    words.textContent = text
    help.append(heading, words)
  }
  box.replaceChildren(help)
}
