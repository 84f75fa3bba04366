"""`artgraph edit`: ComfyUI's web editor over artgraph's nodes and runner.

The editor is the separate package comfyui-frontend-package (GPL-3.0-only), installed by the extra
`edit` and served as it is. Nothing here imports torch: runs happen in a process of their own.

    app.py       the application: routes put together, start and stop
    settings.py  what the command line decides
    guard.py     who may ask: Host, Origin, token; and what the browser may do
    hub.py       the open browser tabs and what they are sent
    jobs.py      the queue and the history, on disk
    engine.py    the queue's loop and the process that runs graphs
    worker.py    that process
    follow.py    a run's events as the editor's messages
    prompts.py   a prompt of the editor as a graph, and its problems on the nodes
    graphs.py    the folder of graphs: YAML files, their layouts
    saving.py    what a graph's file says when the editor saves over it
    watch.py     graphs that someone else changes on disk
    routes_*.py  what the editor asks for
"""
