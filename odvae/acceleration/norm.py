"""GroupNorm and swish, in place. Clips are (T, C, H, W), channels last."""

import torch
import torch.nn.functional as F
from torch import Tensor

from odvae.acceleration.clip import Stage, as_pixels
from odvae.model.streaming import State


class Norm(Stage):
    """GroupNorm with statistics per frame or over the clip, then swish unless told otherwise.

    Every group's sums come from sums per channel, which a product with a row of ones gives; then
    the norm is one multiplication and one addition per channel.
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
        sums = [_sums(frame) for frame in x.split(1)]
        if sums and not self.framewise:
            sums = [torch.stack(sums).mean(0)] * len(sums)
        for frame, out, of_frame in zip(x.split(1), y.split(1), sums, strict=True):
            scale, shift = self._affine(of_frame)
            pixels = as_pixels(out)
            torch.addcmul(shift, as_pixels(frame), scale, out=pixels)
            if self.swish:
                F.silu(pixels, inplace=True)
        return y

    def _affine(self, sums: Tensor) -> tuple[Tensor, Tensor]:
        """What to multiply and add per channel, from means of x and x^2 per channel, (2, C)."""
        mean, square = sums.view(2, self.groups, -1).mean(2)
        deviation = (square - mean * mean).clamp_min(0).add(self.eps).rsqrt()
        per_group = self.weight.shape[0] // self.groups
        scale = self.weight * deviation.repeat_interleave(per_group)
        shift = self.bias - scale * mean.repeat_interleave(per_group)
        dtype = _at_least_float32(self.weight.dtype)
        return scale.to(dtype), shift.to(dtype)


def _sums(frame: Tensor) -> Tensor:
    """Means of x and of x^2 for each channel of a frame, (2, C), float64."""
    pixels = as_pixels(frame)
    pixels = pixels.to(_at_least_float32(pixels.dtype))
    ones = pixels.new_ones(1, len(pixels))
    return torch.cat([ones @ pixels, ones @ pixels.square()]).double() / len(pixels)


def _at_least_float32(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
