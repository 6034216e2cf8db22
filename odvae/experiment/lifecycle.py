"""The life of a run in the store: begun, continued after an interruption, or found finished."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from odvae.config import RunConfig
from odvae.experiment.progress import Progress
from odvae.tracking import RunLog, Status, Store

Work = Callable[[RunLog, Path], None]  # given where to log and the run's folder


@dataclass(frozen=True)
class Identity:
    """What tells a run from others, and what it is called by."""

    key: str  # a hash of all that determines its result
    tags: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """Where a run's results are."""

    run_id: str
    folder: Path
    already_finished: bool


def run_once(
    identity: Identity,
    work: Work,
    *,
    config: RunConfig,
    name: str,
    parent_id: str | None,
    progress: Progress,
) -> Outcome:
    """Do the work of a run, unless a run of the same identity is finished.

    Args:
        config: says where results go, and whether a finished run is run again.
        name: how the run is called in the store.
        parent_id: the sweep's run in the store.

    Raises:
        Exception: what ``work`` raises; the run is then marked as failed, with the reason.
    """
    store = Store.open(config.output)
    folder = config.output / "runs" / identity.key[:12]
    folder.mkdir(parents=True, exist_ok=True)
    progress.stage("waiting for the same run elsewhere", 1)
    # What a sweep's runs do not get to a server, the sweep itself tells of.
    tell = progress.note if parent_id is None else _silent
    # The same run started twice: the second waits, then finds it.
    with store.mirrored(tell), FileLock(folder / "lock"):
        found = store.find({"odvae.key": identity.key})
        if found and parent_id is not None:
            store.adopt(found[0].run_id, parent_id=parent_id)
        if found and found[0].status == Status.FINISHED.value and not config.rerun:
            return Outcome(found[0].run_id, folder, already_finished=True)
        tags = {"odvae.key": identity.key, "odvae.kind": "run", **identity.tags}
        if found and not config.rerun:
            log = store.resume(found[0].run_id)
            log.tags(tags | {"error": ""})
        else:
            (folder / "elapsed_s").unlink(missing_ok=True)
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
            log = store.create(name, tags=tags, parent_id=parent_id)
        progress.began(log.run_id)
        _work_to_the_end(work, log, folder)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return Outcome(log.run_id, folder, already_finished=False)


def _silent(_line: str) -> None:
    """Say nothing."""


def _work_to_the_end(work: Work, log: RunLog, folder: Path) -> None:
    """However the work ends, its run in the store says so."""
    status = Status.FAILED
    try:
        work(log, folder)
        status = Status.FINISHED
    except KeyboardInterrupt:
        status = Status.KILLED
        raise
    except Exception as error:
        log.tags({"error": f"{type(error).__name__}: {error}"})
        raise
    finally:
        log.finish(status)
