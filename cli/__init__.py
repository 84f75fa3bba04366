"""The command line of artgraph."""
