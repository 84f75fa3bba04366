"""The kinds of values that wires carry: shape, range, and form in the store."""
