"""Each kind of value on a wire: shape, range, form in the store."""
