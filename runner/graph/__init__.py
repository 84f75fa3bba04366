"""From a graph's text to nodes that can run."""
