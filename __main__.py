"""`python -m artgraph`."""

from .runner.cli import main

main()
