"""Runs the command line: `python -m artgraph`."""

from .cli.main import main

main()
