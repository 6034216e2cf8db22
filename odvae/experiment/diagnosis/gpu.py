"""The GPU: whether torch can use it, and whether it is free."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from odvae.config import RunConfig
from odvae.experiment.diagnosis.finding import Finding, gigabytes, ok, problem, warning
from odvae.training.config import TrainerConfig
from odvae.training.precision import Device

_DRIVER = Path("/sys/module/nvidia/version")  # of NVIDIA's kernel module on Linux
_BUSY = 0.5  # of a GPU's memory in other hands: worth a word


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """The first GPU that torch sees."""

    name: str
    count: int  # of GPUs
    free_bytes: int
    total_bytes: int
    has_bf16: bool  # in hardware
    failure: str = ""  # why it does not compute


def look_at_gpu(config: RunConfig) -> Iterator[Finding]:
    """What torch sees, against what the run is told to use."""
    driver = _DRIVER.read_text().strip() if _DRIVER.is_file() else None
    gpu = _first() if torch.cuda.is_available() else None
    if gpu is not None:
        yield judge(gpu, config.trainer, driver=driver)
    else:
        yield absent(
            config.trainer,
            driver=driver,
            built_for=torch.version.cuda,
            visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
        )


def judge(gpu: Gpu, trainer: TrainerConfig, *, driver: str | None) -> Finding:
    """What to say of a GPU that torch sees."""
    many = f"{gpu.count} x " if gpu.count > 1 else ""
    said = f"{many}{gpu.name}, {gigabytes(gpu.free_bytes)} of {gigabytes(gpu.total_bytes)} free"
    said += ", bf16" if gpu.has_bf16 else ", no bf16: runs compute in fp32"
    said += ", a slice of a GPU (MIG)" if "MIG" in gpu.name else ""
    said += f", driver {driver}" if driver else ""
    if gpu.failure:
        return problem(
            "gpu",
            f"{said}; it does not compute: {gpu.failure}",
            "install a torch that is built for this GPU, or trainer.device=cpu",
        )
    if trainer.device is Device.cpu:
        return ok("gpu", f"{said}; not used with trainer.device=cpu")
    if trainer.devices > gpu.count:
        return problem(
            "gpu",
            f"{said}; the run asks for trainer.devices={trainer.devices}",
            f"trainer.devices={gpu.count}, or a look at CUDA_VISIBLE_DEVICES",
        )
    taken_bytes = gpu.total_bytes - gpu.free_bytes
    if taken_bytes > _BUSY * gpu.total_bytes:
        return warning(
            "gpu",
            f"{said}; other processes hold {gigabytes(taken_bytes)}",
            "nvidia-smi names them; wait for them, or choose another GPU: CUDA_VISIBLE_DEVICES=1",
        )
    return ok("gpu", said)


def absent(
    trainer: TrainerConfig, *, driver: str | None, built_for: str | None, visible: str | None
) -> Finding:
    """What to say where torch sees no GPU.

    Args:
        driver: version of NVIDIA's driver, None where none is loaded.
        built_for: the version of CUDA that torch was built for, None for none.
        visible: what the environment says of which GPUs are to be seen.
    """
    if driver is None:
        said, remedy = "none, CPU only", "trainer.device=auto"
    else:
        said = f"NVIDIA's driver {driver} is loaded, but torch sees no GPU"
        remedy = "nvidia-smi tells whether there is one that this user may use"
        if visible is not None:
            said += f": CUDA_VISIBLE_DEVICES={visible!r} hides them"
            remedy = "unset CUDA_VISIBLE_DEVICES"
        elif built_for is None:
            said += ": this torch is built for CPUs only"
            remedy = "install torch and torchvision with CUDA (pytorch.org names the command)"
        else:
            said += f"; this torch is built for CUDA {built_for}"
            remedy += "; update the driver, or install a torch for an older CUDA"
    if trainer.device is Device.cuda:
        return problem("gpu", f"{said}; the run asks for trainer.device=cuda", remedy)
    if driver is None or trainer.device is Device.cpu:
        return ok("gpu", said)
    return warning("gpu", said, remedy)


def _first() -> Gpu:
    failure = ""
    free_bytes = total_bytes = torch.cuda.get_device_properties(0).total_memory
    try:
        free_bytes, total_bytes = torch.cuda.mem_get_info(0)
        torch.ones(8, device="cuda").square().sum().item()
    except RuntimeError as error:  # no kernels for it, or another process holds all of it
        failure = str(error).partition("\n")[0]
    return Gpu(
        name=torch.cuda.get_device_name(0),
        count=torch.cuda.device_count(),
        free_bytes=free_bytes,
        total_bytes=total_bytes,
        has_bf16=torch.cuda.is_bf16_supported(including_emulation=False),
        failure=failure,
    )
