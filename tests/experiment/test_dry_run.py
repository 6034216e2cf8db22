"""What a dry run says of a run's cost."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from odvae.compose import compose_run
from odvae.errors import UserError
from odvae.experiment import dry_run, speed
from odvae.experiment.dry_run import RunCost, estimate_run, print_costs
from odvae.experiment.hardware import Hardware
from odvae.experiment.speed import measured_flops_per_s
from odvae.training.precision import Precision
from tests.command.commands import run_here
from tests.experiment.test_step_cost import CLIP, SPEC
from tests.training.tiny import CPU

COST = RunCost(
    hardware=Hardware(name="a machine", memory_bytes=2**34),
    precision=Precision.fp32,
    processes=1,
    sharing=1,
    flops_per_s=1e12,
    parameters=10**6,
    step_flops=2e12,
    memory_bytes=2**33,
    steps=43_200,
    lpips=True,
    savings=("trainer.accumulate=8", "a smaller train.batch"),
)


@pytest.fixture
def _known_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_run, "measured_flops_per_s", lambda *args, **more: 1e9)


def _estimate(*words: str) -> RunCost:
    return estimate_run(compose_run(["preset=smoke", *words]), CPU, lpips_loss=False)


def _printed(*costs: RunCost) -> str:
    out = io.StringIO()
    print_costs([f"run {n}" for n in range(len(costs))], costs, Console(file=out, width=80))
    return out.getvalue()


def test_time_follows_from_flops_steps_and_processes() -> None:
    assert (COST.step_s, COST.days) == (2.0, 1.0)
    assert replace(COST, steps=10 * COST.steps).days == 10
    assert replace(COST, processes=4).days == 0.25
    assert replace(COST, processes=4, sharing=4).days == 1  # of one CPU: no faster than one


def test_memory_is_of_all_that_share_it() -> None:
    assert COST.fits and replace(COST, processes=2, sharing=2).fits
    assert not replace(COST, processes=3, sharing=3).fits
    assert replace(COST, processes=3).fits  # each on a GPU of its own


@pytest.mark.usefixtures("_known_speed")
def test_an_estimate_is_of_the_configured_run() -> None:
    short, long = _estimate("train.steps=10"), _estimate("train.steps=30")
    assert long.days == pytest.approx(3 * short.days)
    assert short.step_s == pytest.approx(short.step_flops / 1e9)
    assert short.savings[:2] == ("trainer.checkpoint_activations=true", "trainer.accumulate=2")
    two = _estimate("train.steps=10", "trainer.devices=2")
    assert two.step_flops == short.step_flops
    assert (two.processes, two.sharing) == (2, 2)
    assert two.memory_bytes < short.memory_bytes
    never = _estimate("train.steps=10", "losses.adversarial.start_step=10")
    assert never.step_flops == short.step_flops


def test_an_evaluation_has_no_such_cost() -> None:
    with pytest.raises(UserError, match="task=evaluate"):
        _estimate("task=evaluate", "checkpoint=some_vae")


def test_the_table_is_readable_at_80_columns() -> None:
    large = replace(COST, steps=650_000_000, step_flops=1.014e15, parameters=239_189_991)
    text = _printed(COST, large)
    assert max(map(len, text.splitlines())) <= 80
    assert "1.00 days" in text and "239.19" in text and "one by one" in text
    assert "LPIPS" not in text and "more than" not in text
    assert "LPIPS" in _printed(replace(COST, lpips=False))


def test_what_does_not_fit_is_said_with_what_helps() -> None:
    text = " ".join(_printed(replace(COST, memory_bytes=2**35)).split())
    assert "run 0: needs 32.0 GiB, more than the 16.0 GiB here; try trainer.accumulate=8" in text


def test_speed_is_measured_and_leaves_no_trace() -> None:
    before = torch.get_rng_state()
    rate = measured_flops_per_s(SPEC.architecture, CLIP, CPU, clips=2, channels_last=True)
    assert 1e7 < rate < 1e14
    torch.testing.assert_close(torch.get_rng_state(), before)


def test_large_clips_are_cropped_to_be_quick() -> None:
    paper = compose_run(["preset=paper"])
    clip = replace(CLIP, frames=25, height=256, width=256)
    cropped = speed._cropped(paper.architecture(), clip, 2, "cpu")
    assert (cropped.frames, cropped.height, cropped.width) == (5, 32, 32)
    assert speed._cropped(SPEC.architecture, CLIP, 2, "cpu") == CLIP


def test_a_dry_run_says_what_it_would_cost_and_leaves_nothing(tmp_path: Path) -> None:
    line = ("-m", "preset=smoke", "variant=1,4", "dry_run=true")
    ran = run_here(tmp_path, *line)
    assert (ran.code, ran.err) == (0, "")
    rows = [line for line in ran.out.splitlines() if line.startswith("variant=")]
    assert [row.split()[0] for row in rows] == ["variant=1", "variant=4"]
    assert not list(tmp_path.iterdir())
