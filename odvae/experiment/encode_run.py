"""``task=encode``: the clips that train, through a VAE into a cache of latents; logged."""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from odvae.config import RunConfig
from odvae.data import (
    DatasetSummary,
    DataSource,
    Skipped,
    Source,
    VideoRange,
    dataset_summary,
    open_source,
)
from odvae.errors import UserError
from odvae.experiment import artifacts
from odvae.experiment.lifecycle import Identity, Outcome, run_once
from odvae.experiment.progress import Progress
from odvae.experiment.subject import Subject, load_subject
from odvae.generation.latent_cache import LatentCache
from odvae.generation.latent_encoder import LatentEncoder
from odvae.generation.latent_filling import LatentFilling
from odvae.generation.latent_plan import LatentPlan
from odvae.generation.windows import ClipWindows
from odvae.model import ODVAE
from odvae.revision import git_commit
from odvae.tracking import RunLog, Status, Store
from odvae.training.precision import Arithmetic, resolve
from odvae.vaes.methods import Method

_OWNER = "owner"  # the lock of the process that logs
_NAMED_SKIPPED = 5


def check(config: RunConfig) -> None:
    """Find out, without encoding, whether latents can be made. Raises UserError if not."""
    resolve(config.trainer.device, config.trainer.precision)
    _loaded(config)
    _source(config)


def run(config: RunConfig, *, name: str, parent_id: str | None, progress: Progress) -> Outcome:
    """Encode what is missing in the cache; a second process helps the first one.

    Arguments are those of ``pipeline.run``.

    Raises:
        UserError: clips that cannot be had or encoded; the run is then marked as failed.
    """
    arithmetic = resolve(config.trainer.device, config.trainer.precision)
    source = _source(config)
    _tell_skipped(source.skipped, progress)
    job = EncodingJob(config, _loaded(config), source.train, arithmetic, progress)
    summary = dataset_summary(source, config.data)

    def work(log: RunLog, _folder: Path) -> None:
        _log_setup(job, summary, log)
        began_s = time.monotonic()
        encoded = job.fill()
        _log_result(job.cache(), log, encoded=encoded, seconds=time.monotonic() - began_s)

    identity = _identity(job)
    with job.filling.claimed(_OWNER) as is_owner:
        if not is_owner:  # another process has the run: done once both have nothing left to do
            job.fill()
        elif job.lacks_something() and _is_finished(config, identity):  # the cache was taken away
            config = replace(config, rerun=True)
        outcome = run_once(
            identity, work, config=config, name=name, parent_id=parent_id, progress=progress
        )
    progress.note(job.told())
    return outcome


class EncodingJob:
    """Some videos on their way into a cache: of ``task=encode``, or of whoever needs latents.

    Raises:
        UserError: no clip can be cut, or the VAE would cut its sides.
    """

    def __init__(
        self,
        config: RunConfig,
        subject: Subject,
        videos: Sequence[VideoRange],
        arithmetic: Arithmetic,
        progress: Progress,
    ) -> None:
        self.config, self.subject = config, subject
        self.arithmetic, self._progress = arithmetic, progress
        progress.stage("clips", 1)
        windows = ClipWindows.of(videos, config.data, clips=config.latents.clips)
        self.plan = LatentPlan(
            windows=windows,
            vae_digest=subject.digest,
            tiling=config.tiling.build(),
            precision=arithmetic.precision,
            clips_per_shard=config.latents.clips_per_shard,
        )
        self._encoder = LatentEncoder(
            vae=subject.vae,
            windows=windows,
            tiling=self.plan.tiling,
            arithmetic=arithmetic,
            batch=config.latents.batch,
        )
        self.filling = LatentFilling(self.plan, self.plan.folder(config.cache / "latents"))
        self._encoded = 0

    def lacks_something(self) -> bool:
        """Whether there is a shard to encode."""
        self._progress.stage("shards that are there", 1)
        return bool(self.filling.missing())

    def fill(self) -> int:
        """Encode what is missing; returns how many clips that were.

        Raises:
            UserError: a clip cannot be read or encoded, or a shard cannot be written.
        """
        if self.lacks_something():
            self.subject.module.to(self.arithmetic.device)
        self._progress.stage("encoding clips", len(self.plan.windows))
        encoded = self.filling.fill(
            self._encoder.encode, own=self.subject.vae.latent_scaling, done=self._progress.done
        )
        self._encoded += encoded
        return encoded

    def cache(self) -> LatentCache:
        """What there is now. Raises UserError if it is not whole."""
        return LatentCache.open(self.filling.folder)

    def told(self) -> str:
        """What was done, in a line."""
        total = len(self.plan.windows)
        others = "the others were there" if self._encoded else "all were there already"
        rest = "" if self._encoded == total else f", {others}"
        return (
            f"encoded {self._encoded or 'none'} of {total} clips{rest}: "
            f"{os.path.relpath(self.filling.folder)}"
        )


