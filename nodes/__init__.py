"""The contract of a node, the kinds of values, and one file per capability."""
