"""Which input frames an output frame depends on: declared by each operator, composed here.

Frames are numbered from 0, the clip's first. An operator declares what it reads as if the clip
went on for ever: in a real clip a look-ahead ends with the last frame, which ``Frames.within``
says. What precedes frame 0 is frame 0 repeated, so it is no frame of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from torch import Tensor, nn

# Of a late frame nothing reaches back to frame 0. A multiple of every pipeline's period in time.
_LATE = 1 << 14
_PERIOD = 1 << 4  # frames after which the pattern of dependence repeats, or a multiple of it


class Frames(NamedTuple):
    """Consecutive frames of a clip, both ends included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many they are."""
        return self.last - self.first + 1

    def within(self, clip_frames: int) -> "Frames":
        """Those that a clip of so many frames has."""
        return Frames(min(self.first, clip_frames - 1), min(self.last, clip_frames - 1))

    def union(self, other: "Frames") -> "Frames":
        """The frames of both, for ranges that meet."""
        return Frames(min(self.first, other.first), max(self.last, other.last))


class SeesFrames:
    """An operator that declares which frames it reads."""

    def frames_seen(self, frames: Frames) -> Frames:
        """The input frames that these output frames depend on."""
        raise NotImplementedError


class Framewise(SeesFrames, nn.Module):
    """An operator whose output frame t depends on input frame t alone."""

    def frames_seen(self, frames: Frames) -> Frames:
        """The same frames."""
        return frames

    def stream(self, x: Tensor, state: None, *, last: bool) -> tuple[Tensor, None]:
        """``forward`` of the frames, with nothing to carry.

        Raises:
            TypeError: a part of it takes statistics over the whole clip.
        """
        if takes_whole_clip_statistics(self):
            raise TypeError(f"{type(self).__name__} over the whole clip cannot be streamed")
        return self(x) if x.shape[2] else self.no_frames(x), None

    def no_frames(self, x: Tensor) -> Tensor:
        """What it makes of (B, C, 0, H, W), without running: not every kernel takes that."""
        return x


class WholeClipStatistics(SeesFrames):
    """An operator that is framewise but for numbers it takes over all frames of the clip.

    ``frames_seen`` leaves these aside: through them every frame depends a little on all frames,
    so it cannot be streamed.
    """

    def frames_seen(self, frames: Frames) -> Frames:
        """The same frames."""
        return frames


FRAMEWISE_OF_TORCH = (nn.Identity, nn.SiLU)  # they cannot declare it themselves


def frames_seen(stages: Sequence[nn.Module], frames: Frames) -> Frames:
    """The frames at the entrance of a pipeline that these frames at its exit depend on.

    Raises:
        TypeError: a stage that does not declare what it sees.
    """
    for stage in reversed(stages):
        if isinstance(stage, SeesFrames):
            frames = stage.frames_seen(frames)
        elif not isinstance(stage, FRAMEWISE_OF_TORCH):
            raise TypeError(f"{type(stage).__name__} does not declare frames_seen")
    return frames


def takes_whole_clip_statistics(module: nn.Module) -> bool:
    """Whether anything in it looks at all frames at once, apart from what frames_seen says."""
    return any(isinstance(part, WholeClipStatistics) for part in module.modules())


@dataclass(frozen=True)
class Reach:
    """How far a pipeline sees, in input frames, away from the borders of the clip.

    Output frame t belongs to the input frame ``ceil(t * rate)``: the last one that a pipeline
    with this change of frame rate may see if it is causal.
    """

    frames: int  # seen by one output frame: the receptive field in time
    context: int  # of these, before the frame it belongs to
    ahead: int  # of these, after it; 0: causal
    rate: Fraction  # input frames for one output frame

    @property
    def spans_time(self) -> bool:
        """Whether an output frame sees more than one frame."""
        return self.frames > 1

    def own_frames(self, output: int) -> Frames:
        """The input frames that belong to an output frame and not to the one before."""
        last = _ceil(output * self.rate)
        return Frames(min(_ceil((output - 1) * self.rate) + 1, last) if output else 0, last)


def reach(stages: Sequence[nn.Module]) -> Reach:
    """What a pipeline sees, derived from what its stages declare; the most of any output frame."""
    steps = frames_seen(stages, Frames(_LATE, 2 * _LATE)).last - _seen(stages, _LATE).last
    rate = Fraction(steps, _LATE)
    outputs = range(_LATE, _LATE + _PERIOD)
    seen = [(_ceil(output * rate), _seen(stages, output)) for output in outputs]
    return Reach(
        frames=max(frames.length for _, frames in seen),
        context=max(own - frames.first for own, frames in seen),
        ahead=max(frames.last - own for own, frames in seen),
        rate=rate,
    )


def _seen(stages: Sequence[nn.Module], output: int) -> Frames:
    return frames_seen(stages, Frames(output, output))


def _ceil(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)
