"""Names, colours and markers: the same thing looks the same in every figure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Okabe and Ito's palette, distinguishable with any colour vision.
BLACK, GREY = "#000000", "#767676"
ORANGE, SKY, GREEN = "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"


@dataclass(frozen=True)
class Look:
    """Colour and marker of one level; either alone tells the levels apart."""

    colour: str
    marker: str


_LOOKS: Mapping[str, Mapping[str, Look]] = {
    "variant": {
        "1": Look(BLUE, "o"),
        "2": Look(ORANGE, "s"),
        "3": Look(GREEN, "^"),
        "4": Look(VERMILION, "D"),
    },
    "init": {
        "random": Look(BLACK, "v"),
        "inflate": Look(ORANGE, "s"),
        "center": Look(GREEN, "^"),
        "tail": Look(BLUE, "o"),
    },
    "objective": {
        "L1": Look(BLUE, "o"),
        "L1 + LPIPS": Look(GREEN, "^"),
        "L1 + GAN": Look(ORANGE, "s"),
        "L1 + LPIPS + GAN": Look(VERMILION, "D"),
    },
}
_MORE = (  # for levels that have none of their own
    *(Look(PURPLE, "<"), Look(SKY, "P"), Look(GREY, "*"), Look(BLUE, "o")),
    *(Look(ORANGE, "s"), Look(GREEN, "^"), Look(VERMILION, "D"), Look(BLACK, "v")),
)

FACTORS = {
    "variant": "variant",
    "init": "initialisation",
    "start": "initialisation and operators",
    "model": "method",
    "objective": "objective",
}

_METRICS = {
    "psnr_db": "PSNR (dB) ↑",
    "ssim": "SSIM ↑",
    "lpips_alex": "LPIPS, AlexNet ↓",
    "lpips_vgg": "LPIPS, VGG ↓",
    "lpips_squeeze": "LPIPS, SqueezeNet ↓",
    "perceptual_untrained_squeeze": "perceptual distance, untrained net ↓",
    "fvd": "FVD, I3D ↓",
    "fvd_untrained_r3d18": "Fréchet distance, untrained net ↓",
    "kvd": "KVD, I3D ↓",
    "kvd_untrained_r3d18": "kernel distance, untrained net ↓",
    "flicker": "flicker ↓",
    "warped_error": "warped error ↓",
}
_FRECHET = ("fvd", "frechet")
_OF_SAMPLES = "_generation"  # such distances are of generated clips, and called after the features

REFERENCES = {
    "image_vae": "image VAE",
    "reference/linear_time_4x": "1 of 4 frames, linear",
    "reference/bicubic_8x": "bicubic, 8x",
    "reference/mean_colour": "mean colour",
}
"""Levels to beat, by the prefix of their metrics."""


def in_order(by: str, levels: Iterable[str]) -> list[str]:
    """Levels in the order to show them: known ones first."""
    known = list(_LOOKS.get(by, {}))
    return sorted(
        levels, key=lambda level: (known.index(level) if level in known else len(known), level)
    )


def looks(by: str, levels: Iterable[str]) -> dict[str, Look]:
    """Look of each level, in order."""
    chosen = {}
    more = iter(_MORE * (1 + len(list(levels := list(levels)))))
    for level in in_order(by, levels):
        chosen[level] = _LOOKS.get(by, {}).get(level) or next(more)
    return chosen


def level_label(by: str, level: str) -> str:
    """Name of a level where nothing else says what it is a level of."""
    return f"variant {level}" if by == "variant" else level


def metric_label(metric: str) -> str:
    """Axis label of a metric of the evaluation, with its unit and which way is better."""
    return _METRICS.get(metric, metric.replace("_", " "))


def sample_distances(columns: Iterable[str]) -> list[str]:
    """Distances of generated clips from real ones among logged metrics: FVD first, Frechet ones
    before kernel ones.
    """
    names = {name.removeprefix("generation/") for name in columns if name.endswith(_OF_SAMPLES)}
    return sorted(names, key=lambda name: (not is_frechet(name), len(name), name))


def sample_distance_label(metric: str) -> str:
    """Axis label of a distance of generated clips from real ones."""
    label = metric_label(metric.removesuffix(_OF_SAMPLES))
    return label if label.endswith("↓") else f"{label} ↓"


def is_of_sets(metric: str) -> bool:
    """Whether a metric is a distance between sets of clips."""
    return is_frechet(metric) or metric.startswith("kvd")


def is_frechet(metric: str) -> bool:
    """Whether a metric is a distance of Gaussians, whose covariances take many clips."""
    return metric.startswith(_FRECHET)


def evaluation_metrics(columns: Iterable[str]) -> list[str]:
    """Names of the metrics of the evaluation among logged ones, PSNR first, set distances last."""
    names = {name.removeprefix("eval/") for name in columns if name.startswith("eval/")}
    names = {name for name in names if not name.endswith("_by_frame")}
    known = list(_METRICS)
    return sorted(
        names,
        key=lambda name: (
            is_of_sets(name),
            known.index(name) if name in known else len(known),
            name,
        ),
    )


def perceptual_metric(columns: Iterable[str]) -> str | None:
    """The first perceptual metric among logged ones: AlexNet's LPIPS where there is a choice."""
    found = evaluation_metrics(columns)
    return next((name for name in found if name.startswith(("lpips", "perceptual"))), None)
