"""Running a graph: plan, workers, events, published files."""
