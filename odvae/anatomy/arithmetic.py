"""On the meta device, the tensors that a run on a GPU makes: autocast's types, fused attention."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

# What torch.autocast computes in lower precision, of what the model consists of; and what it
# computes in float32 all the same.
_LOWER = {torch.conv2d, torch.conv3d, F.conv2d, F.conv3d}
_FLOAT32 = {F.group_norm, F.interpolate, F.normalize}


class AsOnGpu(TorchFunctionMode):
    """Inside, calls return tensors of the type and number that CUDA would make.

    Autocast does nothing on the meta device, and attention would hold all its weights there,
    which the fused kernels of CPU and GPU never do.
    """

    def __init__(self, *, bf16: bool) -> None:
        super().__init__()
        self.bf16 = bf16

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return _fused_attention(*(self._lowered(x) for x in args))
        if self.bf16 and func in _LOWER:
            args = [self._lowered(x) for x in args]
        elif self.bf16 and func in _FLOAT32:
            args = [_cast(x, torch.float32) for x in args]
        return func(*args, **kwargs)

    def _lowered(self, x: Any) -> Any:
        return _cast(x, torch.bfloat16) if self.bf16 else x


def _cast(x: Any, dtype: torch.dtype) -> Any:
    return x.to(dtype) if isinstance(x, Tensor) else x


def _fused_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    out: Tensor = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)[0]
    return out
