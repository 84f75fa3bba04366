"""Other systems' forms of nodes and graphs."""
