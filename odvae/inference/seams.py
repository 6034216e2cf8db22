"""Where the parts of a tiled reconstruction meet."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Seams:
    """Frames, rows and columns of a reconstruction that are the first of another part.

    Each seam lies between such a position and the one before. An axis that is not cut has none.
    """

    frames: tuple[int, ...] = ()
    rows_px: tuple[int, ...] = ()
    columns_px: tuple[int, ...] = ()

    def with_those_of(self, other: "Seams") -> "Seams":
        """The seams of both."""
        return Seams(
            frames=(*self.frames, *other.frames),
            rows_px=(*self.rows_px, *other.rows_px),
            columns_px=(*self.columns_px, *other.columns_px),
        )
