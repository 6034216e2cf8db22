"""What a protocol does to latents and pixels before they are scored.

Clips are (B, 3, T, H, W) in [-1, 1], latents (B, C, t, h, w).
"""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from odvae.clip_terms import Rounding
from odvae.data import through_mpeg4, to_pixels, to_uint8
from odvae.metrics import ProtocolConfig
from odvae.model import Encoding, Posterior


def as_scored(clips: Tensor, protocol: ProtocolConfig) -> Tensor:
    """Round clips (B, 3, T, H, W), and send them through the codec, as a protocol says.

    Both sides of a comparison go this way. A clip that is not finite stays as it is: bytes would
    hide that it is broken.
    """
    if protocol.rounding is Rounding.exact:
        return clips
    return torch.stack([_as_scored(clip, protocol) for clip in clips])


def _as_scored(clip: Tensor, protocol: ProtocolConfig) -> Tensor:
    """One clip (3, T, H, W)."""
    if not clip.isfinite().all():
        return clip
    frames = to_uint8(clip, down=protocol.rounding is Rounding.down)
    if protocol.mpeg4_bits_per_px is not None:
        frames = through_mpeg4(frames, bits_per_px=protocol.mpeg4_bits_per_px)
    return to_pixels(frames)


def sampled(encoding: Encoding, clip_ids: Sequence[str], *, seed: int) -> Tensor:
    """Latents (B, C, t, h, w) drawn from the posteriors of clips, or those of a VAE without any.

    The noise of a clip is a function of the seed and of its id, whatever batch it comes in.
    """
    if not isinstance(encoding, Posterior):
        return encoding.mode()
    mean = encoding.mean
    noise = [_noise(clip_id, mean.shape[1:], seed=seed) for clip_id in clip_ids]
    return encoding.at(torch.stack(noise).to(mean))


def _noise(clip_id: str, shape: torch.Size, *, seed: int) -> Tensor:
    digest = hashlib.sha256(f"{seed} {clip_id}".encode("utf-8", "surrogateescape")).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)
    return torch.randn(shape, generator=generator)
