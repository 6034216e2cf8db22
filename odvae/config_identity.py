"""Which fields of a run determine its result: by these it is told from other runs."""

import hashlib
import json
from dataclasses import fields
from enum import Enum
from typing import Any

from odvae.config_sections import BenchmarkConfig
from odvae.generation.diffusion_config import DiffusionConfig
from odvae.generation.generation_config import DenoiserConfig, GenerationConfig
from odvae.generation.latent_plan import LatentsConfig
from odvae.generation.sampling_config import SamplingConfig
from odvae.vaes.methods import Method

# Fields that say where and how often to write, not what comes out. What lies at a path is
# identified by its content.
NOT_IDENTITY = {
    "output_dir",
    "rerun",
    "dry_run",
    "checkpoint",
    *(f"weights.{method.value}" for method in Method),
    "data.path",
    "data.lists",
    "data.manifest",
    "data.workers",
    "image_vae.path",
    "generation.videos",
    "latents.batch",  # changes rounding only
    "sampling.batch",  # likewise
    "metrics.protocol.name",
    "trainer.device",  # with the precision, resolved: see the run's key
    "trainer.precision",
    "trainer.devices",  # who computes a part of the batch changes rounding only
    "trainer.nodes",
    "trainer.checkpoint_activations",
    "trainer.free_activations",
    "train.log_every_steps",
    "train.checkpoint_every_s",
    "train.keep_last",
}
# What a comparison varies.
FACTORS = {"model.name", "variant", "init.how", "seed"}

# What says nothing of what is trained and evaluated: the fields of other tasks.
BENCHMARK_FIELDS = {f"benchmark.{field.name}" for field in fields(BenchmarkConfig)}
GENERATION_FIELDS = {
    f"{section}.{field.name}"
    for section, config in {
        "generation": GenerationConfig,
        "denoiser": DenoiserConfig,
        "diffusion": DiffusionConfig,
        "sampling": SamplingConfig,
    }.items()
    for field in fields(config)
}
OTHER_TASKS = {
    *BENCHMARK_FIELDS,
    *GENERATION_FIELDS,
    *(f"latents.{field.name}" for field in fields(LatentsConfig)),
}
# What task=benchmark reads, whatever the model; its own fields and those of the tiling come on top.
SPEED_DEPENDS_ON = {"task", "model.name", "data.clip_frames", "data.size_px"}
# What it reads of a model that it builds itself.
OF_OUR_OWN = {f"model.{name}" for name in ("width", "blocks", "latent_channels", "norm_groups")}


def digest_of(fields: dict[str, Any], *, without: set[str]) -> str:
    """Hash of fields by their dotted names."""
    kept = {name: value for name, value in fields.items() if name not in without}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def plain(value: Any) -> Any:
    """Enumerations by their values, in dicts and lists too."""
    match value:
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
        case Enum():
            return value.value
        case _:
            return value


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one, by dotted names."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            result |= flat(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = value
    return result
