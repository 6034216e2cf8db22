"""Where a run computes: ``auto`` is settled by what the machine has."""

import pytest
import torch

from odvae.errors import UserError
from odvae.training import precision
from odvae.training.precision import Arithmetic, Device, Precision, resolve


@pytest.mark.parametrize("fast", [True, False])
def test_auto_takes_bf16_only_where_it_is_fast(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_bf16_is_fast", lambda _: fast)
    assert resolve(Device.cpu, Precision.auto).precision is (
        Precision.bf16 if fast else Precision.fp32
    )
    assert resolve(Device.cpu, Precision.fp32).precision is Precision.fp32
    assert resolve(Device.cpu, Precision.bf16).precision is Precision.bf16


def test_auto_takes_the_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for has_gpu, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda answer=has_gpu: answer)
        assert resolve(Device.auto, Precision.fp32).device.type == kind
    with pytest.raises(UserError, match=r"^trainer\.device=cuda, .*allowed here: auto, cpu$"):
        resolve(Device.cuda, Precision.fp32)


@pytest.mark.parametrize("kind", [Precision.fp32, Precision.bf16])
def test_the_model_is_called_in_that_arithmetic(kind: Precision) -> None:
    one = torch.ones(2, 2)
    with Arithmetic(torch.device("cpu"), kind).autocast():
        product = one @ one
    assert product.dtype is (torch.bfloat16 if kind is Precision.bf16 else torch.float32)
