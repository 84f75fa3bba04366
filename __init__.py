"""artgraph: deep-learning art as a graph of typed nodes.

Nothing is imported here at the top: tools import this file alone, by its path.
"""


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("artgraph")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
