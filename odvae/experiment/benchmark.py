"""How fast and lean a VAE is. Clips are (B, 3, T, H, W) in [-1, 1]."""

import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from odvae.experiment.peak_memory import peak_growth_mb
from odvae.experiment.timing import seconds_of
from odvae.inference import Tiling, decode, encode
from odvae.model import VideoVAE

_Result = TypeVar("_Result")
CountDone = Callable[[str, int], None]  # encode or decode, and its timed calls so far


@dataclass(frozen=True)
class CoderCost:
    """What encoding or decoding of one batch takes."""

    times_s: tuple[float, ...]  # of each timed call
    flops: int  # of the plain model's convolutions and attention
    peak_mb: float | None  # memory beyond what is held before a call; None: not to be measured

    @property
    def median_s(self) -> float:
        """Of the timed calls."""
        return statistics.median(self.times_s)

    @property
    def quartiles_s(self) -> tuple[float, float]:
        """The first and the third: half of the calls lie between them."""
        if len(self.times_s) == 1:
            return self.times_s[0], self.times_s[0]
        first, _, third = statistics.quantiles(self.times_s, n=4, method="inclusive")
        return first, third


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a VAE takes for one batch of clips."""

    clips: int
    frames: int  # of each
    encode: CoderCost
    decode: CoderCost

    def values(self, *, best_gflops: float) -> dict[str, float]:
        """By the names that are logged; what could not be measured is left out.

        Args:
            best_gflops: billions of operations a second that the machine reaches at best.
        """
        values: dict[str, float] = {}
        for side, cost in (("encode", self.encode), ("decode", self.decode)):
            first_s, third_s = cost.quartiles_s
            gflops = cost.flops / cost.median_s / 1e9
            values |= {
                f"{side}_clips_per_s": self.clips / cost.median_s,
                f"{side}_clips_per_s_low": self.clips / third_s,
                f"{side}_clips_per_s_high": self.clips / first_s,
                f"{side}_ms_per_frame": 1000 * cost.median_s / (self.clips * self.frames),
                f"{side}_gflop": cost.flops / self.clips / 1e9,
                f"{side}_gflops": gflops,
                f"{side}_peak_fraction": gflops / best_gflops,
            }
            if cost.peak_mb is not None:
                values[f"{side}_peak_mb"] = cost.peak_mb
        return values


def measure(
    vae: VideoVAE,
    clips: Tensor,
    *,
    tiling: Tiling,
    repeats: int,
    autocast: AbstractContextManager[None] | None = None,
    plain: VideoVAE | None = None,
    done: CountDone = lambda coder, calls: None,
) -> Measurement:
    """Encode and decode a batch: once to warm up, once for the memory, then for the time.

    Args:
        vae: in evaluation mode, on the device of the clips.
        clips: (B, 3, T, H, W) of a size that the VAE takes.
        tiling: how the clips are cut.
        repeats: timed calls.
        autocast: the context in which the model is called; None: its own precision.
        plain: the model whose operations count, on the meta device, where nothing is computed.
            None: those of ``vae``, in one call more.
        done: told how many timed calls there were, from 0 on.

    Raises:
        UserError: the tiling does not suit the VAE.
    """
    counted = _Counted(vae, tiling) if plain is None else _Counted(plain, tiling, "meta")
    with torch.inference_mode(), autocast or nullcontext():
        encoding, encode_cost = _cost(
            lambda: encode(vae, clips, tiling),
            flops=counted.flops(encode, clips),
            device=clips.device,
            repeats=repeats,
            done=partial(done, "encode"),
        )
        latents = encoding.mode()
        _, decode_cost = _cost(
            lambda: decode(vae, latents, tiling),
            flops=counted.flops(decode, latents),
            device=clips.device,
            repeats=repeats,
            done=partial(done, "decode"),
        )
    return Measurement(
        clips=len(clips), frames=clips.shape[2], encode=encode_cost, decode=decode_cost
    )


def _cost(
    call: Callable[[], _Result],
    *,
    flops: int,
    device: torch.device,
    repeats: int,
    done: Callable[[int], None],
) -> tuple[_Result, CoderCost]:
    """What a call gives, and takes."""
    result = call()  # caches are filled, kernels chosen, memory reserved
    peak_mb = peak_growth_mb(call, device)
    times_s = []
    done(0)
    for number in range(repeats):
        times_s.append(seconds_of(call, device))
        done(number + 1)
    return result, CoderCost(times_s=tuple(times_s), flops=flops, peak_mb=peak_mb)


@dataclass(frozen=True)
class _Counted:
    """A model whose operations count."""

    vae: VideoVAE
    tiling: Tiling
    device: str | None = None  # where it is; None: where its input is

    def flops(self, code: Callable[[VideoVAE, Tensor, Tiling], object], x: Tensor) -> int:
        """Of encoding or decoding."""
        # Operations are the same in every precision, and autocast knows no meta device.
        elsewhere = self.device is not None
        context = torch.autocast(x.device.type, enabled=False) if elsewhere else nullcontext()
        counter = FlopCounterMode(display=False)
        with context, counter:
            code(self.vae, x.to(self.device, torch.float32) if elsewhere else x, self.tiling)
        return int(counter.get_total_flops())
