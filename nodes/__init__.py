"""The nodes of artgraph, one file for each subject."""
