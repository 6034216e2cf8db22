"""Weights that the run would use: of its metrics, of its model, of what it starts from."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from odvae.config import RunConfig, Task
from odvae.errors import UserError
from odvae.experiment.diagnosis.finding import Finding, ok, problem, warning
from odvae.experiment.subject import check_weights
from odvae.metrics import c3d
from odvae.metrics.feature_networks import FEATURE_NETWORKS
from odvae.metrics.lpips import LpipsMode, lpips_name, min_size_px
from odvae.metrics.weights import FOLDERS_VARIABLE, WeightsStatus, status
from odvae.model import Initialisation
from odvae.training.image_source import HUB_ID, ImageVaeSource, check_fits, fingerprint
from odvae.vaes.hub import OFFLINE_VARIABLE, HubId

_SCORING = (Task.train, Task.evaluate, Task.generate)


def look_at_metrics(config: RunConfig) -> Iterator[Finding]:
    """Published weights: those that the run would use, and which others are here."""
    yield from judge(status(), metrics_of(config))


def metrics_of(config: RunConfig) -> set[str]:
    """What a run would need published weights for, as the table of weights calls it."""
    if config.task not in _SCORING:
        return set()
    protocol = config.protocol
    size_px, frames = protocol.size_px or 0, protocol.clip_frames or 0
    seeing = (backbone for backbone in protocol.lpips if min_size_px(backbone) <= size_px)
    wanted = {lpips_name(backbone, LpipsMode.mean) for backbone in seeing}
    if config.task is Task.train and config.losses.lpips_weight > 0:
        wanted.add(lpips_name(config.losses.lpips_backbone, LpipsMode.mean))
    networks = (FEATURE_NETWORKS[network.value] for network in protocol.frechet)
    wanted |= {network.metric for network in networks if network.refusal(frames) is None}
    if config.metrics.warped_error:
        wanted.add("warped_error")
    generated = config.generation.clip_frames or config.data.clip_frames
    if config.task is Task.generate and generated >= c3d.FRAMES:
        wanted.add("inception_score")
    return wanted


def judge(rows: Sequence[WeightsStatus], wanted: set[str]) -> Iterator[Finding]:
    """What to say of published weights; ``wanted`` are those that a run uses, by what they do."""
    here = ", ".join(row.name for row in rows if row.path) or "none"
    missing = [row for row in rows if row.used_for in wanted and row.path is None]
    if missing:
        lost = ", ".join(f"{row.name} ({row.used_for})" for row in missing)
        yield warning(
            "metrics",
            f"not here: {lost}; a run that cannot download them does without; here: {here}",
            _how_to_get(missing),
        )
    else:
        yield ok("metrics", f"all weights that the run uses; here: {here}")
    for row in rows:
        for refused in row.refused:
            yield warning("metrics", refused, "delete it; odvae weights says how to get another")


def look_at_model(config: RunConfig) -> Iterator[Finding]:
    """The model that is evaluated, or the image VAE that a training starts from: both are read."""
    method, source = config.model.name, config.weights_source
    if source is not None and method.row.to_be_had:
        named = f"{config.weights_field}={source}"
        yield _read(named, source, read=lambda: check_weights(config))
    elif config.task is not Task.benchmark and method.is_trainable and source is None:
        if config.init.how is Initialisation.random:
            yield ok("model", "init=random starts from no weights")
            return
        kind = config.image_vae.resolved(config.model.width)
        path = (config.image_vae.path or HUB_ID) if kind is ImageVaeSource.sd else ""
        named = f"init={config.init.how.value} starts from image_vae={kind.value}"
        yield _read(f"{named} {path}".rstrip(), path, read=lambda: _read_image_vae(config))


def _read_image_vae(config: RunConfig) -> None:
    check_fits(config.image_vae, config.architecture())
    fingerprint(config.image_vae, config.model.width)


def _read(named: str, source: str, *, read: Callable[[], None]) -> Finding:
    """Read weights that are on this computer; those of the hub may be there from earlier."""
    try:
        with _offline() as was_offline:
            read()
    except UserError as error:
        is_local = not source or Path(source).expanduser().exists()
        if is_local or was_offline or not _on_hub(source):
            return problem("model", str(error), "name other weights, or mend what is said here")
        return warning(
            "model",
            f"{named}: no such file here, and not downloaded before",
            "nothing, if it is of the hub and there is a network: the run downloads it; else get "
            "it elsewhere and name its folder or file",
        )
    return ok("model", f"{named}: can be read")


def _on_hub(source: str) -> bool:
    """Whether a source that is not here may be a repository, and no path with a slip."""
    return HubId.parse(source) is not None and not Path(source.partition("/")[0]).exists()


@contextmanager
def _offline() -> Iterator[bool]:
    """Nothing is downloaded meanwhile; yields whether the user wants that always."""
    before = os.environ.get(OFFLINE_VARIABLE)
    os.environ[OFFLINE_VARIABLE] = "1"
    try:
        yield before not in (None, "", "0")
    finally:
        if before is None:
            del os.environ[OFFLINE_VARIABLE]
        else:
            os.environ[OFFLINE_VARIABLE] = before


def _how_to_get(missing: Sequence[WeightsStatus]) -> str:
    names = " ".join(row.name for row in missing if row.size_bytes)
    ways = []
    if names:
        ways.append(
            f"odvae weights fetch {names}; without a network, files in a folder named in "
            f"{FOLDERS_VARIABLE} (odvae weights says which)"
        )
    ways += [row.how for row in missing if not row.size_bytes]
    return "; ".join(ways)
