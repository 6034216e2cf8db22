"""What a run is: its subject, its identity and its work."""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from odvae.config import RunConfig, Task
from odvae.errors import UserError
from odvae.experiment import benchmark_run, encode_run
from odvae.experiment.context import Context
from odvae.experiment.generation_clips import check_clips
from odvae.experiment.heldout import HeldOut
from odvae.experiment.job import Job
from odvae.experiment.lifecycle import Identity, Outcome, run_once
from odvae.experiment.progress import Progress
from odvae.experiment.subject import (
    Subject,
    Trained,
    check_weights,
    find_subject,
    like_checkpoint,
)
from odvae.model import ODVAE, Initialisation
from odvae.paper import paper_rows
from odvae.revision import git_commit
from odvae.tracking import RunLog
from odvae.training import video_recipe
from odvae.training.image_source import check_fits, fingerprint
from odvae.training.precision import Arithmetic, resolve
from odvae.training.team import Alone, Team
from odvae.vaes.methods import OWN, Method


def check(configs: Sequence[RunConfig]) -> None:
    """Find out, without computing, whether jobs can run. Raises UserError if one cannot."""
    opened: list[tuple[object, HeldOut]] = []
    for given in configs:
        config = like_checkpoint(given)
        if config.task is Task.benchmark:
            benchmark_run.check(config)
            continue
        if config.task is Task.encode:
            encode_run.check(config)
            continue
        _check_start(config)
        check_weights(config)
        resolve(config.trainer.device, config.trainer.precision)
        clips = (config.data, config.evaluation_data, config.metrics.protocol.rules)
        known = [heldout for of, heldout in opened if of == clips]
        heldout = known[0] if known else HeldOut.open(config, batch=1)
        if not known:
            opened.append((clips, heldout))
        if config.task is Task.generate:
            check_clips(config, heldout.source)


def run(
    config: RunConfig,
    *,
    name: str,
    parent_id: str | None,
    progress: Progress,
    team: Team | None = None,
) -> Outcome:
    """Run a configuration, or continue or find the run of the same one.

    Args:
        name: how the run is called in the store: its overrides.
        parent_id: the sweep's run in the store.
        team: the processes that train; this one is process 0. None: it is alone.

    Raises:
        UserError: something the user can mend; the run is then marked as failed.
    """
    team = team or Alone()
    config = like_checkpoint(config)
    if config.task is Task.benchmark:
        return benchmark_run.run(config, name=name, parent_id=parent_id, progress=progress)
    if config.task is Task.encode:
        return encode_run.run(config, name=name, parent_id=parent_id, progress=progress)
    _check_start(config)
    arithmetic = resolve(config.trainer.device, config.trainer.precision)
    heldout = HeldOut.open(config, batch=config.train.batch)
    if config.task is Task.generate:
        check_clips(config, heldout.source)
    subject = None
    if config.task is not Task.train and config.model.name.row.to_be_had:
        train = partial(_train_first, name=name, parent_id=parent_id, progress=progress, team=team)
        subject = find_subject(
            config, heldout, arithmetic=arithmetic, progress=progress, train=train
        )
    lpips_loss = video_recipe.lpips_at_hand(config.losses)
    tags = {
        "precision": arithmetic.precision.value,
        "device": arithmetic.device.type,
        "lpips_loss": config.losses.lpips_backbone.value if lpips_loss else "none",
        **_tags(config, subject),
    }
    key = _key(config, heldout, subject, arithmetic=arithmetic, lpips_loss=lpips_loss)

    def work(log: RunLog, folder: Path) -> None:
        context = Context(config, heldout, arithmetic, folder, log, progress, team)
        if config.model.name.row.to_be_had:
            Job(context, subject=subject, lpips_loss=lpips_loss).execute(name)
        else:
            _log_papers_numbers(config.model.name, log)

    return run_once(
        Identity(key, tags),
        work,
        config=config,
        name=name,
        parent_id=parent_id,
        progress=progress,
    )


def _train_first(
    config: RunConfig, *, name: str, parent_id: str | None, progress: Progress, team: Team
) -> Trained:
    """The VAE that a training run makes, or has made."""
    outcome = run(
        config, name=f"{name} (training)", parent_id=parent_id, progress=progress, team=team
    )
    return Trained(outcome.folder / "vae", now=not outcome.already_finished)


def _log_papers_numbers(method: Method, log: RunLog) -> None:
    """All there is to tell of a method whose code or weights cannot be had."""
    log.tags({"weights": "none: only the paper's numbers"})
    for row in paper_rows(table=1):
        if row.method == method.row.paper_name:
            dataset = row.dataset.replace(" ", "_") or "model"
            log.metrics({f"paper/{dataset}/{row.metric}": row.value}, step=0)


def _check_start(config: RunConfig) -> None:
    """Check that what a run starts from fits and is to be had."""
    makes_own = config.model.name.is_trainable and config.weights_source is None
    if not makes_own or config.init.how is Initialisation.random:
        return
    try:
        check_fits(config.image_vae, config.architecture())
        fingerprint(config.image_vae, config.model.width)
    except UserError as error:
        if config.task is not Task.train:
            raise UserError(
                f"model={config.model.name.value}: {error}; or name {config.weights_field}=PATH"
            ) from error
        raise


def _key(
    config: RunConfig,
    heldout: HeldOut,
    subject: Subject | None,
    *,
    arithmetic: Arithmetic,
    lpips_loss: bool,
) -> str:
    """What determines the result: configuration, clips, weights it starts from, arithmetic."""
    if subject is not None:
        weights = subject.digest
    elif config.init.how is Initialisation.random:
        weights = ""
    else:
        weights = fingerprint(config.image_vae, config.model.width)
    parts = [config.digest(), heldout.fingerprint(), weights, f"{arithmetic}", f"{lpips_loss}"]
    identity = " ".join(parts)
    return hashlib.sha256(identity.encode()).hexdigest()


def _tags(config: RunConfig, subject: Subject | None) -> dict[str, str]:
    return {
        "model": config.model.name.value,
        **_model_tags(config, subject),
        "tiling": config.tiling.mode.value,
        "preset": config.preset,
        "task": config.task.value,
        "data": config.data.source.value,
        "protocol.name": config.protocol.name,
        "setting": config.setting(),
        "git_commit": git_commit() or "none",
    }


def _trains_own(config: RunConfig) -> bool:
    """Whether the weights are those that the configuration's training makes."""
    of_ours = config.model.name is Method.odvae and config.checkpoint is None
    return config.task is Task.train or (config.task is Task.generate and of_ours)


def _model_tags(config: RunConfig, subject: Subject | None) -> dict[str, str]:
    """What the model is; empty where a method has no such thing."""
    is_own = subject is None or isinstance(subject.vae, ODVAE)
    architecture = config.architecture()
    if subject is not None and isinstance(subject.vae, ODVAE):
        architecture = subject.vae.architecture
    measured = config.model.name.row.to_be_had
    image = config.image_vae.resolved(config.model.width).value
    start = config.init.how.value if _trains_own(config) else "checkpoint"
    return {
        "variant": str(architecture.variant) if config.model.name is Method.odvae else "",
        "operators": architecture.operators.value if measured and is_own else "",
        "init": start if measured else "",
        "seed": str(config.seed) if measured else "",
        "image_vae": image if measured and is_own else "",
        **({"weights": OWN} if subject is None else subject.tags),
    }
