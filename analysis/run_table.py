"""What the table of runs holds: a row a run, the same of logged runs and of recorded ones."""

from collections.abc import Mapping

from analysis.methods import method_label
from analysis.terms import TERMS, objective, setting_but_operators
from odvae.config_identity import GENERATION_FIELDS, NOT_IDENTITY, digest_of
from odvae.inference import TilingConfig, TilingMode
from odvae.model.architecture import SPACE_COMPRESSION, TIME_COMPRESSION
from odvae.tracking import LoggedRun
from odvae.vaes.methods import Method

TAGS = (
    "task",
    "model",
    "weights",
    "weights.sha256",
    "preset",
    "data",
    "operators",
    "tiling",
    "image_vae",
    "protocol",
    "protocol.name",
    "setting",
    "precision",
    "device",
    "lpips_loss",
    "variant",
    "init",
    "seed",
    "hardware",
    "accelerated",
    "frechet_rank_deficient",
    "generation.protocol",
    "generation.facts",
    "frechet_generation_rank_deficient",
)
TILING = tuple(f"tiling.{name}" for name in ("group_frames", "tile_px", "overlap", "chunk_frames"))
PARAMS = ("model.width", "train.steps", "data.clip_frames", "data.size_px", *TILING)
BENCHMARK = "benchmark"  # the task of runs that score nothing
GENERATE = "generate"  # of those that train a generator on the latents of a VAE
OF_A_GENERATOR = ("denoiser.size", "generation.steps")  # read of these runs alone
_SPEED_PARAMS = ("model.blocks", "benchmark.batch")
_OBJECTIVE = (
    "objective",
    "setting_but_terms",
    *(name for names in TERMS.values() for name in names),
)
IN_WORDS = ("method", "cut", "start")
STORED = (
    *(*TAGS, *PARAMS, *_SPEED_PARAMS, *_OBJECTIVE, "setting_but_operators"),
    *("generator", *OF_A_GENERATOR),
)
"""Columns of text that say what a run is, besides ``run_id`` and ``started``."""

COLUMNS = ("run_id", "started", "recorded_in", *IN_WORDS, *STORED)
"""All but the metrics, whose names have a slash."""

_MEANT = {"task": "train", "model": Method.odvae.value}  # by a run from before there was a choice


def row_of(run: LoggedRun) -> dict[str, object]:
    """The row of a logged run."""
    stored = {name: run.tags.get(name, "") for name in TAGS}
    stored |= {name: run.params.get(name, "") for name in (*PARAMS, *_SPEED_PARAMS)}
    stored |= {**objective(run), "setting_but_operators": setting_but_operators(run.params)}
    if stored["task"] == GENERATE:
        stored |= {name: run.params.get(name, "") for name in OF_A_GENERATOR}
        stored["generator"] = generator(run.params)
    about = {"run_id": run.run_id, "started": run.started, "recorded_in": ()}
    return {**about, **completed(stored), **run.metrics, **_ratio(completed(stored), run.metrics)}


def completed(stored: Mapping[str, str]) -> dict[str, str]:
    """The columns of STORED with what a run from before they existed meant, and those in words."""
    row = {name: stored.get(name, "") or _MEANT.get(name, "") for name in STORED}
    row |= dict.fromkeys(_unread(row["tiling"]), "")
    row["setting_but_operators"] = row["setting_but_operators"] or row["setting"]
    row["method"] = method_label(row)
    row["cut"] = f"{row['operators']} operators, {_tiling_label(row['tiling'], row)}"
    row["start"] = start_label(row["init"], row["operators"])
    return row


def generator(params: Mapping[str, str]) -> str:
    """Hash of what a generator is, how it trains and how it is sampled."""
    of_it = {name: value for name, value in params.items() if name in GENERATION_FIELDS}
    return digest_of(of_it, without=NOT_IDENTITY)[:8]


def start_label(init: str, operators: str) -> str:
    """How a training starts: from which weights, and with which operators."""
    return f"{init}, {operators.replace('_', ' ')} operators"


def _ratio(row: Mapping[str, str], metrics: Mapping[str, float]) -> dict[str, float]:
    """Compression of an OD-VAE that was scored before that was logged."""
    is_scored_odvae = row["task"] != BENCHMARK and row["model"] == Method.odvae.value
    if not is_scored_odvae or "cost/vcpr" in metrics:
        return {}
    return {"cost/vcpr": TIME_COMPRESSION * SPACE_COMPRESSION**2}


def _tiling_label(mode: str, fields: Mapping[str, str]) -> str:
    """A tiling in words, with the size of its parts; of no mode, the mode itself."""
    frames = fields["tiling.group_frames"] or fields["tiling.chunk_frames"]
    tile = f", tiles of {fields['tiling.tile_px']} px" if fields["tiling.tile_px"] else ""
    return f"{mode} {frames}".strip() + tile


def _unread(mode: str) -> set[str]:
    """Fields of TILING that say nothing of a run."""
    known = {one.value for one in TilingMode}
    if mode not in known:
        return set()
    unread = TilingConfig(mode=TilingMode(mode)).unread()
    return {name for name in TILING if name.removeprefix("tiling.") in unread}
