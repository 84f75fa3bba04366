"""`python -m artgraph`."""

from .cli.main import main

main()
