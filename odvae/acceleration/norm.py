"""GroupNorm and swish, in place. Clips are (T, C, H, W), channels last."""

import torch
import torch.nn.functional as F
from torch import Tensor

from odvae.acceleration.clip import Stage, frames_at_once
from odvae.model.streaming import State

_COPIED = 1 << 21  # the most numbers of a clip that may be copied
_AT_ONCE = 1 << 20  # numbers that are read twice: they should stay in the cache


class Norm(Stage):
    """GroupNorm with statistics per frame or over the clip, then swish unless told otherwise.

    Small clips are PyTorch's to normalise, which makes a copy. In large ones every group's sums
    come from sums per channel, which a product with a row of ones gives; then the norm is one
    multiplication and one addition per channel, in place.
    """

    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        *,
        groups: int,
        eps: float,
        per_frame: bool,
        swish: bool,
    ) -> None:
        super().__init__()
        self.groups, self.eps, self.framewise, self.swish = groups, eps, per_frame, swish
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        return self.into(x, x), None

    def into(self, x: Tensor, y: Tensor) -> Tensor:
        """Write the norm of x (T, C, H, W) to y, which may be x."""
        if x.numel() <= _COPIED:
            y.copy_(self._copied(x))
            return F.silu(y, inplace=True) if self.swish else y
        at_once = frames_at_once(x, _AT_ONCE)
        sums = [_sums(frames) for frames in x.split(at_once)]
        if not self.framewise:
            whole = torch.cat(sums).mean(0, keepdim=True)
            sums = [whole] * len(sums)
        for frames, out, of_frames in zip(x.split(at_once), y.split(at_once), sums, strict=True):
            scale, shift = self._affine(of_frames)
            pixels = _pixels(out)
            torch.addcmul(shift, _pixels(frames), scale, out=pixels)
            if self.swish:
                F.silu(pixels, inplace=True)
        return y

    def _copied(self, x: Tensor) -> Tensor:
        """The norm of x (T, C, H, W); over the clip it is that of the frames as one tall image."""
        if self.framewise:
            return F.group_norm(x, self.groups, self.weight, self.bias, self.eps)
        tall = x.permute(0, 2, 3, 1).flatten(0, 1).permute(2, 0, 1).unsqueeze(0)
        y = F.group_norm(tall, self.groups, self.weight, self.bias, self.eps)
        frames: Tensor = y[0].unflatten(1, (len(x), x.shape[2])).transpose(0, 1)
        return frames

    def _affine(self, sums: Tensor) -> tuple[Tensor, Tensor]:
        """What to multiply and add, (n, 1, C) each, from means of x and of x^2, (n, 2, C)."""
        mean, square = sums.unflatten(2, (self.groups, -1)).mean(3, keepdim=True).unbind(1)
        deviation = (square - mean * mean).clamp_min(0).add(self.eps).rsqrt()  # (n, groups, 1)
        weight, bias = (w.view(self.groups, -1) for w in (self.weight, self.bias))
        scale = weight * deviation
        shift = bias - scale * mean
        dtype = _at_least_float32(self.weight.dtype)
        return scale.to(dtype).flatten(1).unsqueeze(1), shift.to(dtype).flatten(1).unsqueeze(1)


def _pixels(x: Tensor) -> Tensor:
    """(n, C, H, W) as a view (n, H * W, C)."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _sums(frames: Tensor) -> Tensor:
    """Means of x and of x^2 for each channel of each frame, (n, 2, C), float64."""
    pixels = _pixels(frames)
    pixels = pixels.to(_at_least_float32(pixels.dtype))
    count = pixels.shape[1]
    ones = pixels.new_ones(1, 1, 1).expand(len(pixels), 1, count)
    return torch.cat([ones @ pixels, ones @ pixels.square()], dim=1).double() / count


def _at_least_float32(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
