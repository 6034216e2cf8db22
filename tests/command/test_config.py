"""The configuration: all that is offered works, no option is dead, and identity means identity."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

import odvae
from odvae import config_files
from odvae.config import RunConfig, field_names, register, resolve
from odvae.data import DataSource
from odvae.training.image_source import ImageVaeSource
from odvae.vaes.methods import Method

CONF = config_files.conf()
OPTIONS = [
    (str(file.parent.relative_to(CONF)), file.stem)
    for file in sorted(CONF.glob("*/**/*.yaml"))
    if file.parent.name != "study"  # of a sweep, see tests/study
]
EXPERIMENTS = sorted(file.parent.name for file in config_files.experiments().glob("*/*.yaml"))
NEEDS = {("data", "folder"): ["data.path=videos"], ("task", "evaluate"): ["checkpoint=vae"]}
NEEDS |= {("task", "encode"): ["checkpoint=vae"]}
NEEDS |= {("data", "sky_timelapse"): ["data.path=videos"]}
NEEDS |= {
    ("data", name): ["data.path=videos", "data.lists=lists"]
    for name in ("ucf101", "webvid", "panda70m", "kinetics")
}
NEEDS[("data", "webdataset")] = ["data.path=shards"]
NEEDS |= {("model", m.value): ["task=evaluate"] for m in Method if not m.is_trainable}
SET_BY_PRESETS = {
    "preset",
    *(f"model.{name}" for name in ("width", "blocks", "norm_groups")),
    *(f"data.{name}" for name in ("clip_frames", "size_px", "short_side_px", "eval_clips")),
    *(f"train.{name}" for name in ("batch", "steps", "learning_rate", "learning_rate_random")),
    "losses.adversarial.start_step",
    *(
        f"generation.{name}"
        for name in ("steps", "clip_frames", "frame_stride", "samples", "curve_points", "probe")
    ),
    "denoiser.size",
    *(f"diffusion.{name}" for name in ("prediction", "batch", "learning_rate", "ema_decay")),
    "sampling.steps",
}
OF_GENERATION = ("latents.", "generation.", "denoiser.", "diffusion.", "sampling.")


@pytest.fixture(scope="module", autouse=True)
def _hydra() -> Iterator[None]:
    GlobalHydra.instance().clear()
    register()
    config_files.register_experiments()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def _composed(*overrides: str) -> RunConfig:
    return resolve(compose("run", list(overrides)))


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes(group: str, option: str) -> None:
    config = _composed(f"{group}={option}", *NEEDS.get((group, option), []))
    chosen = {
        "data": config.data.source,
        "image_vae": config.image_vae.source,
        "init": config.init.how,
        "metrics/protocol": config.protocol.name,
        "model": config.model.name,
        "preset": config.preset,
        "task": config.task,
        "tiling": config.tiling.mode,
    }[group]
    assert option == (chosen.value if isinstance(chosen, Enum) else chosen)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes(name: str) -> None:
    """With the first and with the last value of everything that it sweeps over."""
    asked = compose("run", [f"+experiment={name}"], return_hydra_config=True)
    swept = {str(key): str(value) for key, value in (asked.hydra.sweeper.params or {}).items()}
    for place in (0, -1):
        values = [f"{field}={given.split(',')[place]}" for field, given in swept.items()]
        _composed(f"+experiment={name}", *values)


def test_presets_set_the_sizes_only() -> None:
    for file in (CONF / "preset").iterdir():
        text = file.read_text()
        assert text.startswith("# @package _global_\n")
        assert set(_leaves(yaml.safe_load(text))) == SET_BY_PRESETS, file.name


def test_preset_paper_is_the_paper() -> None:
    """Sections 3 and 4.1; what the paper leaves open is as in its released code."""
    config = _composed("preset=paper").flat()
    paper = {
        "model.width": 128,
        "model.blocks": 2,
        "model.norm_groups": 32,
        "model.latent_channels": 4,
        "variant": 4,
        "operators": "paper",
        "init.how": "tail",
        "data.clip_frames": 25,
        "data.size_px": 256,
        "train.batch": 8,
        "train.steps": 650_000,
        "train.learning_rate": 1e-5,
        "train.learning_rate_random": 1e-5,
        "train.ema_decay": 0.999,
        "losses.kl_weight": 1e-6,
        "losses.lpips_weight": 1.0,
        "losses.lpips_backbone": "vgg",
        "losses.adversarial.start_step": 2000,
        "losses.adversarial.weight": 0.5,
        "losses.adversarial.learning_rate": None,
    }
    assert {name: config[name] for name in paper} == paper
    assert _composed("preset=paper").image_vae.resolved(128) is ImageVaeSource.sd
    assert _composed("tiling=temporal").tiling.group_frames == 33


def test_every_field_is_read() -> None:
    """By some code other than the check of its own range."""
    read: set[str] = set()
    for file in Path(odvae.__file__).parent.rglob("*.py"):
        tree = ast.parse(file.read_text())
        checks = [n for n in ast.walk(tree) if getattr(n, "name", "") == "__post_init__"]
        ignored = {id(node) for check in checks for node in ast.walk(check)}
        read |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Load)
            and id(node) not in ignored
        }
    named = {part for name in field_names() for part in name.split(".")}
    assert named - read == set()


def test_help_shows_every_field() -> None:
    assert sorted(_composed().flat()) == sorted(field_names())


# Fields that change nothing in what comes out. What lies at a path, and what "auto" stands for on
# this machine, count in the key of a run and not here.
NO_MATTER = {"output_dir", "rerun", "checkpoint", "data.path", "image_vae.path"}
NO_MATTER |= {"metrics.protocol.name"}  # a row by another name is the same row
NO_MATTER |= {name for name in field_names() if name.startswith("weights.")}
NO_MATTER |= {
    "trainer.device",
    "trainer.precision",
    "trainer.devices",
    "trainer.nodes",
    "trainer.checkpoint_activations",
    "trainer.free_activations",
    "dry_run",
    "data.workers",
    "train.log_every_steps",
    "train.checkpoint_every_s",
    "data.lists",
    "data.manifest",
    "data.fold",  # of UCF101
    "train.keep_last",
}
NO_MATTER |= {name for name in field_names() if name.startswith(("benchmark.", *OF_GENERATION))}
IN_GROUPS, IN_CHUNKS = {"tiling.group_frames"}, {"tiling.chunk_frames"}
IN_TILES = {"tiling.tile_px", "tiling.overlap"}
IF_TILED = {"tiling.certificate"}
ADVERSARY = {f"losses.adversarial.{name}" for name in ("weight", "learning_rate")}
RECIPE = {name for name in field_names() if name.startswith("image_vae.recipe.")}


@pytest.mark.parametrize(
    ("overrides", "unread"),
    [
        (
            ["tiling=temporal", "image_vae=local", "losses.adversarial.start_step=9"],
            {"train.learning_rate_random", *IN_TILES, *IN_CHUNKS},
        ),
        (
            ["tiling=spatiotemporal", "image_vae=bundled"],
            {"train.learning_rate_random", *IN_CHUNKS, *RECIPE, *ADVERSARY},
        ),
        (
            ["init=random"],
            {
                "train.learning_rate",
                *IN_GROUPS,
                *IN_TILES,
                *IN_CHUNKS,
                *IF_TILED,
                *RECIPE,
                *ADVERSARY,
            },
        ),
        (
            ["model=sd_vae", "tiling=stream", "image_vae=local"],
            {
                "variant",
                "operators",
                "train.learning_rate_random",
                *IN_GROUPS,
                *IN_TILES,
                *ADVERSARY,
            },
        ),
    ],
)
def test_the_digest_tells_results_apart(overrides: list[str], unread: set[str]) -> None:
    """It changes with every field but those that nothing of the result depends on."""
    config = _composed(*overrides)
    same = set()
    for name in field_names():
        changed = copy.deepcopy(config)
        *sections, last = name.split(".")
        section: Any = changed
        for part in sections:
            section = getattr(section, part)
        setattr(section, last, _other(getattr(section, last)))
        if changed.digest() == config.digest():
            same.add(name)
    assert same == NO_MATTER | unread


def test_a_generation_is_told_by_its_own_fields_too() -> None:
    config = _composed("task=generate", "preset=smoke")
    same = set()
    for name in field_names():
        if name.startswith(OF_GENERATION):
            changed = copy.deepcopy(config)
            section, last = name.split(".")
            setattr(
                getattr(changed, section), last, _other(getattr(getattr(config, section), last))
            )
            same |= {name} if changed.digest() == config.digest() else set()
    assert same == {"generation.videos", "latents.batch", "sampling.batch"}


def _other(value: Any) -> Any:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "_other"
        case list():
            return value[1:]
        case Enum():
            return next(kind for kind in type(value) if kind is not value)
        case None:
            return "other"
    raise TypeError(f"no other value for {value!r}")


def _leaves(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def test_fields_are_dataclasses_all_the_way() -> None:
    """So that a name on the command line is a name in the code."""
    config = RunConfig(preset="none", model=_composed().model)
    sections = {f.name for f in fields(config) if is_dataclass(getattr(config, f.name))}
    assert sections == {name.split(".")[0] for name in field_names() if "." in name}
    assert config.data.source is DataSource.bundled
