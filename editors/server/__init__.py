"""`artgraph edit`: ComfyUI's web editor, with artgraph's nodes and runner.

The editor is the separate package comfyui-frontend-package (GPL-3.0-only). The extra `edit`
installs it, and its files are served without changes. The server does not import torch, since
graphs run in a separate process.

    app.py       the application: joins the routes, starts and stops
    settings.py  settings from the command line
    guard.py     which requests are allowed, and what the browser may do
    hub.py       the open browser tabs, and the messages to them
    jobs.py      the queue and the history, stored on disk
    engine.py    the loop over the queue, and the process that runs graphs
    worker.py    the code of that process
    follow.py    translates the events of a run to the editor's messages
    prompts.py   translates the editor's prompt to a graph, and shows problems on its nodes
    graphs.py    the folder of graphs: YAML files with their layouts
    saving.py    writes the YAML when the editor saves a graph that exists
    watch.py     notices graphs that are changed on disk by others
    routes_*.py  the routes of the server
"""
