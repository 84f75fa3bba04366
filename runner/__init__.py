"""Graph files, plans, the store and execution; the command line on top."""
