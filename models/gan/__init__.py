"""Generative adversarial networks: three methods, and one trainee for all of them."""
