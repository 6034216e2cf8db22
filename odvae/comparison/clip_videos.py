"""The clips on which two levels differ most, as videos: original, baseline, level side by side."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from odvae.comparison.again import config_of, originals, reconstructions
from odvae.comparison.captions import above, strip
from odvae.comparison.difference import Difference
from odvae.comparison.extremes import Extreme
from odvae.comparison.stored import StoredLevel
from odvae.data import write_video
from odvae.errors import UserError
from odvae.tracking import LoggedRun, Store

_PREFIX = "differs_"
_FPS = 8.0
_LEAST_COLUMN_PX = 256  # small clips are enlarged, and captions need room


@dataclass(frozen=True)
class Shown:
    """What one comparison shows: its sides, and the clips."""

    difference: Difference
    level: StoredLevel
    baseline: StoredLevel
    clips: Sequence[Extreme]


def write_videos(
    shown: Sequence[Shown],
    store: Store,
    folder: Path,
    *,
    output_dir: Path,
    note: Callable[[str], None],
) -> dict[tuple[str, str], Path]:
    """Write a video for each clip; those that an earlier comparison left there are removed.

    Of several seeds, the first that both sides have is shown, or the first of each.

    Args:
        output_dir: where scans and fetched shards are.
        note: is told what cannot be shown, and why.

    Returns:
        Files by level and clip.
    """
    for old in folder.glob(f"{_PREFIX}*.mp4"):
        old.unlink()
    files: dict[tuple[str, str], Path] = {}
    made: dict[str, dict[str, Tensor]] = {}  # by run
    wanted = _wanted(shown)
    try:
        clips = _originals(wanted, store, output_dir)
    except UserError as error:
        note(f"no videos: {error}")
        return files
    for run, names in wanted.values():
        try:
            config = config_of(store, run, output_dir=output_dir)
            own = {name: clips[name] for name in names}
            made[run.run_id] = reconstructions(store, run, config, own)
        except UserError as error:
            note(f"not shown: {error}")
    for one in shown:
        runs = _runs_of(one)
        if all(run.run_id in made for run in runs):
            for place, extreme in enumerate(one.clips, start=1):
                sides = [made[run.run_id][extreme.clip] for run in runs]
                file = folder / _file_name(one.difference, extreme, place)
                write_video(file, _picture(one, extreme, [clips[extreme.clip], *sides]), fps=_FPS)
                files[one.difference.level, extreme.clip] = file
    return files


def _wanted(shown: Sequence[Shown]) -> dict[str, tuple[LoggedRun, set[str]]]:
    """By id: the runs to be shown, each with the clips of it."""
    wanted: dict[str, tuple[LoggedRun, set[str]]] = {}
    for one in shown:
        for run in _runs_of(one):
            names = wanted.setdefault(run.run_id, (run, set()))[1]
            names.update(extreme.clip for extreme in one.clips)
    return {run_id: entry for run_id, entry in wanted.items() if entry[1]}


def _originals(
    wanted: Mapping[str, tuple[LoggedRun, set[str]]], store: Store, output_dir: Path
) -> dict[str, Tensor]:
    """All clips to be shown, by the data of the first run that has any to show."""
    names = set().union(*(names for _, names in wanted.values()))
    run = next((run for run, _ in wanted.values()), None)
    if run is None:
        return {}
    clips = originals(config_of(store, run, output_dir=output_dir), names)
    gone = sorted(names - set(clips))
    if gone:
        raise UserError(f"the data of run {run.run_id[:8]} no longer holds clip {gone[0]}")
    return clips


def _runs_of(one: Shown) -> tuple[LoggedRun, LoggedRun]:
    """The runs that are shown of the baseline and of the level."""
    seed = next((seed for seed in one.baseline.runs if seed in one.level.runs), None)
    if seed is None:
        return next(iter(one.baseline.runs.values())), next(iter(one.level.runs.values()))
    return one.baseline.runs[seed], one.level.runs[seed]


def _picture(one: Shown, extreme: Extreme, columns: Sequence[Tensor]) -> Tensor:
    """Clips (3, T, H, W) side by side, enlarged, below what they are."""
    pair = torch.cat([clip.clamp(-1, 1) for clip in columns], dim=-1)  # (3, T, H, 3 W)
    factor = max(1, -(-_LEAST_COLUMN_PX // columns[0].shape[-1]))
    large = pair.repeat_interleave(factor, dim=-2).repeat_interleave(factor, dim=-1)
    texts = [f"original\n{extreme.clip}", *_captions(one, extreme)]
    return above(large, strip(texts, column_px=large.shape[-1] // len(columns)))


def _captions(one: Shown, extreme: Extreme) -> Iterator[str]:
    """Label, seed and score of both sides."""
    metric, paired = one.difference.metric, one.difference.paired
    place = paired.clips.index(extreme.clip)
    for run, level, values in zip(
        _runs_of(one), (one.baseline, one.level), (paired.baseline, paired.level), strict=True
    ):
        seeds = list(level.runs)
        column = next(seed for seed in seeds if level.runs[seed] is run)
        value = values[place, seeds.index(column)]
        seed = f", seed {column}" if column else ""
        yield f"{level.label}{seed}\n{metric.title} {value:.4g} {metric.unit}".rstrip()


def _file_name(difference: Difference, extreme: Extreme, place: int) -> str:
    side = "ahead" if extreme.ahead == difference.level else "behind"
    words = f"{difference.level}-{side}-of-{difference.baseline}-{place}"
    return f"{_PREFIX}{re.sub(r'[^A-Za-z0-9.-]+', '_', words)}.mp4"
