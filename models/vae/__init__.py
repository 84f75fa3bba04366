"""Variational autoencoders, and priors that draw their latents."""
