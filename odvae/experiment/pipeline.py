"""A run and its identity: started, continued after an interruption, or found finished."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from odvae.config import RunConfig
from odvae.experiment.heldout import HeldOut
from odvae.experiment.job import Job
from odvae.experiment.progress import Progress
from odvae.revision import git_commit
from odvae.tracking import Status, Store
from odvae.training.precision import resolve


@dataclass(frozen=True)
class Outcome:
    """Where a run's results are."""

    run_id: str
    folder: Path
    already_finished: bool


def run(config: RunConfig, *, name: str, parent_id: str | None, progress: Progress) -> Outcome:
    """Run a configuration, or continue or find the run of the same one.

    Args:
        name: how the run is called in the store: its overrides.
        parent_id: the sweep's run in the store.

    Raises:
        UserError: something the user can mend; the run is then marked as failed.
    """
    output = Path(config.output_dir).expanduser().absolute()
    store = Store.open(output)
    arithmetic = resolve(config.train.device, config.train.precision)
    heldout = HeldOut.open(config.data, batch=config.train.batch)
    key = _key(config, heldout)
    folder = output / "runs" / key[:12]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):  # the same run started twice: the second waits, then finds it
        found = store.find({"odvae.key": key})
        if found and found[0].status == Status.FINISHED.value and not config.rerun:
            return Outcome(found[0].run_id, folder, already_finished=True)
        tags = {"odvae.key": key, **_tags(config, heldout)}
        if found and not config.rerun:
            log = store.resume(found[0].run_id)
        else:
            (folder / "state.pt").unlink(missing_ok=True)
            log = store.create(name, tags=tags, parent_id=parent_id)
        job = Job(config, heldout, arithmetic, folder, log, progress)
        status = Status.FAILED
        try:
            job.execute(name)
            status = Status.FINISHED
        except KeyboardInterrupt:
            status = Status.KILLED
            raise
        except Exception as error:
            log.tags({"error": f"{type(error).__name__}: {error}"})
            raise
        finally:
            log.finish(status)
        (folder / "state.pt").unlink(missing_ok=True)
    return Outcome(log.run_id, folder, already_finished=False)


def _key(config: RunConfig, heldout: HeldOut) -> str:
    """What determines the result: the configuration, and the clips it is about."""
    return hashlib.sha256(f"{config.digest()} {heldout.fingerprint()}".encode()).hexdigest()


def _tags(config: RunConfig, heldout: HeldOut) -> dict[str, str]:
    return {
        "odvae.kind": "run",
        "variant": str(config.variant),
        "init": config.init.how.value,
        "operators": config.operators.value,
        "tiling": config.tiling.mode.value,
        "preset": config.preset,
        "task": config.task.value,
        "data": config.data.source.value,
        "image_vae": config.image_vae.source.value,
        "seed": str(config.seed),
        "protocol": heldout.manifest.digest[:8],
        "git_commit": git_commit() or "none",
    }
