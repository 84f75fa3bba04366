"""The cache on disk: results and checkpoints by key."""
