"""What a stored run reconstructed, made again: its clips, its model. Clips are (3, T, H, W)."""

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from odvae.compose import compose_run
from odvae.config import RunConfig, Task, field_names
from odvae.data import Manifest
from odvae.errors import UserError
from odvae.experiment.heldout import HeldOut, clip_id
from odvae.inference import reconstruct
from odvae.model import VideoVAE
from odvae.tracking import LoggedRun, Store
from odvae.training.precision import Device, Precision, resolve
from odvae.vaes import open_vae
from odvae.vaes.methods import Method, method_of

# What a run's clips and their way through the model depend on.
_FIELDS = ("data.", "metrics.protocol.", "tiling.")


def config_of(store: Store, run: LoggedRun, *, output_dir: Path) -> RunConfig:
    """The data, protocol and tiling of a run. Raises UserError where a value is no longer one."""
    stored = json.loads(store.artifact(run.run_id, "config.json").read_text())
    read = [name for name in field_names() if name.startswith(_FIELDS) and name in stored]
    words = [f"{name}={_word(stored[name])}" for name in read]
    # To evaluate asks least of the other fields; which weights, is not read here.
    return compose_run(
        ["task=evaluate", "checkpoint=unread", f"output_dir={_word(str(output_dir))}", *words]
    )


def originals(config: RunConfig, wanted: Collection[str]) -> dict[str, Tensor]:
    """The evaluation clips of these ids, in [-1, 1]. Raises UserError where the data is gone."""
    heldout = HeldOut.open(config, batch=1)
    heldout.manifest = Manifest([one for one in heldout.manifest.clips if clip_id(one) in wanted])
    return {ids[0]: clips[0] for ids, clips in heldout}


def reconstructions(
    store: Store, run: LoggedRun, config: RunConfig, clips: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The clips through the run's model (the mode of its posterior, its tiling), on the CPU.

    Raises:
        UserError: the model was not kept, or is another one by now.
    """
    device = resolve(Device.auto, Precision.fp32).device
    vae = saved_model(store, run)
    assert isinstance(vae, torch.nn.Module)
    vae.to(device)
    tiling = config.tiling.build()
    with torch.inference_mode():
        return {
            name: reconstruct(vae, clip.unsqueeze(0).to(device), tiling)[0].float().cpu()
            for name, clip in clips.items()
        }


def saved_model(store: Store, run: LoggedRun) -> VideoVAE:
    """The model that a run trained, or the weights that it evaluated if they are still there.

    Raises:
        UserError: they are not, or not the same.
    """
    if run.tags.get("task") == Task.train.value:
        return open_vae(store.artifact(run.run_id, "vae")).vae
    source = next(iter(_weights(run)), None)
    if source is None or not Path(source).expanduser().exists():
        raise UserError(
            f"run {run.run_id[:8]} ({run.name}) evaluated weights that it did not keep"
            + (f", and {source} is not there" if source else "")
        )
    loaded = open_vae(Path(source).expanduser())
    known = run.tags.get("weights.sha256")
    if known and known != loaded.sha256:
        raise UserError(f"{source} is not what run {run.run_id[:8]} evaluated (sha256 differs)")
    return loaded.vae


def _weights(run: LoggedRun) -> Iterator[str]:
    """Where the weights that a run evaluated were, the surest place first."""
    if run.tags.get("weights.path"):
        yield run.tags["weights.path"]
    method = method_of(run.tags)
    field = "checkpoint" if method is Method.odvae else f"weights.{method.value}"
    if run.params.get(field, "None") != "None":
        yield run.params[field]


def _word(value: Any) -> str:
    """A value as one types it on the command line."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return f"[{','.join(map(_word, value))}]"
        case str():
            escaped = value.replace("'", "\\'")
            return f"'{escaped}'"
        case _:
            return str(value)
