"""All that a training run must remember, saved and loaded together, all or nothing."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from odvae.training.ema import Ema


@dataclass(kw_only=True)
class TrainingState:
    """The model, what follows it, and how far it is. Randomness is a function of (seed, step)."""

    model: nn.Module
    ema: Ema
    optimisers: list[torch.optim.Optimizer]
    step: int = 0  # updates done

    def save(self, path: Path) -> None:
        """Write beside ``path``, then move there: an interrupted write leaves the last one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        torch.save(
            {
                "step": self.step,
                "model": self.model.state_dict(),
                "ema": self.ema.model.state_dict(),
                "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            },
            part,
        )
        os.replace(part, path)

    def load(self, path: Path) -> None:
        """Continue from what ``save`` wrote."""
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.ema.model.load_state_dict(saved["ema"])
        for optimiser, state in zip(self.optimisers, saved["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        self.step = saved["step"]
