"""The processes of a run: started here on one computer, by torchrun or Slurm on several."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from odvae.errors import UserError
from odvae.experiment.progress import PARENT_PID_VARIABLE
from odvae.training.config import TrainerConfig
from odvae.training.precision import resolve
from odvae.training.team import Alone, FabricTeam, Team

_TORCHRUN_VARIABLE = "TORCHELASTIC_RUN_ID"


@contextmanager
def crew(config: TrainerConfig) -> Iterator[Team]:
    """The team of a run, in each of its processes.

    The process that a user starts becomes process 0, which starts the others by its own command;
    where torchrun or Slurm has started all of them, none is started.

    Raises:
        UserError: as many as torchrun or Slurm has started are not the configured number.
    """
    if config.processes == 1:
        yield Alone()
        return
    outside = _started_outside()
    if outside is None and config.nodes > 1:
        raise UserError(
            f"trainer.nodes={config.nodes}: a run on several nodes is started by torchrun or srun "
            "(docs/scaling.md says how)"
        )
    if outside is not None and outside != config.processes:
        raise UserError(
            f"{outside} processes were started, but trainer.devices={config.devices} x "
            f"trainer.nodes={config.nodes} = {config.processes}"
        )
    others = _start_others(config.devices) if outside is None else []
    try:
        device = resolve(config.device, config.precision).device
        team = FabricTeam(config, device)
        yield team
        if team.rank == 0:
            team.share(None)  # nothing more to do
        team.close()
    except BaseException:
        for process in others:
            process.kill()  # they may wait for this one, and keep nothing
        raise
    finally:
        for process in others:
            process.wait()


def _started_outside() -> int | None:
    """How many processes torchrun or Slurm has started; None if neither has."""
    if _TORCHRUN_VARIABLE in os.environ:
        return int(os.environ["WORLD_SIZE"])
    in_slurm_step = "SLURM_PROCID" in os.environ and "SLURM_STEP_ID" in os.environ
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) if in_slurm_step else 1
    return tasks if tasks > 1 else None


def _start_others(processes: int) -> list["subprocess.Popen[bytes]"]:
    """Start this command again for processes 1, 2, ...; this one becomes process 0.

    They are told about each other in torchrun's way.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {
        _TORCHRUN_VARIABLE: "odvae",
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": str(max(1, torch.get_num_threads() // processes)),
        PARENT_PID_VARIABLE: str(os.getpid()),
    }
    others = []
    for rank in range(1, processes):
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        command = [sys.executable, "-m", "odvae.run", *sys.argv[1:]]
        others.append(subprocess.Popen(command, env=os.environ | common | place))
    os.environ.update(common | {"RANK": "0", "LOCAL_RANK": "0"})
    torch.set_num_threads(int(common["OMP_NUM_THREADS"]))
    return others
