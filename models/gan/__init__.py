"""Generative adversarial networks: three methods, one trainee."""
