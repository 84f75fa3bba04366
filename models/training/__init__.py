"""The training loop, and what all kinds of training share."""
