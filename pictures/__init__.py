"""Pictures without learning: procedural art, picture files, sheets and plots.

Nothing here uses nodes, and only `tiles` accepts a tensor.
"""
