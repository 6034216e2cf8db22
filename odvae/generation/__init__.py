"""Video diffusion on the latents of any VAE."""
