"""The table of all that is looked at. A new check is a row."""

import os
from collections.abc import Callable, Iterator

from odvae.config import RunConfig
from odvae.experiment.diagnosis.cpu import look_at_cpu
from odvae.experiment.diagnosis.finding import Finding, problem
from odvae.experiment.diagnosis.gpu import look_at_gpu
from odvae.experiment.diagnosis.known_bad import look_at_known_bad
from odvae.experiment.diagnosis.memory import look_at_memory
from odvae.experiment.diagnosis.model_weights import look_at_metrics, look_at_model
from odvae.experiment.diagnosis.packages import (
    look_at_packages,
    look_at_python,
    look_at_torchvision,
)
from odvae.experiment.diagnosis.places import look_at_places
from odvae.experiment.diagnosis.run_cost import look_at_run
from odvae.experiment.diagnosis.speeds import look_at_convolutions, look_at_disk
from odvae.experiment.diagnosis.store import look_at_server, look_at_store
from odvae.experiment.diagnosis.videos import look_at_videos

Check = Callable[[RunConfig], Iterator[Finding]]
"""Looks at one thing, as far as the run needs it; it downloads and leaves nothing."""

CHECKS: dict[str, Check] = {
    "python": look_at_python,
    "packages": look_at_packages,
    "torchvision": look_at_torchvision,
    "known bad": look_at_known_bad,
    "gpu": look_at_gpu,
    "cpu": look_at_cpu,
    "memory": look_at_memory,
    "output_dir": look_at_places,
    "store": look_at_store,
    "server": look_at_server,
    "model": look_at_model,
    "metrics": look_at_metrics,
    "data": look_at_videos,
    "speed": look_at_convolutions,
    "disk": look_at_disk,
    "run": look_at_run,
}


def examine(config: RunConfig, checks: dict[str, Check] = CHECKS) -> Iterator[Finding]:
    """Look at everything; a check that fails is a finding itself."""
    for subject, look in checks.items():
        try:
            yield from look(config)
        except Exception as error:  # what is broken on this computer may break any check
            if os.environ.get("ODVAE_DEBUG", "") not in ("", "0"):
                raise
            said = " ".join(str(error).split())
            yield problem(
                subject,
                f"cannot be looked at: {type(error).__name__}: {said}",
                "export ODVAE_DEBUG=1 shows where it fails",
            )
