"""Finished runs in a store: scores by hand, models without training. No value was measured."""

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import torch
from pyarrow import parquet

from odvae.config import RunConfig
from odvae.experiment.heldout import HeldOut, clip_id
from odvae.model import ODVAE, Architecture
from odvae.tracking import Status, Store

FINGERPRINT = "0a1b2c3d"


def clip_ids(config: RunConfig) -> list[str]:
    """Of the evaluation clips of a configuration."""
    return [clip_id(clip) for clip in HeldOut.open(config, batch=1).manifest.clips]


def add_run(
    store: Store,
    folder: Path,
    scores: pd.DataFrame | None,
    *,
    variant: str = "4",
    init: str = "tail",
    seed: int = 0,
    tags: Mapping[str, str] | None = None,
    config: RunConfig | None = None,
    model: Architecture | None = None,
) -> str:
    """One run; returns its identifier. What is None it has not."""
    known = {
        "odvae.kind": "run",
        "task": "train",
        "model": "odvae",
        "variant": variant,
        "init": init,
        "seed": str(seed),
        "operators": "paper",
        "protocol": FINGERPRINT,
        "protocol.name": "laptop",
    }
    name = f"variant={variant} init={init} seed={seed}"
    log = store.create(name, tags=known | dict(tags or {}), parent_id=None)
    log.params({"seed": seed, "variant": variant, "train.steps": 70})
    if scores is not None:
        log.metrics({"eval/psnr_db": float(scores["psnr_db"].mean())}, step=70)
        log.file(write_clips(scores, folder), "scores")
    if config is not None:
        log.text(json.dumps(config.flat()), "config.json")
    if model is not None:
        torch.manual_seed(seed)
        ODVAE(model).save(folder / "vae")
        for file in (folder / "vae").iterdir():
            log.file(file, "vae")
    log.finish(Status.FINISHED)
    return log.run_id


def write_clips(scores: pd.DataFrame, folder: Path) -> Path:
    """A clips.parquet as a run writes it."""
    file = folder / "clips.parquet"
    table = pa.Table.from_pandas(scores, preserve_index=False)
    origin = json.dumps({"protocol": "laptop", "fingerprint": FINGERPRINT})
    parquet.write_table(table.replace_schema_metadata({b"odvae": origin}), file)
    return file
