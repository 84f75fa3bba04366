"""Runs graphs: graph files, plans, the store and execution."""
