"""Residual blocks and attention that reuse what they own. Clips are (T, C, H, W), channels last."""

import torch
import torch.nn.functional as F
from torch import Tensor

from odvae.acceleration.causal_conv import TemporalConv
from odvae.acceleration.clip import Stage, as_pixels, of_pixels
from odvae.acceleration.framewise import FrameConv, Pointwise
from odvae.acceleration.norm import Norm
from odvae.model.streaming import State


class Block(Stage):
    """x + conv2(swish(norm2(conv1(swish(norm1(x)))))).

    The second convolution adds its result to the skip where that lies, and what nobody will read
    again is normalised where it lies: at most three clips are alive at once.
    """

    def __init__(
        self,
        norm1: Norm,
        conv1: TemporalConv | FrameConv,
        norm2: Norm,
        conv2: TemporalConv | FrameConv,
        shortcut: Pointwise | None,
    ) -> None:
        super().__init__()
        self.norm1, self.conv1, self.norm2, self.conv2 = norm1, conv1, norm2, conv2
        self.shortcut = shortcut
        self.framewise = all(part.framewise for part in (norm1, conv1, norm2, conv2))

    def forward(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        of_conv1, of_conv2 = state or (None, None)
        if self.shortcut is None:
            skip, h = x, self.norm1.into(x, torch.empty_like(x))
        else:
            skip, h = self.shortcut(x, None, last=last)[0], self.norm1.into(x, x)
        y, of_conv1 = self.conv1(h, of_conv1, last=last)
        del h
        self.norm2.into(y, y)
        skip, of_conv2 = self.conv2(y, of_conv2, last=last, onto=skip)
        state = (of_conv1, of_conv2)
        return skip, None if state == (None, None) else state


class Attention(Stage):
    """Single-head self-attention over the positions of each frame; q, k and v in one product."""

    to_qkv: Tensor
    qkv_bias: Tensor
    to_out: Tensor
    out_bias: Tensor

    def __init__(
        self, norm: Norm, qkv: list[tuple[Tensor, Tensor]], out: tuple[Tensor, Tensor]
    ) -> None:
        super().__init__()
        self.norm = norm
        self.framewise = norm.framewise
        self.register_buffer("to_qkv", torch.cat([weight.flatten(1) for weight, _ in qkv]))
        self.register_buffer("qkv_bias", torch.cat([bias for _, bias in qkv]))
        self.register_buffer("to_out", out[0].flatten(1))
        self.register_buffer("out_bias", out[1])

    def forward(self, x: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        h = self.norm.into(x, torch.empty_like(x))
        qkv = F.linear(as_pixels(h), self.to_qkv, self.qkv_bias)
        tokens = (len(x), 1, x.shape[2] * x.shape[3], 3 * x.shape[1])
        q, k, v = qkv.view(tokens).chunk(3, dim=-1)  # (T, 1, H * W, C)
        attended = F.scaled_dot_product_attention(q, k, v)
        h = F.linear(attended.flatten(0, 2), self.to_out, self.out_bias)
        return x.add_(of_pixels(h, x)), None
