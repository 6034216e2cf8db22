"""A protocol says exactly what a number is: a row of data, and a fingerprint of it.

Clips, their pixels and the networks that look at them all stand here or in the manifest of clips;
what every protocol has in common stands in ``DEFINITIONS``. Two numbers compare if their
fingerprints are equal.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from odvae.clip_terms import MIN_SIZE_PX, ClipRules, ClipStart, ResizeFilter, Rounding
from odvae.errors import UserError
from odvae.metrics.lpips import LpipsBackbone, LpipsMode
from odvae.model.architecture import SPACE_COMPRESSION

_COUNTS = ("clip_frames", "short_side_px", "frame_stride", "eval_clips")

DEFINITIONS = {
    "crop": "centre; of several clips with one start, also corners and edges",
    "model": "float32",
    "psnr_db": "per frame on [0, 1] after clamping, 100 dB if identical; frames, then clips",
    "ssim": "11x11 Gaussian of sigma 1.5, valid region, per RGB channel, float64",
    "lpips": "on [-1, 1], per frame",
    "frechet": "moments of the whole set in float64, unbiased covariance",
}
"""What all protocols share. A change here is a change of every fingerprint."""


class PosteriorPoint(Enum):
    """Which latents of a posterior are decoded."""

    mode = "mode"
    sample = "sample"  # noise is a function of the run's seed and of the clip


class FrechetNetwork(Enum):
    """Networks whose features are compared, by their names in the table of them."""

    i3d = "i3d"  # FVD
    r3d_18 = "r3d_18"
    mc3_18 = "mc3_18"
    r2plus1d_18 = "r2plus1d_18"
    s3d = "s3d"
    mvit_v2_s = "mvit_v2_s"
    swin3d_t = "swin3d_t"
    untrained_r3d18 = "untrained_r3d18"


@dataclass(kw_only=True)
class ProtocolConfig:
    """How models are scored, whatever they were trained on.

    What is null is taken from ``data.*``: so the default is the clips that a run trains on.

    Raises:
        UserError: a field is out of range, or does not go with another one.
    """

    name: str = "laptop"  # of the row, for tables; says nothing by itself
    clip_frames: int | None = None
    size_px: int | None = None  # side of the square crop, a multiple of 8
    short_side_px: int | None = None  # every video is resized to it before the crop
    frame_stride: int | None = None
    fps: float | None = None  # in place of a stride: each video at the one nearest to this rate
    eval_clips: int | None = None
    start: ClipStart = ClipStart.spread
    resize: ResizeFilter = ResizeFilter.bicubic_antialias
    posterior: PosteriorPoint = PosteriorPoint.mode
    rounding: Rounding = Rounding.exact  # of original and reconstruction
    mpeg4_bits_per_px: float | None = None  # both through MPEG-4 part 2 at this rate; null: neither
    lpips: list[LpipsBackbone] = field(
        default_factory=lambda: [LpipsBackbone.alex, LpipsBackbone.squeeze]
    )
    """Backbones of LPIPS; each is a metric of its own. Empty: no perceptual metric at all."""
    lpips_mode: LpipsMode = LpipsMode.mean
    frechet: list[FrechetNetwork] = field(default_factory=lambda: [FrechetNetwork.i3d])
    """Networks of the Frechet and kernel distances, each under a name of its own. Empty: none."""

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"metrics.protocol.{name} must be null or at least 1, got {value}")
        size = self.size_px
        if size is not None and (size < MIN_SIZE_PX or size % SPACE_COMPRESSION):
            raise UserError(
                f"metrics.protocol.size_px must be null or a multiple of {SPACE_COMPRESSION} and "
                f"at least {MIN_SIZE_PX}, got {size}"
            )
        for name in ("fps", "mpeg4_bits_per_px"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UserError(f"metrics.protocol.{name} must be null or above 0, got {value}")
        if self.fps is not None and self.frame_stride is not None:
            raise UserError(
                f"metrics.protocol.fps={self.fps:g} stands in place of "
                f"metrics.protocol.frame_stride, which must be null then, got {self.frame_stride}"
            )
        if self.mpeg4_bits_per_px is not None and self.rounding is Rounding.exact:
            raise UserError(
                "metrics.protocol.rounding must be nearest or down where "
                f"metrics.protocol.mpeg4_bits_per_px={self.mpeg4_bits_per_px}, as a codec takes "
                "bytes, got exact"
            )
        for name, listed in (("lpips", self.lpips), ("frechet", self.frechet)):
            if len(set(listed)) != len(listed):
                got = [network.value for network in listed]
                raise UserError(f"metrics.protocol.{name} must name each network once, got {got}")

    @property
    def rules(self) -> ClipRules:
        """How clips are cut, beyond the numbers that stand in for those of the data."""
        return ClipRules(start=self.start, fps=self.fps, resize=self.resize)


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """What every number of an evaluation carries: by which protocol it was computed."""

    protocol: ProtocolConfig  # nothing in it is left to data.*
    clips: int  # how many there are
    manifest: str  # digest of the clips
    networks: tuple[str, ...]  # names of the metrics whose networks are really used

    @property
    def name(self) -> str:
        """The protocol's."""
        return self.protocol.name

    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits, the same for all numbers that compare.

        The name does not count, nor how many clips were asked for: which they are does.
        """
        content = self._content()
        for name in ("name", "eval_clips"):
            del content["fields"][name]
        return hashlib.sha256(_json(content).encode()).hexdigest()[:8]

    @property
    def facts(self) -> str:
        """The main ones, in a line."""
        row = self.protocol
        side = row.size_px
        rate = f"stride {row.frame_stride}" if row.fps is None else f"{row.fps:g} fps"
        bits = row.mpeg4_bits_per_px
        codec = "" if bits is None else f", MPEG-4 {bits:g} bit/px"
        return ", ".join(
            [
                f"{self.clips} clips of {row.clip_frames}x{side}x{side} ({row.start.value})",
                f"short side {row.short_side_px} {row.resize.value}",
                rate,
                f"posterior {row.posterior.value}",
                f"pixels {row.rounding.value}{codec}",
                *self.networks,
            ]
        )

    def to_json(self) -> str:
        """Everything, one field a line."""
        content = {"name": self.name, "fingerprint": self.fingerprint, **self._content()}
        return _json(content, indent=1)

    def _content(self) -> dict[str, Any]:
        return {
            "fields": asdict(self.protocol),
            "clips": self.clips,
            "manifest": self.manifest,
            "networks": sorted(self.networks),
            "definitions": DEFINITIONS,
        }


def _json(content: dict[str, Any], *, indent: int | None = None) -> str:
    return json.dumps(content, sort_keys=indent is None, indent=indent, default=_plain)


def _plain(value: object) -> str:
    assert isinstance(value, Enum), f"{value!r} is no plain value"
    return str(value.value)
