"""Which samples of shards train and which are held out. The two share no sample."""

from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from odvae.data.config import DataConfig
from odvae.data.index import UnreadableVideo
from odvae.data.ranges import Skipped, VideoRange
from odvae.data.shards.cache import ShardCache, digest
from odvae.data.shards.collection import Shard, ShardSet, open_shards
from odvae.data.shards.index import INDEX_NAME, Sample
from odvae.data.splits import hash_fraction
from odvae.data.video import probe
from odvae.errors import UserError
from odvae.model.atomic import replacing

TRAIN_FOLDER, HELDOUT_FOLDER = "train", "heldout"


@dataclass(frozen=True)
class ShardSource:
    """What a run may look at.

    Attributes:
        train:   samples to train on.
        heldout: videos to evaluate on, extracted into the cache.
        skipped: held-out videos that cannot be used.
        too_short: how many training samples are known to be shorter than a clip.
    """

    train: ShardSet
    heldout: list[VideoRange]
    skipped: list[Skipped]
    too_short: int


def open_shard_source(
    config: DataConfig,
    cache: ShardCache,
    *,
    train: str,
    heldout: str | None = None,
    evaluated: DataConfig | None = None,
) -> ShardSource:
    """Open shards and split them.

    Without shards to evaluate on, samples are held out by a hash of their keys. A folder with the
    folders ``train`` and ``heldout``, as ``odvae.shard`` writes it, has such shards.

    Args:
        train:   shards to train on, see :func:`odvae.data.shards.places.find_places`.
        heldout: shards to evaluate on; none of them may train too.
        evaluated: the clips to evaluate on, where they are not like those that train.

    Raises:
        UserError: a shard cannot be had, or nothing is left to train on or to evaluate on.
    """
    root = Path(train).expanduser()
    if heldout is None and (root / HELDOUT_FOLDER / INDEX_NAME).is_file():
        train, heldout = str(root / TRAIN_FOLDER), str(root / HELDOUT_FOLDER)
    training = open_shards(train, cache)
    if heldout is not None:
        kept_back = open_shards(heldout, cache)
        shared = {s.place for s in training.shards} & {s.place for s in kept_back.shards}
        if shared:
            raise UserError(f"shard {min(shared)} is to train on and to evaluate on")
    else:
        training, kept_back = _split(training, heldout_fraction=config.heldout_fraction)
    long_enough = training.select(
        lambda sample: sample.frames is None or sample.frames >= config.span_frames
    )
    if not len(long_enough):
        raise UserError(
            f"{train}: none of {len(training)} training samples has {config.span_frames} frames"
        )
    clips = evaluated or config
    videos, skipped = extract_videos(
        kept_back, wanted=clips.eval_clips, span_frames=clips.span_frames
    )
    if not videos:
        listed = "; ".join(f"{one.name}: {one.reason}" for one in skipped[:3])
        raise UserError(
            f"{heldout or train}: none of {len(kept_back)} held-out samples can be used ({listed})"
        )
    return ShardSource(long_enough, videos, skipped, len(training) - len(long_enough))


def _split(shards: ShardSet, *, heldout_fraction: float) -> tuple[ShardSet, ShardSet]:
    """Hold out the samples whose key's hash is below the fraction; at least one on each side."""
    hashes = sorted({hash_fraction(s.key) for shard in shards.shards for s in shard.samples})
    if len(hashes) < 2:
        raise UserError("shards with a single sample cannot be split into training and held-out")
    limit = min(max(heldout_fraction, hashes[1]), hashes[-1])

    def is_heldout(sample: Sample) -> bool:
        return hash_fraction(sample.key) < limit

    return shards.select(lambda sample: not is_heldout(sample)), shards.select(is_heldout)


def extract_videos(
    shards: ShardSet, *, wanted: int, span_frames: int
) -> tuple[list[VideoRange], list[Skipped]]:
    """Write the first ``wanted`` usable videos of a set into its cache, where they stay.

    The first ones, in the order of the shards: so few shards are fetched for them.

    Returns:
        The videos, named ``shard/key.suffix``, and those passed over.
    """
    videos: list[VideoRange] = []
    skipped: list[Skipped] = []
    for shard in shards.shards:
        for sample in shard.samples:
            if len(videos) == wanted:
                return videos, skipped
            name = f"{shard.entry.name}/{sample.key}{sample.suffix}"
            found = _usable(shards, shard, sample, name=name, span_frames=span_frames)
            if isinstance(found, VideoRange):
                videos.append(found)
            else:
                skipped.append(Skipped(name, found))
    return videos, skipped


def _usable(
    shards: ShardSet, shard: Shard, sample: Sample, *, name: str, span_frames: int
) -> VideoRange | str:
    """A held-out video, or why it is none."""
    frames = sample.frames
    if frames is None or frames >= span_frames:
        path = _extracted(shards, shard, sample)
        try:
            there = probe(path).frames - sample.first_frame
        except UnreadableVideo as error:
            return error.reason
        frames = there if frames is None else min(there, frames)
    if frames < span_frames:
        return f"{max(frames, 0)} frames, a clip spans {span_frames}"
    return VideoRange(path, name, sample.first_frame, sample.first_frame + frames)


def _extracted(shards: ShardSet, shard: Shard, sample: Sample) -> Path:
    entry = shard.entry
    where = entry.sha256 or f"{shard.place} {entry.bytes}"
    identity = f"{where} {sample.key} {sample.offset} {sample.length}"
    path = shards.cache.folder / "heldout" / (digest(identity) + sample.suffix)
    if not path.is_file():
        with FileLock(f"{path}.lock"), replacing(path) as new:
            new.write_bytes(shards.read(shard, sample))
    return path
