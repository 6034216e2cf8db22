"""Layers of the causal VAE. Every tensor is (B, C, T, H, W); an image is a video with T = 1."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from odvae.model.causality import (
    Frames,
    Framewise,
    SeesFrames,
    WholeClipStatistics,
    frames_seen,
)
from odvae.model.streaming import State, stream_through

_SWISH = nn.SiLU()
MOST_ELEMENTS = (1 << 31) - 1  # of an input or output of one convolution: 32-bit indices


def per_frame(fn: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a function of images, (N, C, H, W), to each frame of a video (B, C, T, H, W)."""
    batch, frames = x.shape[0], x.shape[2]
    y = fn(x.transpose(1, 2).flatten(0, 1))  # (B * T, C', H', W')
    video: Tensor = y.unflatten(0, (batch, frames)).transpose(1, 2)  # (B, C', T, H', W')
    return video


def _no_frames(conv: nn.Conv2d | nn.Conv3d, x: Tensor) -> Tensor:
    """What a convolution makes of (B, C_in, 0, H, W): (B, C_out, 0, H', W')."""
    assert not isinstance(conv.padding, str)
    sizes = zip(
        x.shape[3:], conv.padding[-2:], conv.kernel_size[-2:], conv.stride[-2:], strict=True
    )
    height, width = ((size + 2 * pad - k) // stride + 1 for size, pad, k, stride in sizes)
    return x.new_empty(x.shape[0], conv.out_channels, 0, height, width)


class CausalConv3d(SeesFrames, nn.Conv3d):
    """3D convolution whose output frame t sees input frames <= t only.

    The past of frame 0 is frame 0 repeated, so a still image takes the same path as a video.

    Shape:
        input   (B, C_in,  T,  H,  W)
        output  (B, C_out, T', H', W'),  T' = 1 + (T - 1) // stride_t
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        *,
        kernel: tuple[int, int, int],  # (k_t, k_h, k_w), in frames and pixels
        stride: tuple[int, int, int] = (1, 1, 1),
        pad_px: int | None = None,  # zeros on each side in H and W; None keeps the size
    ) -> None:
        if stride[0] > kernel[0]:
            raise ValueError(f"stride {stride} would skip frames: kernel {kernel}")
        pad = kernel[1] // 2 if pad_px is None else pad_px
        super().__init__(c_in, c_out, kernel, stride=stride, padding=(0, pad, pad))
        self.past_frames = kernel[0] - 1  # context in front of frame 0

    def frames_seen(self, frames: Frames) -> Frames:
        """Frame t of the output ends at input frame t * stride_t."""
        stride_t = self.stride[0]
        return Frames(max(0, frames.first * stride_t - self.past_frames), frames.last * stride_t)

    def forward(self, x: Tensor) -> Tensor:
        return self._convolved(self._after_its_past(x))

    def stream(
        self, x: Tensor, state: Tensor | None, *, last: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Carries the frames that outputs to come still see, at most ``past_frames``."""
        if not x.shape[2]:
            return _no_frames(self, x), state
        x = self._after_its_past(x) if state is None else torch.cat([state, x], dim=2)
        k_t, stride_t = self.kernel_size[0], self.stride[0]
        complete = max(0, (x.shape[2] - k_t) // stride_t + 1)  # output frames
        out = self._convolved(x) if complete else _no_frames(self, x)
        if not self.past_frames:
            return out, None
        return out, x[:, :, complete * stride_t :].clone()  # a view would keep all of x

    def _convolved(self, x: Tensor) -> Tensor:
        """Of frames with their past; where 32 bits cannot number the elements, in pieces of time.

        Implementations of convolutions fail there, or take slow and hungry paths.
        """
        k_t, stride_t = self.kernel_size[0], self.stride[0]
        frames = (x.shape[2] - k_t) // stride_t + 1  # of the output
        channels = max(self.in_channels * stride_t, self.out_channels)
        in_a_frame = x.shape[0] * channels * x.shape[3] * x.shape[4]
        at_once = max(1, MOST_ELEMENTS // in_a_frame - k_t)
        if frames <= at_once:
            return super().forward(x)
        made = []
        for first in range(0, frames, at_once):
            last = min(first + at_once, frames) - 1
            made.append(super().forward(x[:, :, first * stride_t : last * stride_t + k_t]))
        return torch.cat(made, dim=2)

    def _after_its_past(self, x: Tensor) -> Tensor:
        """(B, C_in, T, H, W) to (B, C_in, k_t - 1 + T, H, W)."""
        if not self.past_frames:
            return x
        return torch.cat([x[:, :, :1].expand(-1, -1, self.past_frames, -1, -1), x], dim=2)


class FrameConv2d(Framewise, nn.Conv2d):
    """2D convolution applied to each frame of a video by itself."""

    def forward(self, x: Tensor) -> Tensor:
        return per_frame(super().forward, x)

    def no_frames(self, x: Tensor) -> Tensor:
        """(B, C_out, 0, H', W')."""
        return _no_frames(self, x)


class ClipGroupNorm(WholeClipStatistics, nn.GroupNorm):
    """GroupNorm over the 5-D tensor: one mean and variance per group for the whole clip.

    This is the released model's norm. It lets every frame depend on all frames.
    """


class FrameGroupNorm(Framewise, nn.GroupNorm):
    """GroupNorm with statistics taken per frame: the image VAE's norm, and strictly causal."""

    def forward(self, x: Tensor) -> Tensor:
        return per_frame(super().forward, x)


def conv3x3(c_in: int, c_out: int, *, spans_time: bool) -> nn.Module:
    """A size-keeping 3x3x3 causal convolution, or a 3x3 one on each frame."""
    if spans_time:
        return CausalConv3d(c_in, c_out, kernel=(3, 3, 3))
    return FrameConv2d(c_in, c_out, 3, padding=1)


def conv1x1(c_in: int, c_out: int, *, spans_time: bool) -> nn.Module:
    """A pointwise convolution; both kinds are the same function of each frame."""
    if spans_time:
        return CausalConv3d(c_in, c_out, kernel=(1, 1, 1))
    return FrameConv2d(c_in, c_out, 1)


class ResnetBlock(SeesFrames, nn.Module):
    """x + conv2(swish(norm2(conv1(swish(norm1(x)))))), in 2D or 3D. (B, C_in, T, H, W) -> C_out."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        *,
        spans_time: bool,
        norm: Callable[[int], nn.Module],  # channels -> norm
    ) -> None:
        super().__init__()
        self.norm1 = norm(c_in)
        self.conv1 = conv3x3(c_in, c_out, spans_time=spans_time)
        self.norm2 = norm(c_out)
        self.conv2 = conv3x3(c_out, c_out, spans_time=spans_time)
        self.nin_shortcut = (
            conv1x1(c_in, c_out, spans_time=spans_time) if c_in != c_out else nn.Identity()
        )

    def frames_seen(self, frames: Frames) -> Frames:
        """Those of the convolutions; the skip sees nothing else."""
        return frames_seen([self.conv1, self.conv2], frames)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        out: Tensor = self.nin_shortcut(x) + h
        return out

    def stream(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        """Carries the convolutions' past; they put a frame out for each that comes in."""
        branch = [self.norm1, _SWISH, self.conv1, self.norm2, _SWISH, self.conv2]
        h, state = stream_through(branch, x, state, last=last)
        skip, _ = stream_through([self.nin_shortcut], x, None, last=last)  # pointwise: no past
        return skip + h, state


class FrameAttention(Framewise):
    """Single-head self-attention over the H * W positions of each frame; none along time."""

    def __init__(self, channels: int, *, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.norm = norm(channels)
        self.q = conv1x1(channels, channels, spans_time=True)
        self.k = conv1x1(channels, channels, spans_time=True)
        self.v = conv1x1(channels, channels, spans_time=True)
        self.proj_out = conv1x1(channels, channels, spans_time=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (_tokens(layer(h)) for layer in (self.q, self.k, self.v))
        out: Tensor = F.scaled_dot_product_attention(q, k, v)  # (B, T, H * W, C), scale C^-0.5
        out = out.permute(0, 3, 1, 2).unflatten(3, x.shape[3:])  # (B, C, T, H, W)
        out = self.proj_out(out)
        return x + out


def _tokens(x: Tensor) -> Tensor:
    """(B, C, T, H, W) -> (B, T, H * W, C)."""
    return x.flatten(3).permute(0, 2, 3, 1)
