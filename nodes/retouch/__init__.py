"""Nodes that change pictures between models: cut, mix, colour, print and relief."""
