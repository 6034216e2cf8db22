"""What the run would take, against what there is: memory, time, space for its checkpoints."""

import shutil
from collections.abc import Iterator

import torch

from odvae.config import RunConfig, Task
from odvae.experiment.diagnosis.finding import Finding, gigabytes, ok, problem, warning
from odvae.experiment.diagnosis.places import existing
from odvae.experiment.diagnosis.speeds import arithmetic_of
from odvae.experiment.dry_run import RunCost, estimate_run
from odvae.experiment.hardware import ram
from odvae.training.discriminator import PatchDiscriminator
from odvae.training.video_recipe import lpips_at_hand

# In a checkpoint: weights in float32 and Adam's two moments; of the model also its average.
_OF_A_PARAMETER, _OF_A_DISCRIMINATORS = 16, 12
_BESIDE = 2  # checkpoints beside the last ones: the best, and the one being written
_DAY_S = 86400.0


def look_at_run(config: RunConfig) -> Iterator[Finding]:
    """The estimate of a dry run; there is none for anything but a training."""
    if config.task is not Task.train:
        return
    arithmetic = arithmetic_of(config)
    cost = estimate_run(config, arithmetic, lpips_loss=lpips_at_hand(config.losses))
    if arithmetic.device.type == "cuda":
        free_bytes, total_bytes = torch.cuda.mem_get_info(arithmetic.device)
    else:
        free_bytes, total_bytes = ram().free_bytes, ram().total_bytes
    yield judge_memory(cost, free_bytes=free_bytes, total_bytes=total_bytes)
    free_bytes = shutil.disk_usage(existing(config.output)).free
    one_bytes = checkpoint_bytes(config, cost.parameters)
    yield judge_space(one_bytes, kept=config.train.keep_last, free_bytes=free_bytes)


def checkpoint_bytes(config: RunConfig, parameters: int) -> int:
    """The size of a checkpoint of a training; ``parameters`` are the model's."""
    against = 0
    if config.losses.adversarial.start_step is not None:
        with torch.device("meta"):
            against = sum(parameter.numel() for parameter in PatchDiscriminator().parameters())
    return _OF_A_PARAMETER * parameters + _OF_A_DISCRIMINATORS * against


def judge_memory(cost: RunCost, *, free_bytes: int, total_bytes: int) -> Finding:
    """What to say of the memory of a training, and of its time."""
    needed_bytes = cost.sharing * cost.memory_bytes
    said = f"training takes {gigabytes(needed_bytes)} of the {gigabytes(free_bytes)} that are free"
    said += f" (torch itself not counted), {cost.steps:,} steps about {_time(cost.train_s)}"
    remedy = f"try {', '.join(cost.savings)}"
    if needed_bytes > total_bytes:
        return problem("run", f"{said}; there are {gigabytes(total_bytes)} in all", remedy)
    if needed_bytes > free_bytes:
        return warning("run", said, f"close other programs, or {remedy}")
    return ok("run", said)


def judge_space(one_bytes: int, *, kept: int, free_bytes: int) -> Finding:
    """What to say of the space for checkpoints of a size; ``kept`` are the last ones."""
    needed_bytes = (kept + _BESIDE) * one_bytes
    said = f"up to {kept + _BESIDE} checkpoints of {gigabytes(one_bytes)}"
    if needed_bytes > free_bytes:
        return problem(
            "checkpoints",
            f"{said}: more than the {gigabytes(free_bytes)} that are free in output_dir",
            "free some, output_dir=FOLDER with more, or train.keep_last=1",
        )
    return ok("checkpoints", f"{said}; {gigabytes(free_bytes)} are free in output_dir")


def _time(seconds: float) -> str:
    for unit, length_s in (("days", _DAY_S), ("h", 3600.0), ("min", 60.0)):
        if seconds >= length_s:
            return f"{seconds / length_s:,.1f} {unit}"
    return f"{seconds:.0f} s"
