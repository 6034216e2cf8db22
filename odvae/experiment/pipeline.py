"""A run and its identity: started, continued after an interruption, or found finished."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from odvae.config import RunConfig, Task
from odvae.errors import UserError
from odvae.experiment.heldout import HeldOut
from odvae.experiment.job import Job
from odvae.experiment.progress import Progress
from odvae.model import ODVAE, Initialisation, load
from odvae.revision import git_commit
from odvae.tracking import Status, Store
from odvae.training import video_recipe
from odvae.training.image_source import check_fits, fingerprint, weights_sha256
from odvae.training.precision import Arithmetic, resolve


@dataclass(frozen=True)
class Outcome:
    """Where a run's results are."""

    run_id: str
    folder: Path
    already_finished: bool


def check(configs: Sequence[RunConfig]) -> None:
    """Find out, without computing, whether jobs can run. Raises UserError if one cannot."""
    checked = []
    for config in configs:
        _checkpoint(config)
        resolve(config.train.device, config.train.precision)
        if config.data not in checked:
            HeldOut.open(config.data, batch=1)
            checked.append(config.data)


def run(config: RunConfig, *, name: str, parent_id: str | None, progress: Progress) -> Outcome:
    """Run a configuration, or continue or find the run of the same one.

    Args:
        name: how the run is called in the store: its overrides.
        parent_id: the sweep's run in the store.

    Raises:
        UserError: something the user can mend; the run is then marked as failed.
    """
    checkpoint = _checkpoint(config)
    arithmetic = resolve(config.train.device, config.train.precision)
    heldout = HeldOut.open(config.data, batch=config.train.batch)
    lpips_loss = video_recipe.lpips_at_hand(config.losses)
    key = _key(config, heldout, checkpoint, arithmetic=arithmetic, lpips_loss=lpips_loss)
    output = Path(config.output_dir).expanduser().absolute()
    store = Store.open(output)
    folder = output / "runs" / key[:12]
    folder.mkdir(parents=True, exist_ok=True)
    progress.stage("waiting for the same run elsewhere", 1)
    with FileLock(folder / "lock"):  # the same run started twice: the second waits, then finds it
        found = store.find({"odvae.key": key})
        if found and parent_id is not None:
            store.adopt(found[0].run_id, parent_id=parent_id)
        if found and found[0].status == Status.FINISHED.value and not config.rerun:
            return Outcome(found[0].run_id, folder, already_finished=True)
        tags = {
            "odvae.key": key,
            "precision": arithmetic.precision.value,
            "device": arithmetic.device.type,
            "lpips_loss": config.losses.lpips_backbone.value if lpips_loss else "none",
            **_tags(config, heldout, checkpoint),
        }
        if found and not config.rerun:
            log = store.resume(found[0].run_id)
            log.tags(tags | {"error": ""})
        else:
            for leftover in ("state.pt", "elapsed_s"):
                (folder / leftover).unlink(missing_ok=True)
            log = store.create(name, tags=tags, parent_id=parent_id)
        progress.began(log.run_id)
        job = Job(
            config,
            heldout,
            arithmetic=arithmetic,
            folder=folder,
            log=log,
            progress=progress,
            checkpoint=checkpoint,
            lpips_loss=lpips_loss,
        )
        _execute(job, name)
        (folder / "state.pt").unlink(missing_ok=True)
    return Outcome(log.run_id, folder, already_finished=False)


def _execute(job: Job, name: str) -> None:
    """However the job ends, its run in the store says so."""
    status = Status.FAILED
    try:
        job.execute(name)
        status = Status.FINISHED
    except KeyboardInterrupt:
        status = Status.KILLED
        raise
    except Exception as error:
        job.log.tags({"error": f"{type(error).__name__}: {error}"})
        raise
    finally:
        job.log.finish(status)


def _checkpoint(config: RunConfig) -> ODVAE | None:
    """The model that is to be evaluated; for training None, once its image VAE is seen to fit."""
    if config.task is Task.evaluate:
        assert config.checkpoint is not None, "checked with the configuration"
        try:
            return load(Path(config.checkpoint).expanduser())
        except UserError as error:
            raise UserError(f"checkpoint: {error}") from error
    if config.init.how is not Initialisation.random:
        check_fits(config.image_vae, config.architecture())
    return None


def _key(
    config: RunConfig,
    heldout: HeldOut,
    checkpoint: ODVAE | None,
    *,
    arithmetic: Arithmetic,
    lpips_loss: bool,
) -> str:
    """What determines the result: configuration, clips, weights it starts from, arithmetic."""
    if checkpoint is not None:
        weights = weights_sha256(checkpoint)
    elif config.init.how is Initialisation.random:
        weights = ""
    else:
        weights = fingerprint(config.image_vae, config.model.width)
    parts = [config.digest(), heldout.fingerprint(), weights, f"{arithmetic}", f"{lpips_loss}"]
    identity = " ".join(parts)
    return hashlib.sha256(identity.encode()).hexdigest()


def _tags(config: RunConfig, heldout: HeldOut, checkpoint: ODVAE | None) -> dict[str, str]:
    architecture = config.architecture() if checkpoint is None else checkpoint.architecture
    return {
        "odvae.kind": "run",
        "variant": str(architecture.variant),
        "init": config.init.how.value if checkpoint is None else "checkpoint",
        "operators": architecture.operators.value,
        "tiling": config.tiling.mode.value,
        "preset": config.preset,
        "task": config.task.value,
        "data": config.data.source.value,
        "image_vae": config.image_vae.resolved(config.model.width).value,
        "seed": str(config.seed),
        "protocol": heldout.manifest.digest[:8],
        "setting": config.setting(),
        "git_commit": git_commit() or "none",
    }
