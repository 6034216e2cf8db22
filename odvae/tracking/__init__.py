"""What experiments record and how it is read back: the only part that imports MLflow.

Runs go to an sqlite database in the output folder, and from there, in the background, to the server
that ``MLFLOW_TRACKING_URI`` names: it may be away at any time, and gets everything once. MLflow is
imported on first use, since that takes seconds; its fluent, process-wide interface is never used,
so several runs in one process cannot write into each other.
"""

from odvae.tracking.connection import EXPERIMENT
from odvae.tracking.logged import LoggedRun, Status
from odvae.tracking.run_log import RunLog
from odvae.tracking.store import Store

__all__ = ["EXPERIMENT", "LoggedRun", "RunLog", "Status", "Store"]
