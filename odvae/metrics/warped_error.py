"""Warped error (Lai et al. 2018): what moves must look the same before and after its motion.

Clips are (B, C, T, H, W) in [-1, 1], images (N, C, H, W). A flow (N, 2, H, W) says where each pixel
of one image is in another one: so many pixels to the right, so many down.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from odvae.errors import UserError
from odvae.metrics import weights
from odvae.metrics.flicker import needs_two_frames
from odvae.metrics.pixels import check_pair, displayed, unit_range

PAIRS_AT_ONCE = 8  # bounds the memory of the flow network, whose correlations grow as (H W)^2
RAFT_STRIDE_PX = 8  # of its features
RAFT_MIN_PX = 128  # features are halved three times more, and 2x2 of them must be left
# A pixel is seen in both frames if going forth and back ends near where it started:
# |forth + back|^2 <= 0.01 (|forth|^2 + |back|^2) + 0.5 px^2 (Sundaram et al. 2010).
_SHARE = 0.01
_SLACK_PX2 = 0.5


class FlowNetwork(Protocol):
    """Estimates motion between two images."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Flow (N, 2, H, W) in pixels, right and down, from a to b: (N, 3, H, W) in [-1, 1]."""
        ...


class Raft(nn.Module):
    """RAFT (Teed and Deng 2020) in its small form, trained on FlyingChairs and FlyingThings3D.

    Raises:
        WeightsMissing: the weights are not here and could not be downloaded.
    """

    def __init__(self) -> None:
        # Imported here because torchvision takes seconds that most runs need not wait.
        from torchvision.models.optical_flow import raft_small

        super().__init__()
        path = weights.fetch("raft_small")
        with torch.device("meta"):  # all of it is loaded next
            self.network = raft_small(weights=None)
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        self.network.load_state_dict(state, strict=True, assign=True)
        self.eval().requires_grad_(False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Flow (N, 2, H, W) in pixels, right and down, from a to b: (N, 3, H, W) in [-1, 1].

        Raises:
            UserError: the sides are under 128 px or not multiples of 8.
        """
        height, width = a.shape[-2:]
        reason = raft_refusal(height, width)
        if reason is not None:
            raise UserError(reason)
        flow: Tensor = self.network(a, b)[-1]  # the last of its refinements
        return flow


class WarpedError:
    """Squared error between a reconstructed frame and the next one, led back along the motion.

    The motion is that of the original. Only pixels count that the original shows in both frames:
    those that the flow forth and back leads to where they started, and not out of the picture.

    Args:
        flow: the network that sees the original's motion, on the device of the clips to come.
    """

    def __init__(self, flow: FlowNetwork) -> None:
        self._flow = flow

    def __call__(self, original: Tensor, reconstruction: Tensor) -> Tensor:
        """Warped error of each pair of frames t - 1 and t.

        Args:
            original: clip (B, 3, T, H, W) in [-1, 1], at least two frames.
            reconstruction: clip of the same shape.

        Returns:
            (B, T - 1) in float64 from 0 to 1: the mean over channels and the pixels that count, on
            clamp((x + 1) / 2, 0, 1); as published, 0 where no pixel counts, as at a cut. NaN where
            one of the two frames is not finite. The original's own is not 0.

        Raises:
            UserError: the clips have a single frame, or sides that the network cannot look at.
        """
        check_pair(original, reconstruction)
        reason = needs_two_frames("warped_error", original.shape[2])
        if reason is not None:
            raise UserError(reason)
        seen = _pairs(displayed(original).float())
        judged = _pairs(unit_range(reconstruction))
        pieces = zip(*(frames.split(PAIRS_AT_ONCE) for frames in (*seen, *judged)), strict=True)
        errors = torch.cat([self._of_pairs(*piece) for piece in pieces])
        return errors.view(len(original), -1)  # (B, T - 1)

    def _of_pairs(
        self, before: Tensor, after: Tensor, judged_before: Tensor, judged_after: Tensor
    ) -> Tensor:
        """Errors (N,) of pairs (N, C, H, W): two frames of the original, two to be judged."""
        forth = self._flow(before, after).double()
        counts = _seen_twice(forth, self._flow(after, before).double())  # (N, H, W)
        difference = warp(judged_after, forth) - judged_before
        square = difference.square().mean(dim=1).masked_fill(~counts, 0)  # (N, H, W)
        errors = square.sum(dim=(1, 2)) / counts.sum(dim=(1, 2)).clamp(min=1)
        finite = torch.stack([judged_before, judged_after]).isfinite().all(dim=(0, 2, 3, 4))
        return errors.masked_fill(~finite, torch.nan)


def warp(images: Tensor, flow: Tensor) -> Tensor:
    """Look up images (N, C, H, W) where a flow (N, 2, H, W) of the same dtype leads: (N, C, H, W).

    Bilinear; beyond the picture, what is nearest in it.
    """
    height, width = images.shape[-2:]
    x, y = _targets(flow)
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)  # (N, H, W, 2)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)


def raft_refusal(height: int, width: int) -> str | None:
    """Why RAFT cannot look at frames of this size; None: it can."""
    if min(height, width) < RAFT_MIN_PX or height % RAFT_STRIDE_PX or width % RAFT_STRIDE_PX:
        return (
            f"warped_error needs frames of at least {RAFT_MIN_PX} px in multiples of "
            f"{RAFT_STRIDE_PX}, got {height}x{width}"
        )
    return None


def refusal(clip_shape: tuple[int, int, int]) -> str | None:
    """Why there is no warped error of clips (T, H, W) with RAFT; None: there is."""
    frames, height, width = clip_shape
    return needs_two_frames("warped_error", frames) or raft_refusal(height, width)


def _pairs(clips: Tensor) -> tuple[Tensor, Tensor]:
    """Frames of clips (B, C, T, H, W) but the last, and but the first: (B * (T - 1), C, H, W)."""
    frames = clips.transpose(1, 2)  # (B, T, C, H, W)
    return frames[:, :-1].flatten(0, 1), frames[:, 1:].flatten(0, 1)


def _targets(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Columns and rows, each (N, H, W), that a flow (N, 2, H, W) leads to."""
    rows = torch.arange(flow.shape[2], dtype=flow.dtype, device=flow.device)
    columns = torch.arange(flow.shape[3], dtype=flow.dtype, device=flow.device)
    return columns + flow[:, 0], rows[:, None] + flow[:, 1]


def _seen_twice(forth: Tensor, back: Tensor) -> Tensor:
    """Which pixels (N, H, W) are in both images, by the flows (N, 2, H, W) between them."""
    height, width = forth.shape[-2:]
    x, y = _targets(forth)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    back = warp(back, forth)
    miss = (forth + back).square().sum(dim=1)
    length = forth.square().sum(dim=1) + back.square().sum(dim=1)
    return inside & (miss <= _SHARE * length + _SLACK_PX2)
