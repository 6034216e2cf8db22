"""One of the processes of tests/training/test_team.py: python -m tests.training.teammate."""

import sys
from pathlib import Path

import torch

from odvae.training.checkpoints import Checkpoints
from odvae.training.config import TrainerConfig
from odvae.training.loop import train
from odvae.training.team import FabricTeam
from tests.training.tiny import CPU, loop, tiny_training


def main(folder: Path, *, steps: int, adversary_from: int) -> None:
    """Train as process RANK; process 0 keeps what came out."""
    torch.set_default_dtype(torch.float64)
    team = FabricTeam(TrainerConfig(devices=2), torch.device("cpu"))
    # Only process 0 has the right seed: the others have to take over its state.
    state, objective = tiny_training(
        folder, steps=steps, adversary_from=adversary_from, batch=4, team=team
    )
    if team.rank > 0:
        with torch.no_grad():
            for parameter in state.model.parameters():
                parameter.zero_()
    train(
        state,
        objective,
        loop(steps),
        arithmetic=CPU,
        checkpoints=Checkpoints(folder / "team") if team.rank == 0 else None,
        report=lambda step, numbers: None,
        team=team,
    )
    torch.save(state.content(), folder / f"process{team.rank}.pt")
    team.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), steps=int(sys.argv[2]), adversary_from=int(sys.argv[3]))
