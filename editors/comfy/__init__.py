"""The node pack for ComfyUI."""
