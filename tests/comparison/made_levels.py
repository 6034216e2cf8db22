"""Levels whose scores are made by hand or drawn."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from odvae.comparison import Level


def level(label: str, **values_by_seed: Mapping[str, float]) -> Level:
    """A level with PSNR by seed (s0, s1, ...) and clip."""
    return Level(
        label,
        {
            seed.removeprefix("s"): pd.DataFrame(
                {"clip": list(values), "finite": True, "psnr_db": list(values.values())}
            )
            for seed, values in values_by_seed.items()
        },
    )


def drawn(
    label: str,
    *,
    gain: float,
    clips: int = 12,
    seeds: Sequence[str] = ("0", "1", "2"),
    spread_of_seeds: float = 0.02,
) -> Level:
    """A level that is ``gain`` dB above what all drawn levels share, and as much lower in LPIPS."""
    shared = np.random.default_rng(0).normal(20, 2, clips)
    scores = {}
    for seed in seeds:
        rng = np.random.default_rng([len(label), len(seed), sum(map(ord, label + seed))])
        value = shared + gain + rng.normal(0, 0.05, clips) + rng.normal(0, spread_of_seeds)
        scores[seed] = pd.DataFrame(
            {
                "clip": [f"video{number}.mp4@0+8,8" for number in range(clips)],
                "finite": True,
                "psnr_db": value,
                "lpips_alex": 1 - value / 50,
                "loudness": value,
            }
        )
    return Level(label, scores)
