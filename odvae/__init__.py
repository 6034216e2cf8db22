"""odvae: experiments and ablations for causal video VAEs (OD-VAE, arXiv 2409.01199)."""

from odvae import inference, metrics, model
from odvae.acceleration import accelerate
from odvae.model import ODVAE, Posterior, inflate
from odvae.vaes import load

__all__ = ["ODVAE", "Posterior", "accelerate", "inference", "inflate", "load", "metrics", "model"]
