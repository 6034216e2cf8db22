"""A bench over a few clips, and models whose scores are known. Clips are (B, 3, T, H, W)."""

from pathlib import Path

import torch
from torch import Tensor

from odvae.compose import compose_run
from odvae.config import RunConfig
from odvae.experiment.evaluation import Bench
from odvae.experiment.heldout import HeldOut
from odvae.inference import Tiling
from odvae.metrics import EvaluationResult, OriginalFeatures, Scorers, Stamp
from odvae.model import Compression, VideoVAE
from odvae.training.precision import Arithmetic, Precision
from tests.inference.fake_vae import LosslessVAE

CPU = torch.device("cpu")
ERROR = 0.02  # of what ``Off`` gives back, in [-1, 1]
ERROR_DB = 40.0  # its PSNR, where no pixel is clamped


class Off(LosslessVAE):
    """Gives back what went in, lighter and darker by ERROR in turn."""

    def decode(self, latents: Tensor) -> Tensor:
        video = super().decode(latents)
        places = torch.arange(video[0].numel()).view(video.shape[1:])
        return video + ERROR * (1 - 2 * (places % 2))


def lossless(*, posterior: bool = True) -> LosslessVAE:
    """Gives back what went in."""
    return LosslessVAE(Compression(1, 1, 1), posterior=posterior)


def composed(videos: Path | None, *words: str) -> RunConfig:
    """A run over four clips of 5x32x32 from a folder of videos, or from the bundled ones."""
    data = [] if videos is None else ["data=folder", f"data.path={videos}"]
    quick = ("preset=smoke", "metrics.protocol.lpips=[]", "metrics.protocol.frechet=[]")
    return compose_run([*quick, *data, *words])


def bench_of(config: RunConfig, *, scorers: Scorers | None = None, batch: int = 2) -> Bench:
    """A bench on the CPU; without scorers it computes PSNR and SSIM."""
    heldout = HeldOut.open(config, batch=batch)
    scorers = scorers or Scorers((), (), CPU)
    return Bench(
        heldout=heldout,
        scorers=scorers,
        originals=OriginalFeatures(),
        arithmetic=Arithmetic(CPU, Precision.fp32),
        tiling=Tiling.off(),
        stamp=Stamp(
            protocol=config.protocol,
            clips=len(heldout),
            manifest=heldout.manifest.digest,
            networks=scorers.networks,
        ),
        seed=config.seed,
    )


def score(bench: Bench, vae: VideoVAE) -> EvaluationResult:
    """Score a model."""
    return bench.score(vae, done=lambda count: None)
