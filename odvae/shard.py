"""The command that writes the videos of a source as WebDataset shards.

python -m odvae.shard data=folder data.path=VIDEOS data.clip_frames=33 SHARDS
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import Progress, TaskID

from odvae.compose import Parser, compose_run, resumable_exit_code
from odvae.data import Skipped, open_source
from odvae.data.shards.packing import Reencode
from odvae.data.shards.source import HELDOUT_FOLDER, TRAIN_FOLDER
from odvae.data.shards.writer import ShardWriter, Written
from odvae.errors import UserError
from odvae.experiment.progress import bars

_LOCK_NAME = ".lock"
_LEAST_MB, _MOST_MB = 1e-3, 1e5
_SKIPPED_SHOWN = 10


@dataclass(frozen=True)
class _Asked:
    """The command line."""

    words: list[str]  # field=value, as odvae.run takes them
    folder: Path
    shard_mb: float
    reencode: Reencode


def main(argv: Sequence[str] | None = None) -> int:
    """Write shards; returns the exit code: 2 for a user's mistake."""
    return resumable_exit_code(lambda: _shard(_parse(argv)))


def _parse(argv: Sequence[str] | None) -> _Asked:
    parser = Parser(
        prog="odvae shard",
        description="Write the videos of a source as WebDataset shards, train/ and heldout/ in "
        "DST. Videos shorter than a clip of the configuration are left out. A killed command goes "
        "on where it was.",
    )
    parser.add_argument(
        "words",
        nargs="+",
        metavar="FIELD=VALUE | DST",
        help="fields of a run (data=folder data.path=...), and the folder for the shards",
    )
    parser.add_argument("--shard-mb", type=float, default=200.0, help="least size of a full shard")
    parser.add_argument(
        "--reencode",
        choices=[how.value for how in Reencode],
        default=Reencode.none.value,
        help="none: the videos' own bytes (default); h264: the frames that are used, as H.264",
    )
    given = parser.parse_intermixed_args(argv)
    words: list[str] = given.words
    folders = [word for word in words if "=" not in word]
    if len(folders) != 1:
        raise UserError(f"one folder for the shards is needed, got {' '.join(folders) or 'none'}")
    if not _LEAST_MB <= given.shard_mb <= _MOST_MB:
        raise UserError(f"--shard-mb must lie in {_LEAST_MB:g}..{_MOST_MB:g}, got {given.shard_mb}")
    return _Asked(
        words=[word for word in words if "=" in word],
        folder=Path(folders[0]).expanduser(),
        shard_mb=given.shard_mb,
        reencode=Reencode(given.reencode),
    )


def _shard(asked: _Asked) -> None:
    config = compose_run(asked.words)
    source = open_source(config.data, cache=config.output / "cache")
    ours = {TRAIN_FOLDER, HELDOUT_FOLDER, _LOCK_NAME}
    if asked.folder.exists() and {path.name for path in asked.folder.iterdir()} - ours:
        raise UserError(f"{asked.folder} holds something else; name a new or empty folder")
    sides = {TRAIN_FOLDER: source.train, HELDOUT_FOLDER: source.heldout}
    writers = {
        side: ShardWriter(
            asked.folder / side,
            videos,
            shard_bytes=round(asked.shard_mb * 1e6),
            reencode=asked.reencode,
        )
        for side, videos in sides.items()
    }
    for writer in writers.values():
        writer.check()
    asked.folder.mkdir(parents=True, exist_ok=True)
    skipped, summaries = list(source.skipped), list[str]()
    try:
        with FileLock(asked.folder / _LOCK_NAME, timeout=0), bars(Console(stderr=True)) as shown:
            for side, writer in writers.items():
                bar = shown.add_task(side, total=len(sides[side]))
                written = writer.write(done=_mover(shown, bar))
                summaries.append(_summary(side, written))
                skipped += written.skipped
    except Timeout as error:
        raise UserError(f"{asked.folder} is being written by another odvae shard") from error
    print(*summaries, sep="\n")
    _tell_skipped(skipped)


def _mover(shown: Progress, bar: TaskID) -> Callable[[int], None]:
    return lambda done: shown.update(bar, completed=done)


def _summary(side: str, written: Written) -> str:
    kept = f" ({written.kept_shards} from before)" if written.kept_shards else ""
    return (
        f"{side:8} {written.shards} shards{kept}, {written.samples} samples, "
        f"{written.seconds / 3600:.3g} h, {written.bytes / 1e6:.1f} MB"
    )


def _tell_skipped(skipped: list[Skipped]) -> None:
    print(f"skipped  {len(skipped)}")
    for one in skipped[:_SKIPPED_SHOWN]:
        print(f"         {one.name}: {one.reason}")
    if len(skipped) > _SKIPPED_SHOWN:
        print(f"         and {len(skipped) - _SKIPPED_SHOWN} more")


if __name__ == "__main__":
    sys.exit(main())
