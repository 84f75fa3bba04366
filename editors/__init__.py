"""Nodes and graphs in other programs: their file formats, ComfyUI, and the editor's server."""
