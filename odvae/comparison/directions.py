"""What metrics are called, and which way is better."""

import re
from dataclasses import dataclass

# The first that is found in a name decides.
_HIGHER_IS_BETTER: tuple[tuple[str, bool | None], ...] = (
    (r"niqe_luma_original", None),  # of the original: no reconstruction is better by it
    (r"psnr|ssim|vmaf", True),
    (r"lpips|perceptual|dists|flicker|warp|strred|niqe|error|distance|l1|mse", False),
)
_TITLES = {"psnr_db": "PSNR", "ssim": "SSIM"}
_DECIBEL = "_db"


@dataclass(frozen=True)
class Metric:
    """How a metric of a clip is read."""

    title: str
    unit: str  # empty for a plain number
    higher_is_better: bool | None  # None: nobody can say

    @property
    def sign(self) -> int:
        """1 where more is better or nothing is known, else -1."""
        return -1 if self.higher_is_better is False else 1

    @property
    def heading(self) -> str:
        """Title, unit and an arrow to the better side."""
        arrow = {True: "↑", False: "↓", None: ""}[self.higher_is_better]
        return " ".join(word for word in (self.title, self.unit, arrow) if word)


def metric_of(name: str) -> Metric:
    """What is known of a metric by the name that it is logged under."""
    found = (better for pattern, better in _HIGHER_IS_BETTER if re.search(pattern, name))
    unit = "dB" if name.endswith(_DECIBEL) or f"{_DECIBEL}_" in name else ""
    return Metric(_TITLES.get(name, name), unit, next(found, None))
