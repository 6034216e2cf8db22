"""Any VAE, from anywhere, under one protocol."""
