"""Runs nodes on the machines of a Ray cluster."""
