"""Nodes and graphs elsewhere: file formats, ComfyUI, the editor's server, and notebooks."""
