"""Processes that train together give what one process gives."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from odvae.training.batch_norm import TeamBatchNorm3d, over_team
from odvae.training.discriminator import PatchDiscriminator
from odvae.training.loop import train
from odvae.training.team import Alone, _buckets
from tests.training.tiny import CPU, loop, tiny_training, video_ranges

STEPS, ADVERSARY_FROM = 5, 1


@pytest.fixture
def double() -> Iterator[None]:
    """In double precision, so that Adam does not blow up the rounding of gradients that are 0."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.slow
def test_two_processes_with_half_the_batch_are_one(tmp_path: Path, double: None) -> None:
    """Weights of both players, EMA, moments, batch statistics; two of the steps are adversarial."""
    video_ranges(tmp_path)
    _run_team(tmp_path)
    teams = [torch.load(tmp_path / f"process{rank}.pt", weights_only=True) for rank in (0, 1)]
    assert_close(teams[0], teams[1], atol=0, rtol=0)
    alone, objective = tiny_training(tmp_path, steps=STEPS, adversary_from=ADVERSARY_FROM, batch=4)
    train(
        alone,
        objective,
        loop(STEPS),
        arithmetic=CPU,
        checkpoints=None,
        report=lambda step, numbers: None,
    )
    content = alone.content()
    for part in ("modules", "ema", "optimisers"):
        assert_close(teams[0][part], content[part], atol=1e-5, rtol=0)
    untrained, _ = tiny_training(tmp_path, steps=STEPS, adversary_from=ADVERSARY_FROM)
    assert not torch.allclose(
        content["ema"]["encoder.conv_in.weight"],
        untrained.model.get_parameter("encoder.conv_in.weight"),
        atol=1e-4,
    )


def _run_team(folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {
        "TORCHELASTIC_RUN_ID": "test",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "tests.training.teammate", str(folder)]
    command += [str(STEPS), str(ADVERSARY_FROM)]
    processes = [
        subprocess.Popen(command, env=os.environ | common | {"RANK": rank, "LOCAL_RANK": rank})
        for rank in "01"
    ]
    assert [process.wait(120) for process in processes] == [0, 0]


class _Twice(Alone):
    """Two processes that happen to have the same clips."""

    size = 2

    def total(self, x: Tensor) -> Tensor:
        return 2 * x


def test_batch_statistics_are_those_of_all_processes() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 3, 4, 4) * 3 + 1
    ours, theirs = TeamBatchNorm3d(6, _Twice()), nn.BatchNorm3d(6)
    halves, whole = x.clone().requires_grad_(), torch.cat([x, x]).requires_grad_()
    upstream = torch.randn_like(x)
    out, reference = ours(halves), theirs(whole)
    assert_close(out, reference[:2])
    out.backward(upstream)
    reference.backward(torch.cat([upstream, upstream]))
    assert halves.grad is not None and whole.grad is not None
    assert_close(halves.grad, whole.grad[:2], atol=1e-5, rtol=1e-4)
    assert_close(dict(ours.named_buffers()), dict(theirs.named_buffers()))
    ours.eval()
    theirs.eval()
    assert_close(ours(x), theirs(x))


def test_a_discriminator_keeps_its_names() -> None:
    plain, team = PatchDiscriminator(), PatchDiscriminator()
    over_team(team, _Twice())
    assert sum(isinstance(part, TeamBatchNorm3d) for part in team.modules()) == 3
    assert plain.state_dict().keys() == team.state_dict().keys()
    over_team(plain, Alone())
    assert not any(isinstance(part, TeamBatchNorm3d) for part in plain.modules())


def test_buckets_hold_all_tensors_in_order() -> None:
    tensors = [torch.zeros(size) for size in (1 << 23, 1 << 23, 1, 1 << 25, 3)]
    buckets = list(_buckets(tensors))
    assert [len(bucket) for bucket in buckets] == [2, 1, 1, 1]
    assert [id(t) for bucket in buckets for t in bucket] == [id(t) for t in tensors]
    assert list(_buckets([])) == []
