"""Everything that fixes a model's shape, as plain data that goes into config.json."""

import re
from dataclasses import dataclass

from odvae.errors import UserError
from odvae.model.interface import ClipLengths, Compression
from odvae.model.variants import OPERATORS, VARIANTS, OperatorRow, Operators, Variant, title

LEVEL_MULTIPLIERS = (1, 2, 4, 4)  # channels of levels 0..3, in units of the width
SPACE_COMPRESSION = 8  # in H and in W: three downsamplings
TIME_COMPRESSION = 4  # of a video VAE, after the first frame: two downsamplings


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The fields of config.json. Raises UserError, naming the field, for a value out of range."""

    variant: int = 4
    width: int = 128  # channels of level 0; 128 in the paper
    blocks: int = 2  # residual blocks per encoder level; the decoder has one more
    latent_channels: int = 4
    norm_groups: int | str = 32  # a number of groups, or "channels/N": N channels in each group
    operators: Operators = Operators.paper

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise UserError(f"variant must be one of {sorted(VARIANTS)}, got {self.variant}")
        for field in ("width", "blocks", "latent_channels"):
            if getattr(self, field) < 1:
                raise UserError(f"{field} must be at least 1, got {getattr(self, field)}")
        for multiplier in LEVEL_MULTIPLIERS:
            self.groups(self.width * multiplier)

    @property
    def title(self) -> str:
        """What the variant is called."""
        return title(self.variant)

    @property
    def layout(self) -> Variant:
        """The row of the table of variants."""
        return VARIANTS[self.variant]

    @property
    def operator_row(self) -> OperatorRow:
        """What the choice of operators means."""
        return OPERATORS[self.operators]

    @property
    def compression(self) -> Compression:
        """4x8x8, or 1x8x8 where time is not compressed."""
        time = TIME_COMPRESSION if self.layout.compresses_time else 1
        return Compression(time, SPACE_COMPRESSION, SPACE_COMPRESSION)

    @property
    def clip_lengths(self) -> ClipLengths:
        """4k+1, or any number where time is not compressed."""
        return ClipLengths(first=1, step=self.compression.time)

    def groups(self, channels: int) -> int:
        """GroupNorm groups of a layer with so many channels."""
        spec = str(self.norm_groups)
        match = re.fullmatch(r"channels/([1-9]\d*)|([1-9]\d*)", spec)
        if match is None:
            raise UserError(f"norm_groups must be a number or 'channels/N', got {spec!r}")
        # "channels/N" is N channels a group, which gives channels / N groups.
        divisor = int(match[1] or match[2])
        if channels % divisor:
            raise UserError(
                f"norm_groups={spec} does not divide the {channels} channels of width {self.width}"
            )
        return channels // divisor if match[1] else divisor
