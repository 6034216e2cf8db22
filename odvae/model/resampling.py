"""Changes of resolution in space and time. Every tensor is (B, C, T, H, W)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from odvae.model.causality import Frames, Framewise, SeesFrames, frames_seen
from odvae.model.layers import CausalConv3d, FrameConv2d, per_frame
from odvae.model.streaming import State, stream_through

_FRAME_0 = (1.0, 2.0, 2.0)  # scales of time, height and width
_LATER_FRAMES = (2.0, 2.0, 2.0)


class Downsample(SeesFrames, nn.Module):
    """Zero-pad right and bottom by one pixel, then a 3x3 convolution with stride 2 in H and W.

    ``stride_t`` 2 also halves time: T -> (T - 1) // 2 + 1, with frame 0 kept to itself.
    A space-only one may hold a (1, 3, 3) kernel or a 2D one: the same function, other shapes.
    """

    def __init__(self, channels: int, *, stride_t: int, conv_3d: bool) -> None:
        super().__init__()
        self.conv: nn.Module
        if conv_3d:
            self.conv = CausalConv3d(
                channels,
                channels,
                kernel=(1 if stride_t == 1 else 3, 3, 3),
                stride=(stride_t, 2, 2),
                pad_px=0,
            )
        else:
            self.conv = FrameConv2d(channels, channels, 3, stride=2)

    def frames_seen(self, frames: Frames) -> Frames:
        """Those of the convolution."""
        return frames_seen([self.conv], frames)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(F.pad(x, (0, 1, 0, 1)))
        return out

    def stream(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        """Carries what the convolution does."""
        return stream_through([self.conv], F.pad(x, (0, 1, 0, 1)), state, last=last)


class SpatialUpsample(Framewise):
    """Nearest x2 in H and W, frame by frame, then a (1, 3, 3) convolution: SD-VAE's upsampling."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = CausalConv3d(channels, channels, kernel=(1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(per_frame(_nearest_x2, x))
        return out

    def no_frames(self, x: Tensor) -> Tensor:
        """(B, C, 0, 2 H, 2 W)."""
        return _no_frames_x2(x)


class SpaceTimeUpsample(SeesFrames, nn.Module):
    """Double H and W of frame 0 and T, H and W of the rest, then a 3x3x3 causal convolution.

    T -> 1 + 2 (T - 1). Trilinear interpolation (the released model's) maps times [0 | 1, 2] to
    [0 | 1, 1.25, 1.75, 2], so output frames look one input frame ahead; nearest does not.
    """

    def __init__(self, channels: int, *, trilinear: bool) -> None:
        super().__init__()
        self.conv = CausalConv3d(channels, channels, kernel=(3, 3, 3))
        self.trilinear = trilinear

    def frames_seen(self, frames: Frames) -> Frames:
        """Those that the interpolation makes the convolution's frames from."""
        first, last = self.conv.frames_seen(frames)
        return Frames(self._interpolated_from(first).first, self._interpolated_from(last).last)

    def _interpolated_from(self, frame: int) -> Frames:
        """The input frames that a frame of the interpolated clip mixes."""
        if frame == 0:
            return Frames(0, 0)  # by itself, and no other frame mixes it in
        if not self.trilinear:
            return Frames((frame + 1) // 2, (frame + 1) // 2)
        return Frames(max(1, frame // 2), frame // 2 + 1)

    def forward(self, x: Tensor) -> Tensor:
        upsampled = self._interpolate(x[:, :, :1], _FRAME_0)
        if x.shape[2] > 1:
            rest = self._interpolate(x[:, :, 1:], _LATER_FRAMES)
            upsampled = torch.cat([upsampled, rest], dim=2)  # (B, C, 1 + 2 (T - 1), 2 H, 2 W)
        out: Tensor = self.conv(upsampled)
        return out

    def stream(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        """Carries the convolution's past and, if trilinear, a frame that waits for the next."""
        if state is None and not x.shape[2]:
            return _no_frames_x2(x), None
        waiting, of_conv = state or (None, None)
        if state is None:
            frame_0 = self._interpolate(x[:, :, :1], _FRAME_0)
            later, waiting = self._stream_later(x[:, :, 1:], None, last=last)
            upsampled = torch.cat([frame_0, later], dim=2)
        else:
            upsampled, waiting = self._stream_later(x, waiting, last=last)
        out, of_conv = self.conv.stream(upsampled, of_conv, last=last)
        return out, (waiting, of_conv)

    def _stream_later(
        self, x: Tensor, waiting: Tensor | None, *, last: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Interpolate frames after frame 0: those that are complete, and the input that waits."""
        if waiting is not None:
            x = torch.cat([waiting, x], dim=2)
        if not x.shape[2]:
            return _no_frames_x2(x), None
        upsampled = self._interpolate(x, _LATER_FRAMES)
        if not self.trilinear:
            return upsampled, None
        # Each input frame makes two: one nearer to the frame before, one nearer to that after.
        start = 0 if waiting is None else 1  # what has waited put its first one out already
        end = None if last else -1
        return upsampled[:, :, start:end], x[:, :, -1:].clone()

    def _interpolate(self, x: Tensor, scale: tuple[float, float, float]) -> Tensor:
        if self.trilinear:
            return F.interpolate(x, scale_factor=scale, mode="trilinear", align_corners=False)
        return F.interpolate(x, scale_factor=scale, mode="nearest")


def _nearest_x2(frames: Tensor) -> Tensor:
    return F.interpolate(frames, scale_factor=2.0, mode="nearest")


def _no_frames_x2(x: Tensor) -> Tensor:
    """(B, C, 0, H, W) with H and W doubled."""
    batch, channels, _, height, width = x.shape
    return x.new_empty(batch, channels, 0, 2 * height, 2 * width)
