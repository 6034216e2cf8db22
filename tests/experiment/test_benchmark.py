"""What is measured is what is there: known times, known memory, known operations."""

import time

import pytest
import torch
from torch import Tensor

from odvae.anatomy import Clip, describe
from odvae.experiment.benchmark import CoderCost, Measurement, measure
from odvae.experiment.machine import best_convolution_gflops
from odvae.experiment.peak_memory import peak_growth_mb
from odvae.inference import Tiling
from odvae.model import ODVAE, ClipLengths, Compression, LatentScaling, Posterior
from odvae.training.precision import Arithmetic, Precision
from tests.sampling import first

CPU = torch.device("cpu")
ENCODE_S, DECODE_S = 0.02, 0.04


class SleepyVAE:
    """It takes a known time, and its operations are one product of matrices."""

    compression = Compression(1, 1, 1)
    clip_lengths = ClipLengths()
    latent_channels = 3
    latent_scaling = LatentScaling()
    input_range = (-1.0, 1.0)

    def __init__(self) -> None:
        self.calls: list[str] = []

    def encode(self, video: Tensor) -> Posterior:
        self.calls.append("encode")
        time.sleep(ENCODE_S)
        torch.ones(10, 20) @ torch.ones(20, 30)
        return Posterior(torch.cat([video, video], dim=1))

    def decode(self, latents: Tensor) -> Tensor:
        self.calls.append("decode")
        time.sleep(DECODE_S)
        return latents


def test_times_operations_and_calls_are_those_of_the_vae() -> None:
    vae = SleepyVAE()
    told: list[tuple[str, int]] = []
    measured = measure(
        vae,
        torch.zeros(2, 3, 4, 8, 8),
        tiling=Tiling.off(),
        repeats=3,
        done=lambda coder, calls: told.append((coder, calls)),
    )
    assert (measured.clips, measured.frames) == (2, 4)
    for cost, slept_s in ((measured.encode, ENCODE_S), (measured.decode, DECODE_S)):
        assert len(cost.times_s) == 3
        assert slept_s <= min(cost.times_s) <= cost.median_s < slept_s + 0.2
        assert min(cost.times_s) <= cost.quartiles_s[0] <= cost.quartiles_s[1] <= max(cost.times_s)
    assert (measured.encode.flops, measured.decode.flops) == (2 * 10 * 20 * 30, 0)
    # Operations, a warm-up, the memory and three for the time.
    assert vae.calls == ["encode"] * 6 + ["decode"] * 6
    assert told == [(coder, calls) for coder in ("encode", "decode") for calls in range(4)]


def test_values_follow_from_times() -> None:
    cost = CoderCost(times_s=(0.4, 0.1, 0.2, 0.3, 0.5), flops=6 * 10**9, peak_mb=None)
    assert (cost.median_s, cost.quartiles_s) == (0.3, (0.2, 0.4))
    values = Measurement(clips=2, frames=10, encode=cost, decode=cost).values(best_gflops=40.0)
    assert values["encode_clips_per_s"] == pytest.approx(2 / 0.3)
    assert values["encode_clips_per_s_low"] == pytest.approx(2 / 0.4)
    assert values["encode_clips_per_s_high"] == pytest.approx(2 / 0.2)
    assert values["decode_ms_per_frame"] == pytest.approx(15.0)
    assert values["decode_gflop"] == 3.0
    assert values["encode_gflops"] == pytest.approx(20.0)
    assert values["encode_peak_fraction"] == pytest.approx(0.5)
    assert "encode_peak_mb" not in values
    once = CoderCost(times_s=(0.3,), flops=0, peak_mb=None)
    assert once.quartiles_s == (0.3, 0.3)


@pytest.mark.parametrize("variant", first(1, [4, 1]))
def test_operations_are_those_of_the_description(variant: int) -> None:
    vae = ODVAE.variant(variant, width=16, blocks=1, norm_groups="channels/16").eval()
    with torch.device("meta"):
        plain = ODVAE(vae.architecture)
    clips = torch.zeros(1, 3, 5, 16, 16)
    measured = measure(vae, clips, tiling=Tiling.off(), repeats=1, plain=plain)
    described = describe(vae.architecture, Clip(5, 16, 16))
    assert measured.encode.flops == described.encoder.flops
    assert measured.decode.flops == described.decoder.flops
    autocast = Arithmetic(CPU, Precision.bf16).autocast()
    lower = measure(vae, clips, tiling=Tiling.off(), repeats=1, plain=plain, autocast=autocast)
    assert (lower.encode.flops, lower.decode.flops) == (
        described.encoder.flops,
        described.decoder.flops,
    )
    itself = measure(vae, clips, tiling=Tiling.off(), repeats=1)
    assert (itself.encode.flops, itself.decode.flops) == (
        described.encoder.flops,
        described.decoder.flops,
    )


def test_groups_that_overlap_count_what_is_computed_twice() -> None:
    vae = ODVAE.variant(4, width=16, blocks=1, norm_groups="channels/16").eval()
    flops = [
        measure(vae, torch.zeros(1, 3, 9, 16, 16), tiling=tiling, repeats=1).encode.flops
        for tiling in (Tiling.off(), Tiling.temporal(5))
    ]
    group = describe(vae.architecture, Clip(5, 16, 16)).encoder.flops
    assert flops[1] == 2 * group > flops[0]


def test_the_peak_is_what_a_call_allocates() -> None:
    def allocate() -> None:
        torch.ones(80, 2**18)  # 80 MiB, freed at the end
        torch.ones(20, 2**18)

    peak_mb = peak_growth_mb(allocate, CPU)
    if peak_mb is None:
        pytest.skip("this system does not tell the peak of resident memory")
    assert 75 < peak_mb < 115  # an allocator may keep some of it
    held = torch.ones(80, 2**18)  # what is there before does not count
    again_mb = peak_growth_mb(held.sum, CPU)
    assert again_mb is not None and again_mb < 10


def test_a_machine_has_a_rate() -> None:
    assert best_convolution_gflops(Arithmetic(CPU, Precision.fp32), budget_s=0.05) > 0.1
