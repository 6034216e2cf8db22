"""What submitit runs: a job that goes on when its place was taken away and given back."""

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from odvae.experiment.backends.attended import Attend

if TYPE_CHECKING:
    from submitit.core.utils import DelayedSubmission


def requeued(attend: Attend, log: Path) -> Attend:
    """A job for submitit, which goes on when the cluster takes its place away and gives it back.

    Submitit then asks for its checkpoint. That is itself: the same command resumes from what the
    run has on disk.
    """
    on_their_way_s, grace_s = 5.0, 600.0

    class Requeued:  # pickled by value, as what it calls
        def __init__(self) -> None:
            self.is_leaving = False

        def __call__(self) -> int:
            from submitit.core.utils import UncompletedJobError

            signal.signal(signal.SIGTERM, self.leave)
            try:
                code = attend()
                if code in (-signal.SIGUSR1, -signal.SIGUSR2):
                    time.sleep(on_their_way_s)  # sent to all processes of the job: to this one too
            except UncompletedJobError as error:  # out of time once too often
                with log.open("a") as out:
                    out.write(f"odvae: {error}\n")
                return 1
            finally:
                if self.is_leaving:
                    time.sleep(grace_s)  # until killed: Slurm repeats no job that ends by itself
            return code

        def leave(self, *_: object) -> None:
            """Slurm's SIGTERM: scancel, or a preemption without the signal that announces it."""
            self.is_leaving = os.environ["SUBMITIT_EXECUTOR"] == "slurm"
            raise SystemExit(128 + signal.SIGTERM)

        def checkpoint(self) -> "DelayedSubmission":
            from submitit.core.utils import DelayedSubmission

            return DelayedSubmission(self)

    return Requeued()
