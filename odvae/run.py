"""The command: compose the configuration, track, dispatch.

python -m odvae.run variant=4 init=tail
python -m odvae.run -m variant=1,2,3,4 init=tail seed=0,1,2
"""

import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from odvae import config_files
from odvae.config import register, resolve
from odvae.config_errors import explain
from odvae.errors import UserError
from odvae.experiment import pipeline
from odvae.experiment.launch import PARENT_RUN_VARIABLE
from odvae.experiment.progress import (
    STATUS_FILE_VARIABLE,
    StatusFile,
    TerminalProgress,
    end_with_parent,
)
from odvae.experiment.sweep import JobsFailed, where
from odvae.experiment.table import summarise
from odvae.tracking import Store

_DEBUG_VARIABLE = "HYDRA_FULL_ERROR"  # Hydra's own: stack traces instead of single lines


@hydra.main(version_base="1.3", config_path=str(config_files.conf()), config_name="run")
def _compose_and_run(composed: DictConfig) -> None:
    config = resolve(composed)
    name = " ".join(HydraConfig.get().overrides.task) or "default"
    status_file = os.environ.get(STATUS_FILE_VARIABLE)
    if status_file is not None:
        status = StatusFile(Path(status_file))
        parent_id = os.environ.get(PARENT_RUN_VARIABLE)
        outcome = pipeline.run(config, name=name, parent_id=parent_id, progress=status)
        status.status.run_id = outcome.run_id
        status.status.already_finished = outcome.already_finished
        status.write()
        return
    console = Console()
    with TerminalProgress(console) as bar:
        outcome = pipeline.run(config, name=name, parent_id=None, progress=bar)
    if outcome.already_finished:
        console.print("Already finished; rerun=true runs it again.", highlight=False)
    output = Path(config.output_dir).expanduser().absolute()
    summarise([Store.open(output).get(outcome.run_id)]).print(console)
    console.print(f"This run: {os.path.relpath(outcome.folder)}", highlight=False)
    where(output, console)


def main() -> int:
    """Run the command line; returns the exit code: 2 for a user's mistake, 1 for failed jobs."""
    end_with_parent()
    register()
    config_files.register_experiments()
    debug = os.environ.get(_DEBUG_VARIABLE, "") not in ("", "0")
    os.environ[_DEBUG_VARIABLE] = "1"  # Hydra then raises, and we say it in one line
    try:
        _compose_and_run()
    except JobsFailed as failed:
        print(f"odvae: {failed}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("odvae: interrupted; the same command resumes", file=sys.stderr)
        return 130
    except (UserError, HydraException, OmegaConfBaseException, OSError) as error:
        if debug:
            raise
        print(f"odvae: {explain(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
