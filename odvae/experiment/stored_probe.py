"""A probe of latents, made once for all runs on them."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock

from odvae.generation.latent_cache import LatentCache
from odvae.generation.probe import ProbeBudget, probe
from odvae.model.atomic import replacing
from odvae.training.precision import Arithmetic


def stored_probe(
    latents: LatentCache, *, seed: int, arithmetic: Arithmetic, cache: Path
) -> dict[str, float]:
    """The numbers of a probe by metric name; made by the first run that asks.

    Args:
        latents: at least 10 clips.
        seed: of the probe.
        arithmetic: where it computes.
        cache: the folder of what several runs compute once.
    """
    budget = ProbeBudget()
    identity = f"{latents.index.key} {seed} {arithmetic} {asdict(budget)}"
    file = cache / "probes" / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):  # another run of the sweep may be at it
        if not file.is_file():
            found = probe(latents, seed=seed, arithmetic=arithmetic, budget=budget)
            with replacing(file) as new:
                new.write_text(json.dumps(found.values()))
        loaded: dict[str, float] = json.loads(file.read_text())
    return loaded
