"""How long a call takes on a device that may still be at work when the call returns."""

import time
from collections.abc import Callable

import torch


def seconds_of(function: Callable[[], object], device: torch.device) -> float:
    """Call a function once; from an idle device to an idle device."""
    _wait_for(device)
    start_s = time.perf_counter()
    function()
    _wait_for(device)
    return time.perf_counter() - start_s


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
