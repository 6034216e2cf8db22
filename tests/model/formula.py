"""Weights and clips made by a formula, so that two programs can compare outputs alone.

A counter-based generator (SplitMix64 keyed by the CRC of a name) gives every tensor its values.
Weights are keyed by their official names, clips by "input.NAME". Clips are (B, C, T, H, W).
"""

import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from odvae.model import IMAGE, ODVAE, Operators, from_official

GOLDEN_GAMMA, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
NORMS = {"norm", "norm1", "norm2", "norm_out"}
CLIP_SHAPES = {"x1": (1, 3, 1, 32, 32), "x9": (1, 3, 9, 32, 32), "x17": (1, 3, 17, 40, 48)}


def u01(key: str, shape: Sequence[int]) -> NDArray[np.float64]:
    """Uniform values in [0, 1) that depend on the key and the position only."""
    count = np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64)
    z = count * np.uint64(GOLDEN_GAMMA) + np.uint64(zlib.crc32(key.encode()) << 32)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(MIX_2)
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(11)).astype(np.float64) / 2**53).reshape(shape)


def weight(name: str, shape: Sequence[int]) -> NDArray[np.float64]:
    """The tensor of an official name: sizes that keep activations near 1 through the network."""
    u = 2 * u01(name, shape) - 1
    module, leaf = name.split(".")[-2:]
    if len(shape) == 1 and module in NORMS:
        return 1 + 0.5 * u if leaf == "weight" else 0.5 * u
    if len(shape) == 1:
        return 0.2 * u
    # Queries and keys twice as large, so that attention is far from uniform.
    gain = 2 if ".attn_1.q." in name or ".attn_1.k." in name else 1
    values: NDArray[np.float64] = gain * 1.5 * u / np.sqrt(np.prod(shape[1:]))
    return values


def clip(name: str) -> Tensor:
    """One of the clips x1, x9, x17: (1, 3, T, H, W) in [-1, 1)."""
    values = 2 * u01(f"input.{name}", CLIP_SHAPES[name]) - 1
    return torch.from_numpy(values.astype(np.float32))


def official_names(vae: ODVAE) -> dict[str, str]:
    """Our tensor names to the official ones: a 3D convolution at path P is P.conv there."""
    state = vae.state_dict()
    names = {}
    for name in state:
        path, _, leaf = name.rpartition(".")
        is_conv_3d = state[f"{path}.weight"].ndim == 5
        names[name] = f"{path}.conv.{leaf}" if is_conv_3d else name
    return names


def official_state(vae: ODVAE) -> dict[str, Tensor]:
    """Formula weights for every tensor of the model, in official names, float32."""
    state = vae.state_dict()
    return {
        official: torch.from_numpy(weight(official, state[name].shape).astype(np.float32))
        for name, official in official_names(vae).items()
    }


@cache
def released(variant: int) -> ODVAE:
    """A variant of width 32 with formula weights, read as a released checkpoint is."""
    with torch.device("meta"):
        shapes_only = ODVAE.variant(variant, width=32)
    return from_official(official_state(shapes_only)).requires_grad_(False)


@cache
def small(variant: int, operators: Operators = Operators.paper) -> ODVAE:
    """A variant (or the image VAE) of width 8 with formula weights. Shared: not to be changed."""
    groups = "channels/4"
    if variant == IMAGE:
        vae = ODVAE.image(width=8, norm_groups=groups)
    else:
        vae = ODVAE.variant(variant, width=8, norm_groups=groups, operators=operators)
    values = official_state(vae)
    vae.load_state_dict({name: values[key] for name, key in official_names(vae).items()})
    return vae.eval().requires_grad_(False)


def small_clip(*, frames: int, size_px: int = 16, batch: int = 1, seed: int = 0) -> Tensor:
    """Noise in [-1, 1): (batch, 3, frames, size_px, size_px)."""
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(batch, 3, frames, size_px, size_px, generator=generator) - 1
