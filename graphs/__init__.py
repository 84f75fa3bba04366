"""Shipped graphs: `artgraph graphs` lists them."""
