"""Videos and latents from disk to disk, a few frames in memory at a time."""
