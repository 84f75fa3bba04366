"""Networks that others have trained on many photographs: reading their weights, and features."""
