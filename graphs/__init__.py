"""The shipped graphs; `artgraph graphs` lists them."""
