"""A store filled with invented numbers, tagged data=synthetic. No value here was ever measured."""

import math
from itertools import product
from pathlib import Path

from odvae.tracking import Status, Store

STEPS = (0, 40, 80, 120)
FRAMES = 9
SEEDS = (0, 1, 2)
START_DB = {"random": 10.0, "inflate": 18.5, "center": 19.2, "tail": 20.3}
VARIANT_DB = {"1": 0.05, "2": -0.1, "3": -0.2, "4": 0.0}
RIVAL_DB = {"sd_vae": 1.5, "svd_vae": 1.0}  # above OD-VAE
WAN_DB = 3.0
GAN_START = 20
OPERATORS_DB = {"paper": 0.0, "strict": 0.4}
LAGS = 3
REFERENCE_DB = {"mean_colour": 14.7, "bicubic_8x": 20.7, "linear_time_4x": 27.6}

TAGS = {
    "odvae.kind": "run",
    "task": "train",
    "operators": "paper",
    "tiling": "off",
    "preset": "laptop",
    "data": "synthetic",
    "image_vae": "bundled",
    "protocol": "9x64x64 24 clips 0123abcd",
}
PARAMS = {
    "model.width": 16,
    "train.steps": STEPS[-1],
    "data.clip_frames": FRAMES,
    "data.size_px": 64,
}


def fill(output_dir: Path) -> Store:
    """Variants with tail, initialisations of variant 4, and runs that belong in no figure."""
    store = Store.open(output_dir)
    for seed in SEEDS:
        for variant in VARIANT_DB:
            add(store, variant=variant, seed=seed)
        for init in ("random", "inflate", "center"):
            add(store, init=init, seed=seed)
    for variant in ("1", "2"):
        add(store, variant=variant, tags={"preset": "smoke"})
        add(store, variant=variant, tags={"protocol": "another"})
    add(store, variant="1", seed=7, status=Status.FAILED)
    add(store, variant="1", seed=8, tags={"task": "evaluate"})
    add(store, variant="1", seed=9, tags={"odvae.kind": "sweep"})
    return store


def fill_starts(output_dir: Path) -> Store:
    """Initialisations with two kinds of operators, and runs that must not stand beside them."""
    store = Store.open(output_dir)
    for seed, operators in product(SEEDS[:2], OPERATORS_DB):
        for init in ("random", "inflate", "tail"):
            tags = {"operators": operators, "setting": operators}
            params = {"operators": operators}
            extra_db = OPERATORS_DB[operators]
            add(store, init=init, seed=seed, tags=tags, params=params, extra_db=extra_db)
    add(store, init="center", seed=5, params={"operators": "paper", "train.batch": "9"})
    return store


def fill_methods(output_dir: Path) -> Store:
    """Methods trained and evaluated on the same clips, and runs that must not stand beside them."""
    store = Store.open(output_dir)
    for seed in SEEDS:
        for variant in ("1", "2", "4"):  # 2 is no part of this comparison
            add(store, variant=variant, seed=seed)
        add(store, init="inflate", seed=seed)
        for model, gain_db in RIVAL_DB.items():
            add(store, seed=seed, tags=_rival(model, weights="own"), extra_db=gain_db, vcpr=64)
    saved = {"task": "evaluate", "preset": "gpu", "setting": "other", "init": "checkpoint"}
    for extra_db in (-9.0, WAN_DB):  # evaluated twice: the later counts
        tags = _rival("wan", weights="Wan-AI/Wan2.1/vae") | saved
        add(store, tags=tags, extra_db=extra_db, vcpr=256)
    add(store, tags=_rival("sd_vae", weights="own") | saved, extra_db=0.5, vcpr=64)
    add(store, tags=_rival("ltx", weights="x") | saved | {"protocol": "another"}, vcpr=8192)
    add(store, tags=_rival("cogvideox", weights="x") | saved | {"tiling": "temporal"}, vcpr=256)
    add(store, tags=_rival("sd_vae", weights="own") | {"setting": "longer"}, seed=5, vcpr=64)
    add(store, tags=_rival("sd_vae", weights="own") | {"init": "random"}, seed=6, vcpr=64)
    unscored = {**TAGS, **_rival("tats", weights="none: only the paper's numbers"), **saved}
    log = store.create("synthetic model=tats", tags={**unscored, "seed": "0"}, parent_id=None)
    log.params(PARAMS)
    log.metrics({"paper/WebVid-10M_val/psnr": 23.1}, 0)
    log.finish(Status.FINISHED)
    return store


def fill_objectives(output_dir: Path) -> Store:
    """The four objectives, and runs that must not stand beside them."""
    store = Store.open(output_dir)
    for seed in SEEDS[:2]:
        for lpips, start_step in product((True, False), (None, GAN_START)):
            add_objective(store, lpips=lpips, start_step=start_step, seed=seed)
    add_objective(store, lpips=False, start_step=None, seed=5, params={"losses.kl_weight": "0.5"})
    add_objective(store, lpips=False, start_step=GAN_START + 1, seed=6)
    add_objective(store, lpips=True, start_step=None, seed=7, params={"losses.lpips_weight": "9"})
    add_objective(store, lpips=True, start_step=None, seed=8, params={"train.batch": "3"})
    return store


