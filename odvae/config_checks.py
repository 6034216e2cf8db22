"""What a task needs of the fields of its run. All raise UserError, naming the field."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from odvae.config_sections import Task
from odvae.data import DataSource
from odvae.errors import UserError
from odvae.vaes.methods import Method

if TYPE_CHECKING:
    from odvae.config import RunConfig


def check_task(config: "RunConfig") -> None:
    """Check that the fields suit each other for what the run is to do."""
    match config.task:
        case Task.train:
            _check_training(config)
        case Task.evaluate:
            if config.model.name is Method.odvae and config.checkpoint is None:
                raise UserError("task=evaluate needs checkpoint=PATH, an OD-VAE for odvae.load")
        case Task.benchmark:
            _check_benchmark(config)
        case Task.encode:
            _check_encoding(config)
        case Task.generate:
            _check_generation(config)


def _check_training(config: "RunConfig") -> None:
    name = config.model.name
    if not name.is_trainable:
        ours = ", ".join(method.value for method in Method if method.is_trainable)
        raise UserError(
            f"model={name.value} is not trained here (trained are {ours}); "
            "task=evaluate evaluates it"
        )
    given = {"checkpoint": config.checkpoint}
    given |= {f"weights.{name}": path for name, path in asdict(config.weights).items()}
    for field_name, path in given.items():
        if path is not None:
            raise UserError(
                f"{field_name}={path} is read with task=evaluate, benchmark, encode and "
                "generate only"
            )
    _check_parts(config, "train.batch", config.train.batch)
    lengths = config.architecture().clip_lengths
    if not lengths.takes(config.data.clip_frames):
        raise UserError(
            f"data.clip_frames must be {lengths} to train, got {config.data.clip_frames}"
        )


def _check_parts(config: "RunConfig", field_name: str, batch: int) -> None:
    parts = config.trainer.processes * config.trainer.accumulate
    if batch % parts:
        raise UserError(
            f"{field_name} must be a multiple of trainer.devices x trainer.nodes x "
            f"trainer.accumulate = {parts}, got {batch}"
        )


def _check_benchmark(config: "RunConfig") -> None:
    name = config.model.name
    _check_code(config, "be measured")
    if config.benchmark.accelerate and not name.is_trainable:
        raise UserError(
            f"benchmark.accelerate=true is for models of odvae, and model={name.value} is none"
        )
    if config.trainer.processes > 1:
        raise UserError(
            "task=benchmark measures one process: trainer.devices and trainer.nodes must be "
            f"1, got {config.trainer.devices} and {config.trainer.nodes}"
        )


def _check_encoding(config: "RunConfig") -> None:
    _check_code(config, "encode")
    if config.weights_source is None:
        raise UserError(f"task=encode needs {config.weights_field}=PATH, a VAE for odvae.load")
    if config.trainer.processes > 1:
        raise UserError(
            "task=encode is shared by giving the command several times: trainer.devices and "
            f"trainer.nodes must be 1, got {config.trainer.devices} and {config.trainer.nodes}"
        )


def _check_generation(config: "RunConfig") -> None:
    _check_code(config, "make latents")
    if config.data.source is DataSource.webdataset:
        raise UserError(
            "task=generate reads videos that lie in files or folders, which data=webdataset does "
            "not"
        )
    _check_parts(config, "diffusion.batch", config.diffusion.batch)
    if config.sampling.steps > config.diffusion.noise_steps:
        raise UserError(
            f"sampling.steps must be at most diffusion.noise_steps={config.diffusion.noise_steps}, "
            f"got {config.sampling.steps}"
        )


def _check_code(config: "RunConfig", to_do: str) -> None:
    if not config.model.name.row.to_be_had:
        raise UserError(
            f"model={config.model.name.value} cannot {to_do}: no maintained library carries its "
            "code"
        )
