"""The accelerated VAE. Video is (B, 3, T, H, W), RGB in [-1, 1]."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from odvae.acceleration.clipwise import ClipwiseCoder
from odvae.acceleration.compiled import CompiledCoder
from odvae.errors import UserError
from odvae.model import ODVAE, Architecture, ClipLengths, Compression, LatentScaling, Posterior
from odvae.model.streaming import State

_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)

# Of modules in a row and the precision to compute in, what computes the same: called with the next
# piece (B, C, T, H, W) and a state, as ``odvae.model.streaming`` has it, ``last=``.
MakesCoder = Callable[[Sequence[nn.Module], torch.dtype], nn.Module]


class AcceleratedVAE(nn.Module):
    """What an ODVAE computes, faster and in less memory; for inference only, without gradients.

    It holds copies of the weights (see ``accelerate``) and follows no later change of the model's.
    What comes out has the dtype of what went in.
    """

    def __init__(self, vae: ODVAE, *, dtype: torch.dtype, coder: MakesCoder) -> None:
        super().__init__()
        self.architecture: Architecture = vae.architecture
        self.compression: Compression = vae.compression
        self.clip_lengths: ClipLengths = vae.clip_lengths
        self.latent_channels: int = vae.latent_channels
        self.latent_scaling: LatentScaling = vae.latent_scaling
        self.input_range: tuple[float, float] = vae.input_range
        self.whole_only: str | None = vae.whole_only
        self.encoder = coder([*vae.encoder.stages(), vae.quant_conv], dtype)
        self.decoder = coder([vae.post_quant_conv, *vae.decoder.stages()], dtype)

    def encode(self, video: Tensor) -> Posterior:
        """Encode a clip; sizes, results and errors as of ``ODVAE.encode``."""
        self._check_video(video)
        if not self.clip_lengths.takes(video.shape[2]):
            raise ValueError(
                f"video must have T = {self.clip_lengths} frames, got T={video.shape[2]}"
            )
        return Posterior(_code(self.encoder, video, None, last=True)[0])

    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents (B, C, t, h, w) to pixels (B, 3, 1 + 4 (t - 1), 8 h, 8 w), unclamped."""
        self._check_latents(latents)
        return _code(self.decoder, latents, None, last=True)[0]

    def encode_piece(self, video: Tensor, state: State, /, *, last: bool) -> tuple[Tensor, State]:
        """Encode the next frames (B, 3, n, H, W) of a clip to the raw moments they complete.

        Arguments and results are those of ``ODVAE.encode_piece``.

        Raises:
            UserError: norms over the whole clip, see ``whole_only``.
        """
        self._check_video(video)
        self._check_streams()
        return _code(self.encoder, video, state, last=last)

    def decode_piece(self, latents: Tensor, state: State, /, *, last: bool) -> tuple[Tensor, State]:
        """Decode the next latents (B, C, n, h, w) of a clip to pixels; see ``encode_piece``."""
        self._check_latents(latents)
        self._check_streams()
        return _code(self.decoder, latents, state, last=last)

    def forward(self, video: Tensor) -> Tensor:
        """Reconstruct a clip from the mode of its posterior."""
        return self.decode(self.encode(video).mode())

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

    On a CPU every step is an exact rewriting, so outputs differ by rounding alone. The weights of
    3D convolutions are transformed here once, which takes 2 2/3 times their memory in float32 and
    1 2/3 times in bfloat16; the clips of a batch are coded one after the other, in the memory of
    one. On a GPU the model's own steps are compiled, which the first call waits for. Where the
    model lies decides; it may be dropped.

    Args:
        vae: any row of the table of variants; it is left as it is.
        dtype: the precision to compute in; None is the model's own.

    Raises:
        UserError: a dtype that is no precision to compute in.
    """
    weight = next(vae.parameters())
    dtype = weight.dtype if dtype is None else dtype
    if dtype not in _DTYPES:
        names = ", ".join(str(allowed) for allowed in _DTYPES)
        raise UserError(f"dtype must be one of {names}, got {dtype}")
    coder = CompiledCoder if weight.device.type == "cuda" else ClipwiseCoder
    return AcceleratedVAE(vae, dtype=dtype, coder=coder).eval()


@torch.no_grad()
def _code(coder: nn.Module, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
    coded: tuple[Tensor, State] = coder(x, state, last=last)
    return coded
