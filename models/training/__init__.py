"""The training loop, and what all trainings share."""
