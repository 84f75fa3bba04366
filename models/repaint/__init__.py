"""Repainting pictures: patches of a style, dreams, and what a network sees."""
