"""What a training step costs: the real objective, followed on the meta device without data."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from odvae.anatomy import Clip
from odvae.anatomy.arithmetic import AsOnGpu
from odvae.anatomy.memory import LiveTensors
from odvae.anatomy.parts import empty_clips
from odvae.metrics import Lpips, LpipsBackbone
from odvae.model import ODVAE, Architecture, Initialisation
from odvae.training import thrift, video_recipe
from odvae.training.config import AdversarialConfig, LossConfig, TrainConfig
from odvae.training.discriminator import PatchDiscriminator
from odvae.training.objective import Place
from odvae.training.state import MODEL, TrainingState
from odvae.training.video_recipe import DISCRIMINATOR

_PARTS_FOLLOWED = 2  # of a batch: the second adds to gradients that are there, as all later ones
_ALONE, _ITS_TURN, _MODELS_TURN = 0, 1, 2  # steps, of an adversary that plays from step 1 on


@dataclass(frozen=True, kw_only=True)
class StepSpec:
    """All that the cost of a step depends on, in one process."""

    architecture: Architecture
    clip: Clip
    clips: int  # of this process
    parts: int = 1  # in which they are computed, one after the other
    bf16: bool = False  # autocast, over float32 weights
    checkpoint_activations: bool = False
    free_activations: bool = False
    frozen_encoder: bool = False
    lpips: LpipsBackbone | None = None  # None: the objective is without
    adversarial: bool = False  # whether a discriminator ever plays


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """FLOPs of a process by whose turn it is, two for each multiply-add, and bytes at the worst.

    FLOPs are those of convolutions, attention and linear layers, forward and backward. Bytes are
    weights, EMA, Adam's moments, gradients and the tensors alive; not the workspaces of
    convolutions, nor what an allocator holds back, nor torch itself.
    """

    parameters: int  # of the model
    alone: int  # FLOPs of a step before the discriminator plays
    models_turn: int  # against the discriminator; 0 without one
    discriminators_turn: int
    memory_bytes: int

    def mean_flops(self, steps: int, start_step: int | None) -> float:
        """FLOPs of a step, averaged over a training whose discriminator plays from a step on."""
        start = steps if start_step is None else min(start_step, steps)
        its_turns = steps // 2 - start // 2  # the odd steps from there on
        of_model = steps - start - its_turns
        total = start * self.alone + of_model * self.models_turn
        total += its_turns * self.discriminators_turn
        return total / steps if steps else float(self.alone)


@cache
def step_cost(spec: StepSpec) -> StepCost:
    """Follow one step of each kind; takes seconds for the paper's model, and no memory."""
    state, loss = _training(spec)
    step = _Step(state, loss, spec)
    kept = [*_tensors(state.modules.values()), *_tensors([state.ema.model])]
    kept += _tensors([loss.lpips] if loss.lpips is not None else [])
    with LiveTensors(free_of_charge=kept) as live, torch.enable_grad():
        step.settle()
        numbers = (_ALONE, _ITS_TURN, _MODELS_TURN) if spec.adversarial else (_ALONE,)
        flops = {number: step.flops(number) for number in numbers}
    return StepCost(
        parameters=sum(parameter.numel() for parameter in state.model.parameters()),
        alone=flops[_ALONE],
        models_turn=flops.get(_MODELS_TURN, 0),
        discriminators_turn=flops.get(_ITS_TURN, 0),
        memory_bytes=live.peak_bytes + sum(tensor.nbytes for tensor in kept),
    )


class _Flops(TorchDispatchMode):
    """Counts what ``FlopCounterMode`` counts; its hooks on modules keep tensors alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=out)
        return out


class _WithoutValues(video_recipe.VideoLoss):
    """The objective on the meta device, which has no generators."""

    def _noise(self, like: Tensor, place: Place) -> Tensor:
        return torch.empty_like(like)


def _training(spec: StepSpec) -> tuple[TrainingState, video_recipe.VideoLoss]:
    with torch.device("meta"):
        vae = ODVAE(spec.architecture)
        against = PatchDiscriminator() if spec.adversarial else None
    if spec.frozen_encoder:
        video_recipe.freeze_encoder(vae)
    state = video_recipe.initial_state(vae, TrainConfig(), Initialisation.tail, against=against)
    for module in state.modules.values():
        module.train()
    if spec.checkpoint_activations or spec.free_activations:
        _compute_again_as_on_gpu(vae, bf16=spec.bf16)
    if spec.checkpoint_activations:
        thrift.checkpoint_activations(vae)
    if spec.free_activations:
        thrift.free_activations(vae)
    lpips = Lpips(spec.lpips).to("meta") if spec.lpips is not None else None
    start = _ITS_TURN if spec.adversarial else None
    config = LossConfig(adversarial=AdversarialConfig(start_step=start))
    return state, _WithoutValues(vae, config, lpips, seed=0, discriminator=against)


def _compute_again_as_on_gpu(vae: ODVAE, *, bf16: bool) -> None:
    """A mode around the backward pass does not reach what is computed inside: each stage has one.

    Otherwise attention would be another one the second time.
    """

    def within(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        with AsOnGpu(bf16=bf16):
            return forward(x)

    for stage in [*vae.encoder.stages(), *vae.decoder.stages()]:
        vars(stage)["forward"] = partial(within, stage.forward)


class _Step:
    """A step as the loop makes it, but for what needs values: judging and clipping."""

    def __init__(self, state: TrainingState, loss: video_recipe.VideoLoss, spec: StepSpec) -> None:
        self._state = state
        self._loss = loss
        self._spec = spec

    def settle(self) -> None:
        """Bring the optimisers' moments into being, which the first step makes."""
        for optimisers in self._state.optimisers.values():
            for optimiser in optimisers:
                for parameter in _learnt(optimiser):
                    parameter.grad = torch.zeros_like(parameter)
                optimiser.step()
                optimiser.zero_grad()

    def flops(self, number: int) -> int:
        """Make step ``number``; what gradients it leaves stay until its player's next turn."""
        state, player = self._state, self._loss.turn(number)
        for name, optimisers in state.optimisers.items():
            for optimiser in optimisers:
                for parameter in _learnt(optimiser):
                    parameter.requires_grad_(name == player)
        for optimiser in state.optimisers[player]:
            optimiser.zero_grad()
        flops = self._backward(number, player)
        for optimiser in state.optimisers[player]:
            optimiser.step()
        if player == MODEL:
            state.ema.update(state.model, updates=number)
        return flops

    def _backward(self, number: int, player: str) -> int:
        spec = self._spec
        terms = self._loss.discriminate if player == DISCRIMINATOR else self._loss
        parts = empty_clips(spec.clip, batch=spec.clips).split(spec.clips // spec.parts)
        with AsOnGpu(bf16=spec.bf16), _Flops() as counter:
            for part in islice(parts, _PARTS_FOLLOWED):
                losses = terms(part, Place(number)).terms.values()
                total = torch.stack([term.float() for term in losses]).sum()
                total.backward()
        flops: int = counter.flops
        return flops * spec.parts // min(spec.parts, _PARTS_FOLLOWED)


def _learnt(optimiser: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _tensors(modules: Iterable[nn.Module]) -> list[Tensor]:
    return [x for module in modules for x in (*module.parameters(), *module.buffers())]