def add_objective(
    store: Store,
    *,
    lpips: bool,
    start_step: int | None,
    seed: int = 0,
    params: dict[str, str] | None = None,
) -> str:
    """One run, with the LPIPS term or not, and a discriminator from a step on or without one."""
    fields = {
        "losses.kl_weight": "1e-06",
        "losses.lpips_weight": "1.0" if lpips else "0.0",
        "losses.lpips_backbone": "vgg",
        "losses.adversarial.start_step": str(start_step),
        "losses.adversarial.weight": "0.5",
        "losses.adversarial.learning_rate": "None",
        "train.batch": "2",
        "seed": str(seed),
    }
    of_terms = f"{lpips} {start_step} {params}"
    return add(
        store,
        seed=seed,
        tags={"lpips_loss": "vgg" if lpips else "none", "setting": of_terms},
        params=fields | (params or {}),
        extra_db=0.3 * lpips - (start_step is not None),
        gan_start=start_step,
    )


def _rival(model: str, *, weights: str) -> dict[str, str]:
    return {"model": model, "weights": weights, "variant": ""}


def add(
    store: Store,
    *,
    variant: str = "4",
    init: str = "tail",
    seed: int = 0,
    status: Status = Status.FINISHED,
    tags: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
    extra_db: float = 0.0,
    vcpr: float | None = None,
    gan_start: int | None = None,
) -> str:
    """One run; returns its identifier."""
    own = {"variant": variant, "init": init, "seed": str(seed)}
    log = store.create(
        f"synthetic variant={variant} init={init} seed={seed}",
        tags={**TAGS, **own, **(tags or {})},
        parent_id=None,
    )
    log.params({**PARAMS, **(params or {})})
    for step in STEPS:
        psnr_db = final_db(variant, init, seed, step) + extra_db
        scores = {
            "eval/psnr_db": psnr_db,
            "eval/ssim": psnr_db / 40,
            "eval/lpips_squeeze": 1.2 - psnr_db / 30,
            "eval/fvd_untrained_r3d18": 400 - 14 * psnr_db,
            "eval/flicker": 1 / psnr_db,
            "train/loss": 30 - psnr_db,
        }
        log.metrics(scores, step)
        if gan_start is not None and step > gan_start:
            log.metrics({"train/logits_real": step / 100, "train/logits_fake": -step / 100}, step)
            log.metrics({"train/adaptive_weight": 10.0 * (1 + 99 * seed)}, step + 1)
    for frame in range(FRAMES):
        lag = 0.3 if init == "tail" else 0.45 * frame
        log.metrics({"zero_step/psnr_db_by_frame": START_DB[init] - lag}, frame)
        log.metrics({"eval/psnr_db_by_frame": psnr_db - 0.5 * lag + 0.1 * seed}, frame)
        if frame > 0:  # it takes the frame before too
            log.metrics({"eval/flicker_by_frame": (1 + 0.1 * seed) / psnr_db}, frame)
    for lag_frames in range(LAGS):
        log.metrics({"latent/autocorrelation_by_lag": 0.9**lag_frames}, lag_frames)
    latents = {"kl_per_value": 1.5 + 0.1 * seed, "fitted_scale": 0.2, "dead_channels": 0.0}
    log.metrics({f"latent/{name}": value for name, value in latents.items()}, STEPS[-1])
    for name, value in REFERENCE_DB.items():
        log.metrics({f"reference/{name}/psnr_db": value, f"reference/{name}/ssim": value / 40}, 0)
    if init != "random":
        log.metrics({"image_vae/psnr_db": 22.4, "image_vae/ssim": 0.56}, 0)
    ratio = {} if vcpr is None else {"cost/vcpr": vcpr}
    log.metrics(_cost(variant, seed) | ratio, 0)
    log.finish(status)
    return log.run_id


def final_db(variant: str, init: str, seed: int, step: int) -> float:
    """Invented PSNR in dB."""
    gain = (5.0 if init == "random" else 1.5) * (1 - math.exp(-step / 40))
    noise = 0.05 * math.sin(5 * seed + 3 * float(variant)) + 0.08 * seed
    return START_DB[init] + (gain + VARIANT_DB[variant] + noise if step else 0.0)


def _cost(variant: str, seed: int) -> dict[str, float]:
    speed = {"1": 1.0, "2": 1.2, "3": 2.0, "4": 1.9}[variant] * (1 + 0.02 * seed)
    return {
        "cost/encode_clips_per_s": 12 * speed,
        "cost/decode_clips_per_s": 6 * speed,
        "cost/train_steps_per_s": 3 * speed,
        "cost/peak_memory_mb": 1400 / speed,
        "cost/wall_s": 60.0,
        "cost/parameters_millions": {"1": 3.9, "2": 1.9, "3": 3.6, "4": 3.8}[variant],
    }
