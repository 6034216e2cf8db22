"""OD-VAE: video to latents and back. Video is (B, 3, T, H, W), RGB in [-1, 1]."""

from pathlib import Path
from typing import Self

from torch import Tensor, nn

from odvae.errors import UserError
from odvae.model.architecture import Architecture
from odvae.model.causality import takes_whole_clip_statistics
from odvae.model.coders import Decoder, Encoder
from odvae.model.interface import ClipLengths, Compression, LatentScaling
from odvae.model.layers import conv1x1
from odvae.model.posterior import Posterior
from odvae.model.saved import write_folder
from odvae.model.streaming import State, stream_through
from odvae.model.variants import IMAGE, OPERATORS, Operators, member

SD_LATENT_SCALE = 0.18215


class ODVAE(nn.Module):
    """The causal video VAE (arXiv 2409.01199, section 3), in any row of the table of variants.

    Weights are PyTorch's defaults until ``odvae.inflate`` or ``odvae.load`` sets them.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        latent = architecture.latent_channels
        self.encoder = Encoder(architecture)
        self.decoder = Decoder(architecture)
        self.quant_conv = conv1x1(2 * latent, 2 * latent, spans_time=True)
        self.post_quant_conv = conv1x1(latent, latent, spans_time=True)

    @classmethod
    def variant(
        cls,
        variant: int,
        *,
        width: int = 128,
        latent_channels: int = 4,
        operators: Operators | str = Operators.paper,
        blocks: int = 2,
        norm_groups: int | str = 32,
    ) -> Self:
        """Build a variant of the paper (1 to 4; 4 is the released model, 239.19 M parameters)."""
        return cls(
            Architecture(
                variant=variant,
                width=width,
                blocks=blocks,
                latent_channels=latent_channels,
                norm_groups=norm_groups,
                operators=member(Operators, operators, field="operators"),
            )
        )

    @classmethod
    def image(
        cls,
        *,
        width: int = 128,
        latent_channels: int = 4,
        blocks: int = 2,
        norm_groups: int | str = 32,
    ) -> Self:
        """Build the 2D image VAE: SD-VAE's architecture, which takes a video frame by frame."""
        return cls(
            Architecture(
                variant=IMAGE,
                width=width,
                blocks=blocks,
                latent_channels=latent_channels,
                norm_groups=norm_groups,
                operators=Operators.strict,
            )
        )

    @property
    def compression(self) -> Compression:
        """4x8x8, or 1x8x8 where time is not compressed."""
        return self.architecture.compression

    @property
    def clip_lengths(self) -> ClipLengths:
        """4k+1, or any number where time is not compressed."""
        return self.architecture.clip_lengths

    @property
    def latent_channels(self) -> int:
        """4 in the paper."""
        return self.architecture.latent_channels

    @property
    def latent_scaling(self) -> LatentScaling:
        """SD-VAE's, which the released model keeps."""
        return LatentScaling(scale=(SD_LATENT_SCALE,))

    @property
    def input_range(self) -> tuple[float, float]:
        """[-1, 1]."""
        return (-1.0, 1.0)

    def encode(self, video: Tensor) -> Posterior:
        """Encode a clip.

        Args:
            video: (B, 3, T, H, W) in [-1, 1], T = 4k + 1, H and W multiples of 8.

        Returns:
            The posterior of latents (B, C, 1 + (T - 1) / 4, H / 8, W / 8).

        Raises:
            ValueError: a size that the model would have to cut.
        """
        _check_video(video, self)
        return Posterior(self.quant_conv(self.encoder(video)))

    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents (B, C, t, h, w) to pixels (B, 3, 1 + 4 (t - 1), 8 h, 8 w), unclamped."""
        _check_latents(latents, self)
        video: Tensor = self.decoder(self.post_quant_conv(latents))
        return video

    @property
    def whole_only(self) -> str | None:
        """Why a video can go through whole only; None if in pieces too."""
        if not takes_whole_clip_statistics(self):
            return None
        choices = [f"operators={how.value}" for how, row in OPERATORS.items() if row.norm_per_frame]
        return (
            f"with operators={self.architecture.operators.value} the norms take statistics over "
            f"the whole clip; choose {' or '.join(choices)}"
        )

    def encode_piece(self, video: Tensor, state: State, /, *, last: bool) -> tuple[Tensor, State]:
        """Encode the next frames of a clip; sizes as in encode but for the number of frames.

        Args:
            video: (B, 3, n, H, W) in [-1, 1]; n may be 0.
            state: what the call before returned; None for the first.
            last: the clip ends with these.

        Returns:
            The raw moments that are complete now, (B, 2 C, n', H / 8, W / 8), and the state.

        Raises:
            ValueError: a size that the model would have to cut.
            UserError: operators that cannot be streamed.
        """
        _check_streams(self)
        _check_frames(video, self)
        return stream_through([self.encoder, self.quant_conv], video, state, last=last)

    def decode_piece(self, latents: Tensor, state: State, /, *, last: bool) -> tuple[Tensor, State]:
        """Decode the next latents (B, C, n, h, w) of a clip to pixels; see ``encode_piece``."""
        _check_streams(self)
        _check_latents(latents, self)
        return stream_through([self.post_quant_conv, self.decoder], latents, state, last=last)

    def forward(self, video: Tensor) -> Tensor:
        """Reconstruct a clip from the mode of its posterior; shapes and range as in encode."""
        return self.decode(self.encode(video).mode())

    def save(self, path: Path | str) -> None:
        """Write a folder with config.json and model.safetensors that ``odvae.load`` reads."""
        write_folder(Path(path), self.architecture, self.state_dict())


def _check_streams(vae: ODVAE) -> None:
    if vae.whole_only is not None:
        raise UserError(vae.whole_only)


def _check_video(video: Tensor, vae: ODVAE) -> None:
    _check_frames(video, vae)
    frames = video.shape[2]
    if not vae.clip_lengths.takes(frames):
        raise ValueError(f"video must have T = {vae.clip_lengths} frames, got T={frames}")


def _check_frames(video: Tensor, vae: ODVAE) -> None:
    if video.ndim != 5 or video.shape[1] != 3:
        raise ValueError(f"video must be (B, 3, T, H, W), got {tuple(video.shape)}")
    height, width = video.shape[3:]
    space = vae.compression.height
    if height % space or width % space:
        raise ValueError(f"height and width must be multiples of {space}, got {height}x{width}")


def _check_latents(latents: Tensor, vae: ODVAE) -> None:
    channels = vae.latent_channels
    if latents.ndim != 5 or latents.shape[1] != channels:
        raise ValueError(f"latents must be (B, {channels}, t, h, w), got {tuple(latents.shape)}")
