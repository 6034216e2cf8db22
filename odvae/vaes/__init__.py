"""Any VAE, from anywhere, under one protocol."""

from odvae.vaes.loading import Loaded, load, open_vae

__all__ = ["Loaded", "load", "open_vae"]
