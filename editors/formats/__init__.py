"""Nodes and graphs in the formats of other systems."""
