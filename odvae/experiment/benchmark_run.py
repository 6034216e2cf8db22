"""``task=benchmark``: one model, measured and logged. It opens no data and needs no weights."""

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from odvae.acceleration import accelerate
from odvae.config import RunConfig
from odvae.errors import UserError
from odvae.experiment import artifacts
from odvae.experiment.benchmark import Measurement, measure
from odvae.experiment.contender import Contender, contender
from odvae.experiment.evaluation import single_group_note
from odvae.experiment.hardware import hardware
from odvae.experiment.lifecycle import Identity, Outcome, run_once
from odvae.experiment.machine import best_convolution_gflops
from odvae.experiment.progress import Progress
from odvae.inference import fitted
from odvae.model import ODVAE, VideoVAE
from odvae.revision import git_commit
from odvae.tracking import RunLog
from odvae.training.precision import Arithmetic, Precision, resolve
from odvae.vaes.methods import Method

# What a model raises that does not run in a precision, at a size or in the memory there is.
_FAILURES = (RuntimeError, MemoryError, ValueError)
_REASON_CHARS = 300


def check(config: RunConfig) -> None:
    """Find out, without computing, whether a benchmark can run. Raises UserError if not."""
    resolve(config.trainer.device, config.trainer.precision)
    contender(config)


def run(config: RunConfig, *, name: str, parent_id: str | None, progress: Progress) -> Outcome:
    """Measure, or find what the same configuration was measured to take.

    Arguments are those of ``pipeline.run``.

    Raises:
        UserError: a model that does not run so; the run is then marked as failed.
    """
    if config.benchmark.threads is not None:
        torch.set_num_threads(config.benchmark.threads)
    arithmetic = resolve(config.trainer.device, config.trainer.precision)
    case = _Case(config, contender(config), arithmetic, progress)
    return run_once(
        case.identity(),
        case.work,
        config=config,
        name=name,
        parent_id=parent_id,
        progress=progress,
    )


@dataclass(frozen=True)
class _Case:
    """One benchmark."""

    config: RunConfig
    contender: Contender
    arithmetic: Arithmetic
    progress: Progress

    def identity(self) -> Identity:
        """A speed is that of a model on a machine in a precision, and of the code measured."""
        machine = hardware(self.arithmetic.device).name
        commit = git_commit() or version("odvae")
        versions = f"{torch.__version__} {commit}"
        of_model = f"{self.config.digest()} {self.contender.digest}"
        key = hashlib.sha256(f"{of_model} {machine} {self.arithmetic} {versions}".encode())
        tags = {
            "precision": self.arithmetic.precision.value,
            "device": self.arithmetic.device.type,
            "hardware": machine,
            "git_commit": commit,
        }
        return Identity(key.hexdigest(), tags | self._model_tags())

    def work(self, log: RunLog, folder: Path) -> None:
        """Measure and log."""
        log.params(self._params())
        environment = artifacts.environment(self.arithmetic)
        log.text(json.dumps(environment, indent=1), "environment.json")
        note = single_group_note(self.config.tiling, self.config.data.clip_frames)
        if note is not None:
            self.progress.note(note)
        # A size that does not change is worth cuDNN's search for its fastest kernels.
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False):
            self.progress.stage("best rate of a convolution", 1)
            best_gflops = best_convolution_gflops(self.arithmetic)
            try:
                values = self._values(log, best_gflops=best_gflops)
            except _FAILURES as error:
                reason = " ".join(str(error).split())[:_REASON_CHARS]
                raise UserError(reason or type(error).__name__) from error
        values["machine_conv_gflops"] = best_gflops
        log.metrics({f"benchmark/{name}": value for name, value in values.items()}, step=0)

    def _values(self, log: RunLog, *, best_gflops: float) -> dict[str, float]:
        torch.manual_seed(0)
        self.progress.stage("model", 1)
        plain = self.contender.build()
        assert isinstance(plain, nn.Module)
        plain.to(self.arithmetic.device)
        vae = self._accelerated(plain) if self.config.benchmark.accelerate else plain
        assert isinstance(vae, nn.Module)
        clips = fitted(vae, self._random_clips())
        log.params({"coded_clip": "x".join(map(str, clips.shape[2:]))})
        measurement = self._measure(vae, clips)
        held = [*vae.parameters(), *vae.buffers()]
        return measurement.values(best_gflops=best_gflops) | {
            "parameters_millions": sum(p.numel() for p in plain.parameters()) / 1e6,
            "weights_mb": sum(x.numel() * x.element_size() for x in held) / 2**20,
        }

    def _measure(self, vae: VideoVAE, clips: Tensor) -> Measurement:
        config, repeats = self.config, self.config.benchmark.repeats
        plain = None
        if self.contender.architecture is not None:
            with torch.device("meta"):
                plain = ODVAE(self.contender.architecture).eval()

        def done(coder: str, calls: int) -> None:
            if calls == 0:
                self.progress.stage(coder, repeats)
            self.progress.done(calls)

        return measure(
            vae,
            clips,
            tiling=config.tiling.build(),
            repeats=repeats,
            autocast=None if config.benchmark.accelerate else self.arithmetic.autocast(),
            plain=plain,
            done=done,
        )

    def _accelerated(self, plain: VideoVAE) -> VideoVAE:
        assert isinstance(plain, ODVAE), "checked with the weights"
        is_bf16 = self.arithmetic.precision is Precision.bf16
        return accelerate(plain, dtype=torch.bfloat16 if is_bf16 else None)

    def _random_clips(self) -> Tensor:
        """(B, 3, T, H, W) in [-1, 1]."""
        data, batch = self.config.data, self.config.benchmark.batch
        shape = (batch, 3, data.clip_frames, data.size_px, data.size_px)
        return torch.rand(shape, device=self.arithmetic.device) * 2 - 1

    def _params(self) -> dict[str, Any]:
        """The fields that matter; of a model that was loaded, with its own architecture."""
        fields = self.config.determining()
        if self.contender.architecture is not None:
            of_model = asdict(self.contender.architecture)
            fields["variant"] = of_model.pop("variant")
            fields["operators"] = of_model.pop("operators").value
            fields |= {f"model.{name}": value for name, value in of_model.items()}
        return fields

    def _model_tags(self) -> dict[str, str]:
        config, ours = self.config, self.contender.architecture
        is_odvae = config.model.name is Method.odvae
        return {
            "task": config.task.value,
            "model": config.model.name.value,
            "variant": "" if ours is None or not is_odvae else str(ours.variant),
            "operators": "" if ours is None else ours.operators.value,
            "tiling": config.tiling.mode.value,
            "accelerated": str(config.benchmark.accelerate).lower(),
            **self.contender.tags,
        }
