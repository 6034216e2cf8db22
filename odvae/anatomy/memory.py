"""How much memory a model takes: the tensors alive at the worst moment, followed without data."""

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from odvae.anatomy.arithmetic import AsOnGpu
from odvae.anatomy.parts import Clip, empty_clips, empty_latents
from odvae.model import ODVAE, Posterior

_FLOAT32_BYTES = 4
_KEPT_IN_TRAINING = 4  # weights, Adam's two moments and the EMA; gradients come with the backward


def _group_norm(
    x: Tensor, weight: Tensor, bias: Tensor, *sizes: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """The normalised x, and the mean and deviation of each group."""
    n, _, _, groups, _ = sizes
    return torch.empty_like(x), x.new_empty(n, groups), x.new_empty(n, groups)


def _group_norm_backward(
    grad: Tensor, x: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor, *sizes: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, weight and bias."""
    return torch.empty_like(x), torch.empty_like(weight), torch.empty_like(weight)


# On the meta device torch writes norms out in Python, which would take most of the time.
_QUICK: dict[object, Callable[..., Any]] = {
    torch.ops.aten.native_group_norm.default: _group_norm,
    torch.ops.aten.native_group_norm_backward.default: _group_norm_backward,
}


class LiveTensors(TorchDispatchMode):
    """Counts the bytes of storages that operators made inside and that are still alive.

    Views share a storage and count once. What an operator needs inside itself is not seen:
    workspaces, copies into another layout.
    """

    def __init__(self, *, free_of_charge: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0
        self.peak_bytes = 0
        self._sizes = {_key(tensor): 0 for tensor in free_of_charge}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        quick = _QUICK.get(func, func)
        out = quick(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._see(leaf)
        return out

    def _see(self, tensor: Tensor) -> None:
        key, storage = _key(tensor), tensor.untyped_storage()
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self.bytes += storage.nbytes()
        self.peak_bytes = max(self.peak_bytes, self.bytes)
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.bytes -= self._sizes.pop(key)


@dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """Bytes at the worst moment, weights and input included; inference is of one clip."""

    precision: str  # fp32, or bf16: autocast over float32 weights
    weights: int
    encode: int
    decode: int
    train: dict[int, int]  # clips in a batch: a step with Adam and EMA, of L1 and KL alone


def estimate(vae: ODVAE, clip: Clip, *, bf16: bool, batches: Iterable[int]) -> MemoryEstimate:
    """Follow a clip through a model on the meta device, and batches through a training step."""
    weights = _FLOAT32_BYTES * sum(p.numel() for p in vae.parameters())
    with AsOnGpu(bf16=bf16):
        with torch.no_grad():
            encode = _peak(vae, lambda: vae.encode(empty_clips(clip, batch=1)))
            decode = _peak(vae, lambda: vae.decode(empty_latents(vae, clip)))
        train = {batch: _peak(vae, partial(_train, vae, clip, batch)) for batch in batches}
    return MemoryEstimate(
        precision="bf16" if bf16 else "fp32",
        weights=weights,
        encode=weights + encode,
        decode=weights + decode,
        train={batch: _KEPT_IN_TRAINING * weights + peak for batch, peak in train.items()},
    )


def _peak(vae: ODVAE, act: Callable[[], object]) -> int:
    with LiveTensors(free_of_charge=vae.parameters()) as live:
        act()
    peak: int = live.peak_bytes
    return peak


@torch.enable_grad()  # whoever asks
def _train(vae: ODVAE, clip: Clip, batch: int) -> None:
    video = empty_clips(clip, batch=batch)
    posterior = vae.encode(video)
    assert isinstance(posterior, Posterior)
    error = vae.decode(posterior.sample()).float() - video
    (error.abs().sum() + posterior.kl().sum()).backward()
    for parameter in vae.parameters():
        parameter.grad = None


def _key(tensor: Tensor) -> int:
    address: int = tensor.untyped_storage()._cdata
    return address
