"""The accelerated VAE. Video is (B, 3, T, H, W), RGB in [-1, 1]."""

import torch
from torch import Tensor, nn

from odvae.acceleration.building import pipeline
from odvae.acceleration.clip import Stage
from odvae.errors import UserError
from odvae.model import ODVAE, Architecture, ClipLengths, Compression, LatentScaling, Posterior
from odvae.model.streaming import State

_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


class AcceleratedVAE(nn.Module):
    """What an ODVAE computes, faster and in less memory; for inference only, without gradients.

    It holds transformed copies of the weights (see ``accelerate``) and follows no later change of
    the model's. The clips of a batch are coded one after the other, in the memory of one. What
    comes out has the dtype of what went in.
    """

    def __init__(self, vae: ODVAE, *, dtype: torch.dtype) -> None:
        super().__init__()
        self.architecture: Architecture = vae.architecture
        self.compression: Compression = vae.compression
        self.clip_lengths: ClipLengths = vae.clip_lengths
        self.latent_channels: int = vae.latent_channels
        self.latent_scaling: LatentScaling = vae.latent_scaling
        self.input_range: tuple[float, float] = vae.input_range
        self.whole_only: str | None = vae.whole_only
        self.dtype = dtype
        self.encoder = pipeline([*vae.encoder.stages(), vae.quant_conv], dtype)
        self.decoder = pipeline([vae.post_quant_conv, *vae.decoder.stages()], dtype)

    def encode(self, video: Tensor) -> Posterior:
        """Encode a clip; sizes, results and errors as of ``ODVAE.encode``."""
        self._check_video(video)
        if not self.clip_lengths.takes(video.shape[2]):
            raise ValueError(
                f"video must have T = {self.clip_lengths} frames, got T={video.shape[2]}"
            )
        return Posterior(self._code(self.encoder, video, None, last=True)[0])

    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents (B, C, t, h, w) to pixels (B, 3, 1 + 4 (t - 1), 8 h, 8 w), unclamped."""
        self._check_latents(latents)
        return self._code(self.decoder, latents, None, last=True)[0]

    def encode_piece(self, video: Tensor, state: State, /, *, last: bool) -> tuple[Tensor, State]:
        """Encode the next frames (B, 3, n, H, W) of a clip to the raw moments they complete.

        Arguments and results are those of ``ODVAE.encode_piece``.

        Raises:
            UserError: norms over the whole clip, see ``whole_only``.
        """
        self._check_video(video)
        self._check_streams()
        return self._code(self.encoder, video, state, last=last)

    def decode_piece(self, latents: Tensor, state: State, /, *, last: bool) -> tuple[Tensor, State]:
        """Decode the next latents (B, C, n, h, w) of a clip to pixels; see ``encode_piece``."""
        self._check_latents(latents)
        self._check_streams()
        return self._code(self.decoder, latents, state, last=last)

    def forward(self, video: Tensor) -> Tensor:
        """Reconstruct a clip from the mode of its posterior."""
        return self.decode(self.encode(video).mode())

    @torch.no_grad()
    def _code(self, coder: Stage, x: Tensor, states: State, *, last: bool) -> tuple[Tensor, State]:
        """(B, C, T, H, W) through a coder, clip by clip."""
        states = states or [None] * len(x)
        coded, after = [], []
        for clip, state in zip(x, states, strict=True):
            y, state_after = coder(_stored(clip, self.dtype), state, last=last)
            coded.append(y.to(x.dtype).transpose(0, 1))  # (C', T', H', W')
            after.append(state_after)
            del y
        return torch.stack(coded).contiguous(), None if last else after

    def _check_streams(self) -> None:
        if self.whole_only is not None:
            raise UserError(self.whole_only)

    def _check_video(self, video: Tensor) -> None:
        if video.ndim != 5 or video.shape[1] != 3:
            raise ValueError(f"video must be (B, 3, T, H, W), got {tuple(video.shape)}")
        (height, width), space = video.shape[3:], self.compression.height
        if height % space or width % space:
            raise ValueError(f"height and width must be multiples of {space}, got {height}x{width}")

    def _check_latents(self, latents: Tensor) -> None:
        channels = self.latent_channels
        if latents.ndim != 5 or latents.shape[1] != channels:
            raise ValueError(
                f"latents must be (B, {channels}, t, h, w), got {tuple(latents.shape)}"
            )


def accelerate(vae: ODVAE, *, dtype: torch.dtype | None = None) -> AcceleratedVAE:
    """An inference-only equivalent of a model: the same outputs, much faster and leaner.

    Every step is an exact rewriting, so outputs differ by rounding alone. The weights of 3D
    convolutions are transformed here once, which takes 2 2/3 times their memory in float32 and
    1 2/3 times in bfloat16; the model given may be dropped.

    Args:
        vae: any row of the table of variants; it is left as it is.
        dtype: the precision to compute in; None is the model's own.

    Raises:
        UserError: a dtype that is no precision to compute in.
    """
    dtype = next(vae.parameters()).dtype if dtype is None else dtype
    if dtype not in _DTYPES:
        names = ", ".join(str(allowed) for allowed in _DTYPES)
        raise UserError(f"dtype must be one of {names}, got {dtype}")
    return AcceleratedVAE(vae, dtype=dtype).eval()


def _stored(clip: Tensor, dtype: torch.dtype) -> Tensor:
    """(C, T, H, W) to a copy (T, C, H, W) with channels last, which the coder may overwrite."""
    frames = clip.permute(1, 2, 3, 0).to(dtype, copy=True, memory_format=torch.contiguous_format)
    return frames.permute(0, 3, 1, 2)
