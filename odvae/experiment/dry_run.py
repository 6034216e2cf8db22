"""What a training would cost, without training: FLOPs and memory derived, its speed measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from odvae.anatomy import Clip
from odvae.config import RunConfig, Task
from odvae.errors import UserError
from odvae.experiment.hardware import Hardware, hardware
from odvae.experiment.speed import measured_flops_per_s
from odvae.experiment.step_cost import StepSpec, step_cost
from odvae.training.precision import Arithmetic, Precision

_GIB = 2**30
_MINUTE_S, _HOUR_S, _DAY_S = 60.0, 3600.0, 86400.0
_NOTES = (
    "FLOPs: convolutions and attention, forward and backward, two for each multiply-add, of the "
    "whole batch; where a discriminator plays, the mean over its turns and the model's.",
    "Memory of a process: weights, EMA, Adam, gradients and activations at the worst moment. On "
    "top comes what convolutions work in, the allocator holds back and torch itself takes: "
    "in small runs on a CPU about 1 GiB.",
    "Not included: loading clips, looks and evaluation, training an image VAE to start from, "
    "averaging gradients between processes, what torch.compile gains.",
)


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """What a run would take on the present hardware."""

    hardware: Hardware
    precision: Precision
    processes: int  # that train together
    sharing: int  # of these, on one GPU, or on one computer's CPU
    flops_per_s: float  # measured, of what they share
    parameters: int  # of the model
    step_flops: float  # of the whole batch, averaged over the turns of the players
    memory_bytes: int  # of a process at the worst moment
    steps: int
    lpips: bool  # whether the LPIPS term is part of the objective
    savings: tuple[str, ...]  # fields that would make it need less memory

    @property
    def step_s(self) -> float:
        """Seconds of a step."""
        return self.step_flops / self.processes * self.sharing / self.flops_per_s

    @property
    def train_s(self) -> float:
        """Seconds of all steps."""
        return self.steps * self.step_s

    @property
    def days(self) -> float:
        """The same in days."""
        return self.train_s / _DAY_S

    @property
    def fits(self) -> bool:
        """Whether the present memory holds all processes that share it."""
        return self.sharing * self.memory_bytes <= self.hardware.memory_bytes


def estimate_run(config: RunConfig, arithmetic: Arithmetic, *, lpips_loss: bool) -> RunCost:
    """Estimate a training; takes seconds, the first time for a model.

    Args:
        config: of a training.
        arithmetic: where it would compute, resolved.
        lpips_loss: whether the LPIPS term is part of the objective.

    Raises:
        UserError: the run would train nothing.
    """
    if config.task is not Task.train:
        raise UserError(
            f"dry_run=true says what a training costs, which task={config.task.value} is not"
        )
    trainer, start_step = config.trainer, config.losses.adversarial.start_step
    clips = config.train.batch // trainer.processes
    spec = StepSpec(
        architecture=config.architecture(),
        clip=Clip(config.data.clip_frames, config.data.size_px, config.data.size_px),
        clips=clips,
        parts=trainer.accumulate,
        bf16=arithmetic.precision is Precision.bf16,
        checkpoint_activations=trainer.checkpoint_activations,
        free_activations=trainer.free_activations,
        frozen_encoder=config.model.name.row.frozen_encoder,
        lpips=config.losses.lpips_backbone if lpips_loss else None,
        adversarial=start_step is not None and start_step < config.train.steps,
    )
    step = step_cost(spec)
    return RunCost(
        hardware=hardware(arithmetic.device),
        precision=arithmetic.precision,
        processes=trainer.processes,
        sharing=1 if arithmetic.device.type == "cuda" else trainer.devices,
        flops_per_s=measured_flops_per_s(
            spec.architecture,
            spec.clip,
            arithmetic,
            clips=clips // trainer.accumulate,
            channels_last=trainer.channels_last,
        ),
        parameters=step.parameters,
        step_flops=trainer.processes * step.mean_flops(config.train.steps, start_step),
        memory_bytes=step.memory_bytes,
        steps=config.train.steps,
        lpips=lpips_loss,
        savings=_savings(config),
    )


def print_costs(names: Sequence[str], costs: Sequence[RunCost], console: Console) -> None:
    """A line for each run, what it would run on, and what the estimate leaves out."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("run", overflow="fold")
    for heading in ("parameters\nM", "step\nTFLOP", "memory\nGiB", "step\ns", "steps", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, cost in zip(names, costs, strict=True):
        table.add_row(
            Text(name),
            f"{cost.parameters / 1e6:,.2f}",
            _number(cost.step_flops / 1e12),
            Text(_number(cost.memory_bytes / _GIB), style="" if cost.fits else "bold red"),
            _number(cost.step_s),
            f"{cost.steps:,}",
            _duration(cost.train_s),
        )
    if len(costs) > 1:
        total = _duration(sum(cost.train_s for cost in costs))
        table.add_row("one by one", *[""] * 5, total)
    console.print(table)
    for line in ["", *_too_large(names, costs), *_speeds(costs), *_left_out(costs), *_NOTES]:
        console.print(Text(line))


def _too_large(names: Sequence[str], costs: Sequence[RunCost]) -> list[str]:
    return [
        f"{name}: needs {_number(cost.sharing * cost.memory_bytes / _GIB)} GiB, more than the "
        f"{_number(cost.hardware.memory_bytes / _GIB)} GiB here; try {', '.join(cost.savings)}"
        for name, cost in zip(names, costs, strict=True)
        if not cost.fits
    ]


def _speeds(costs: Sequence[RunCost]) -> list[str]:
    """A line for each place and precision."""
    by_place: dict[tuple[Hardware, Precision, int, int], list[float]] = {}
    for cost in costs:
        place = (cost.hardware, cost.precision, cost.processes, cost.sharing)
        by_place.setdefault(place, []).append(cost.flops_per_s / 1e9)
    lines = []
    for (where, precision, processes, sharing), rates in by_place.items():
        ends = dict.fromkeys(_number(rate) for rate in (min(rates), max(rates)))
        who = f", {processes} processes" if processes > 1 else ""
        lines.append(
            f"Time on {where.name} ({_number(where.memory_bytes / _GIB)} GiB) in {precision.value}"
            f"{who}, at the {' to '.join(ends)} GFLOP/s that it has just been measured to do in "
            f"the model's residual blocks{', all processes together' if sharing > 1 else ''}."
        )
    return lines


def _left_out(costs: Sequence[RunCost]) -> list[str]:
    if all(cost.lpips for cost in costs):
        return []
    return [
        "Without the LPIPS term where its weight is 0 or its weights are not on this computer "
        "(odvae weights tells how to get them)."
    ]


def _savings(config: RunConfig) -> tuple[str, ...]:
    trainer = config.trainer
    clips = config.train.batch // trainer.processes
    savings = [] if trainer.checkpoint_activations else ["trainer.checkpoint_activations=true"]
    if clips > trainer.accumulate:
        savings.append(f"trainer.accumulate={clips}")
    smaller = ["train.batch"] if config.train.batch > trainer.processes else []
    return (*savings, f"a smaller {' or '.join([*smaller, 'data.size_px'])}")


def _number(value: float) -> str:
    """Three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}"


def _duration(seconds: float) -> str:
    if seconds >= _DAY_S:
        return f"{_number(seconds / _DAY_S)} days"
    if seconds >= _HOUR_S:
        return f"{_number(seconds / _HOUR_S)} h"
    return (
        f"{_number(seconds / _MINUTE_S)} min" if seconds >= _MINUTE_S else f"{_number(seconds)} s"
    )
