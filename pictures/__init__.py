"""Pictures without learning: procedural art, picture files, sheets and plots; no torch, no node."""
