"""Write golden.safetensors: outputs of the four variants at width 32 with formula weights.

    python -m tests.model.make_golden

Only for a change that is meant to alter numbers; variant 4 is also held to the released model.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from odvae.model import ODVAE, VIDEO_VARIANTS
from tests.model.formula import clip, released

GOLDEN = Path(__file__).with_name("golden.safetensors")


def sparse_decode(vae: ODVAE, latents: Tensor) -> Tensor:
    """Decode, then keep every 4th pixel in H and W: (B, 3, T, 2 h, 2 w)."""
    with torch.no_grad():
        return vae.decode(latents)[..., ::4, ::4].contiguous()


def golden_outputs(variant: int) -> dict[str, Tensor]:
    """Mean and log-variance of the clip x9, and the decoded mean."""
    vae = released(variant)
    with torch.no_grad():
        posterior = vae.encode(clip("x9"))
    return {
        f"variant{variant}.mean": posterior.mean.contiguous(),
        f"variant{variant}.logvar": posterior.logvar.contiguous(),
        f"variant{variant}.dec": sparse_decode(vae, posterior.mean),
    }


def write_golden(path: Path = GOLDEN) -> None:
    """Compute every variant's outputs and write them to one file."""
    tensors: dict[str, Tensor] = {}
    for variant in VIDEO_VARIANTS:
        tensors |= golden_outputs(variant)
    save_file(tensors, path)


if __name__ == "__main__":
    write_golden()
