"""The node pack inside ComfyUI."""
