"""Runs as they are read back from a store, made by hand."""

from datetime import UTC, datetime, timedelta

from odvae.tracking import LoggedRun

_TAGS = {
    "task": "train",
    "model": "odvae",
    "variant": "4",
    "init": "tail",
    "seed": "0",
    "operators": "paper",
    "tiling": "off",
    "preset": "laptop",
    "data": "bundled",
    "protocol": "0a1b2c3d",
    "protocol.name": "laptop",
}
_PARAMS = {"seed": "0", "variant": "4", "preset": "laptop", "train.steps": "70", "data.path": "x"}


def logged_run(
    run_id: str,
    *,
    tags: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
    metrics: dict[str, float] | None = None,
    name: str = "a run",
    status: str = "FINISHED",
    age_s: float = 0,
) -> LoggedRun:
    """A finished training of variant 4, but for what is said."""
    return LoggedRun(
        run_id=run_id,
        name=name,
        parent_id=None,
        status=status,
        params=_PARAMS | (params or {}),
        tags=_TAGS | (tags or {}),
        metrics={"eval/psnr_db": 20.0} | (metrics or {}),
        datasets={},
        started=datetime(2024, 1, 1, tzinfo=UTC) - timedelta(seconds=age_s),
    )
