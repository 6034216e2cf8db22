"""Invented generations, in the same store as invented trainings. Nothing here was ever measured."""

import math
from pathlib import Path

from odvae.tracking import Status, Store
from tests.analysis import synthetic

STEPS = 600
LOOKS = (300, 600)
LOG_EVERY = 100
FRECHET = "fvd_untrained_r3d18_generation"
KERNEL = "kvd_untrained_r3d18_generation"
FINGERPRINT = "0a1b2c3d"
FACTS = "32 samples of 17x64x64, 32 clips that train, fvd_untrained_r3d18"
HARDNESS = {"1": 0.02, "2": -0.03, "3": 0.01, "4": 0.0}  # of a variant's latents
HARDNESS |= {"random": 0.12, "inflate": 0.05, "center": 0.06, "tail": 0.0}
HARDNESS |= {"sd_vae": 0.04, "svd_vae": 0.03}
SECONDS_PER_STEP = {"sd_vae": 1.1, "svd_vae": 1.1}
LATENT_VALUES = {"sd_vae": 4 * 17 * 8 * 8, "svd_vae": 4 * 17 * 8 * 8}
OWN_VALUES = 4 * 5 * 8 * 8

TAGS = {
    **synthetic.TAGS,
    "task": "generate",
    "model": "odvae",
    "weights": "own",
    "setting": "generated",
    "device": "cpu",
    "precision": "fp32",
    "generation.protocol": FINGERPRINT,
    "generation.facts": FACTS,
    "frechet_generation_rank_deficient": "True",
}
PARAMS = {
    "denoiser.size": "mini",
    "generation.steps": str(STEPS),
    "generation.samples": "32",
    "diffusion.prediction": "v_prediction",
    "sampling.steps": "50",
}


def fill(output_dir: Path) -> Store:
    """Generations by variant, by initialisation and by method, and some that differ in more."""
    store = Store.open(output_dir)
    for seed in synthetic.SEEDS:
        for variant in synthetic.VARIANT_DB:
            add(store, variant=variant, seed=seed)
    for seed in synthetic.SEEDS[:2]:
        for init in ("random", "inflate", "center"):
            add(store, init=init, seed=seed)
        for model in ("sd_vae", "svd_vae"):
            add(store, model=model, seed=seed)
    other = {"generation.protocol": "99999999", "generation.facts": "2048 samples of 81x256x256"}
    for variant in ("1", "4"):
        add(store, variant=variant, tags=other)
        add(store, variant=variant, params={"denoiser.size": "tiny"}, tags={"setting": "tiny"})
    add(store, variant="2", seed=9, status=Status.FAILED)
    return store


def add(
    store: Store,
    *,
    variant: str = "4",
    init: str = "tail",
    model: str = "odvae",
    seed: int = 0,
    status: Status = Status.FINISHED,
    tags: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
) -> str:
    """One run; returns its identifier."""
    is_ours = model == "odvae"
    own = {"model": model, "seed": str(seed), "variant": variant if is_ours else ""}
    own["init"] = init if is_ours else "checkpoint"
    log = store.create(
        f"generation {model} {variant} {init} {seed}",
        tags=TAGS | own | (tags or {}),
        parent_id=None,
    )
    log.params({**synthetic.PARAMS, **PARAMS, **(params or {})})
    log.metrics({"eval/psnr_db": synthetic.final_db(variant, init, seed, 120)}, 0)
    hardness = HARDNESS[variant] + HARDNESS[init] if is_ours else HARDNESS[model]
    hardness += 0.01 * math.sin(7 * seed + 3 * hardness)
    for step in range(LOG_EVERY, STEPS + 1, LOG_EVERY):
        noise = 0.03 * math.sin(91 * step + seed)
        loss = _loss(step, hardness) + 0.1 + noise
        log.metrics({"generation/loss": loss, "generation/gradient_norm": 1.0}, step)
    for step in LOOKS:
        log.metrics(_scores(step, hardness), step)
    values = LATENT_VALUES.get(model, OWN_VALUES)
    log.metrics(
        {
            "generation/train_steps_per_s": 1 / (SECONDS_PER_STEP.get(model, 0.4) + 0.01 * seed),
            "generation/train_memory_mb": 500 + values / 8,
            "generation/latent_values": values,
            "generation/denoiser_parameters_millions": 6.2,
            "generation/nearest_psnr_db": 14.0 + seed,
            "generation/clips": 64,
            "generation/probe_validation_loss": _loss(300, 1.2 * hardness),
            "generation/probe_latent_frechet": 3 + hardness,
            "generation/probe_latent_frechet_share": 0.2 + hardness**2,
            "generation/probe_s": 60.0,
        },
        0,
    )
    log.finish(status)
    return log.run_id


def _loss(step: int, hardness: float) -> float:
    return 0.2 + hardness + 0.8 * math.exp(-step / 90)


def _scores(step: int, hardness: float) -> dict[str, float]:
    distance = 2 + 10 * hardness + 300 / step
    return {
        "generation/validation_loss": _loss(step, hardness),
        f"generation/{FRECHET}": distance,
        f"generation/{KERNEL}": distance / 200,
    }
