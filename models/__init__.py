"""Networks, losses, training loops and metrics. They use torch, but no nodes and no graphs."""
