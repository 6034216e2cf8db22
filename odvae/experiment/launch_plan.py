"""How the jobs of a sweep are started: the launcher that was chosen, and its fields."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum

from odvae.errors import UserError


class Launcher(Enum):
    """What starts jobs; chosen by ``hydra/launcher=``."""

    local = "local"  # side by side on this computer
    basic = "basic"  # here, one after the other
    joblib = "joblib"  # here, through joblib's processes
    submitit_local = "submitit_local"  # here, as submitit would on a cluster
    submitit_slurm = "submitit_slurm"  # through Slurm
    ray = "ray"  # as tasks of a Ray cluster

    @classmethod
    def _missing_(cls, value: object) -> "Launcher":
        allowed = ", ".join(launcher.value for launcher in cls)
        raise UserError(f"hydra/launcher must be one of {allowed}, got {value}")


@dataclass(frozen=True, kw_only=True)
class LaunchPlan:
    """A launcher and the fields of ``hydra.launcher``. Raises UserError for one out of range."""

    launcher: Launcher = Launcher.local
    parallel: int | None = None  # jobs at a time; None: as many as there is room for
    address: str | None = None  # of a Ray cluster; None: the one RAY_ADDRESS names, or one here
    partition: str | None = None  # this and the next three: of Slurm
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gpus_per_node: int | None = None  # None: as many as the jobs' trainer.devices
    cpus_per_task: int = 8  # here and below: of a cluster
    mem_gb: int | None = None
    timeout_min: int = 720
    signal_delay_s: int = 90  # from the warning to the end
    max_requeues: int = 10  # of a job whose time is up, or with Ray whose node died

    def __post_init__(self) -> None:
        least = {"parallel": 1, "cpus_per_task": 1, "mem_gb": 1, "timeout_min": 1}
        least |= {"gpus_per_node": 0, "signal_delay_s": 1, "max_requeues": 0}
        for name, lowest in least.items():
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise UserError(f"hydra.launcher.{name} must be at least {lowest}, got {value}")

    @classmethod
    def of(cls, launcher: str, given: Mapping[str, object]) -> "LaunchPlan":
        """The plan of a launcher's name and its section of the configuration.

        Raises:
            UserError: there is no such launcher, or a field is out of range.
        """
        names = {field.name for field in fields(cls)}
        values = {name: value for name, value in given.items() if name in names}
        return cls(launcher=Launcher(launcher), **values)  # type: ignore[arg-type]  # Hydra checked
