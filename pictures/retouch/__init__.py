"""Arithmetic of the retouching nodes: one picture, float32 (H, W, C) in 0..1, at a time."""
