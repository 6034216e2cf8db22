"""All that a training run must remember, in one piece. Randomness is a function of (seed, step)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.optim import Optimizer

from odvae.training.ema import Ema
from odvae.training.safety import Watch

MODEL = "model"  # the player that is trained, averaged and evaluated
MAX_BAD_STEPS = 5


@dataclass(kw_only=True)
class TrainingState:
    """The players (the model, and whoever trains against it), what follows them, and how far."""

    modules: Mapping[str, nn.Module]  # by player
    optimisers: Mapping[str, list[Optimizer]]  # by player
    ema: Ema  # of the model
    watch: Watch = field(default_factory=lambda: Watch(MAX_BAD_STEPS))
    step: int = 0  # steps done, of whichever player

    @property
    def model(self) -> nn.Module:
        """The model itself."""
        return self.modules[MODEL]

    def content(self) -> dict[str, Any]:
        """Everything, as nested dicts of tensors and plain values."""
        return {
            "step": self.step,
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "ema": self.ema.model.state_dict(),
            "optimisers": {
                name: [optimiser.state_dict() for optimiser in optimisers]
                for name, optimisers in self.optimisers.items()
            },
            "watch": self.watch.state_dict(),
        }

    def restore(self, content: dict[str, Any], *, watch: bool = True) -> None:
        """Continue from what ``content`` gave.

        Args:
            content: of a state of the same players.
            watch: whether to remember the bad steps of then; not after a roll-back, which has
                bad steps of its own to remember.
        """
        for name, module in self.modules.items():
            module.load_state_dict(content["modules"][name])
        self.ema.model.load_state_dict(content["ema"])
        for name, optimisers in self.optimisers.items():
            for optimiser, saved in zip(optimisers, content["optimisers"][name], strict=True):
                optimiser.load_state_dict(saved)
        if watch:
            self.watch.load_state_dict(content["watch"])
        self.step = content["step"]
