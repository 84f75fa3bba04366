"""Networks, losses, training loops and metrics: torch only, knowing no node and no graph."""
