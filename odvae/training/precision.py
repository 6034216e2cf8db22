"""Where a run computes, and in which arithmetic. Master weights are float32 throughout."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum

import torch

from odvae.errors import UserError


class Device(Enum):
    """Where a run computes."""

    auto = "auto"  # the GPU if there is one
    cpu = "cpu"
    cuda = "cuda"


class Precision(Enum):
    """The arithmetic of forward and backward."""

    auto = "auto"  # bf16 autocast where the hardware is faster with it
    fp32 = "fp32"
    bf16 = "bf16"


@dataclass(frozen=True)
class Arithmetic:
    """A device and a precision, resolved: no ``auto`` left."""

    device: torch.device
    precision: Precision

    def autocast(self) -> AbstractContextManager[None]:
        """The context in which the model is called."""
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.precision is Precision.bf16
        )


def resolve(device: Device, precision: Precision) -> Arithmetic:
    """Settle ``auto``. Raises UserError for a GPU that is not there."""
    has_gpu = torch.cuda.is_available()
    if device is Device.cuda and not has_gpu:
        raise UserError("trainer.device=cuda, but torch sees no GPU; allowed here: auto, cpu")
    kind = "cuda" if has_gpu and device is not Device.cpu else "cpu"
    if precision is Precision.auto:
        precision = Precision.bf16 if _bf16_is_fast(kind) else Precision.fp32
    return Arithmetic(torch.device(kind), precision)


def _bf16_is_fast(kind: str) -> bool:
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Without these instructions oneDNN emulates bf16, twenty times slower than fp32.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