def _source(config: RunConfig) -> Source:
    if config.data.source is DataSource.webdataset:
        raise UserError(
            "task=encode reads videos that lie in files or folders, which data=webdataset does not"
        )
    return open_source(config.data, cache=config.cache)


def _loaded(config: RunConfig) -> Subject:
    assert config.weights_source is not None, "checked with the configuration"
    return load_subject(config, config.weights_source)


def _tell_skipped(skipped: Sequence[Skipped], progress: Progress) -> None:
    if skipped:
        named = "; ".join(f"{one.name}: {one.reason}" for one in skipped[:_NAMED_SKIPPED])
        progress.note(f"{len(skipped)} files skipped: {named}")


def _identity(job: EncodingJob) -> Identity:
    """A run of its own kind: no table or comparison of scores takes it for one of theirs."""
    config, vae = job.config, job.subject.vae
    ours = vae.architecture if isinstance(vae, ODVAE) else None
    is_odvae = config.model.name is Method.odvae
    tags = {
        "odvae.kind": "latents",
        "task": config.task.value,
        "model": config.model.name.value,
        "variant": str(ours.variant) if ours is not None and is_odvae else "",
        "operators": "" if ours is None else ours.operators.value,
        "tiling": config.tiling.mode.value,
        "data": config.data.source.value,
        "preset": config.preset,
        "precision": job.arithmetic.precision.value,
        "device": job.arithmetic.device.type,
        "latents.key": job.plan.key,
        "latents.folder": str(job.filling.folder),
        "git_commit": git_commit() or "none",
        **job.subject.tags,
    }
    return Identity(hashlib.sha256(f"latents {job.plan.key}".encode()).hexdigest(), tags)


def _is_finished(config: RunConfig, identity: Identity) -> bool:
    found = Store.open(config.output).find({"odvae.key": identity.key})
    return bool(found) and found[0].status == Status.FINISHED.value


def _log_setup(job: EncodingJob, summary: DatasetSummary, log: RunLog) -> None:
    read = ("data.", "latents.", "tiling.", "trainer.")
    log.params({name: x for name, x in job.config.flat().items() if name.startswith(read)})
    log.text(json.dumps(artifacts.environment(job.arithmetic), indent=1), "environment.json")
    place = job.config.data.path or summary.name
    log.dataset(summary.name, summary.digest, source=place, profile=asdict(summary))


def _log_result(cache: LatentCache, log: RunLog, *, encoded: int, seconds: float) -> None:
    (fitted,) = cache.index.fitted.scale
    values = {
        "samples": float(len(cache)),
        "bytes": float(cache.size_bytes),
        "fitted_scale": fitted,
        "encoded": float(encoded),  # by this process
    }
    if encoded:
        values["seconds_per_clip"] = seconds / encoded
    log.metrics({f"latents/{name}": value for name, value in values.items()}, step=0)
    log.text(json.dumps(asdict(cache.index), indent=1), "index.json")
