"""How fast training clips come, against a bare PyAV loop over the very same windows.

python experiments/loader/bench.py FOLDER [--clips 24] [--frames 17] [--workers 2]
"""

import argparse
import csv
import json
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from bare import BATCH, Loop, bare_loop
from memory import Memory, measure_memory

from odvae.data import (
    Augment,
    Clips,
    DataConfig,
    DataSource,
    FrameStore,
    TrainingClips,
    VideoRange,
    open_source,
    prefetch,
)
from odvae.data.shards import Reencode, ShardCache, ShardClips, ShardWriter, open_shards
from odvae.experiment.artifacts import environment
from odvae.training.precision import Device, Precision, resolve

RESULTS = Path(__file__).parent / "results"
SIZES = ((64, 80), (256, 256))  # side of the crop and short side of the video, in px
BARE, BARE_RESIZED = "bare decode", "bare decode, resize, crop"
SEEKING, KEPT, SHARDS = "loader, nothing kept", "loader, kept in memory", "loader, shards"


@dataclass(frozen=True)
class Timed:
    """One loop over the clips of one round."""

    size_px: int
    short_side_px: int
    loop: str
    round: int
    clips: int
    seconds: float
    cpu_s: float  # of all threads: what the clips cost, however busy the machine is

    @property
    def clips_per_s(self) -> float:
        """Clips in a second."""
        return self.clips / self.seconds


def loader_loop(clips: Clips, *, workers: int) -> Loop:
    """The same through the loader of a training."""

    def loop(steps: range) -> None:
        for _ in prefetch(clips, steps.start, end_step=steps.stop, batch=BATCH, workers=workers):
            pass

    return loop


def warm_store(ranges: list[VideoRange], config: DataConfig, budget_mb: int) -> FrameStore:
    """Every video has been asked for twice: it is indexed, and kept if the budget lasts."""
    store = FrameStore(config.short_side_px, budget_mb)
    for video in ranges * 2:
        store.window(video, video.first_frame, count=1)
    return store


def shard_clips(folder: Path, ranges: list[VideoRange], config: DataConfig) -> ShardClips:
    """The same videos in tars; one clip of each video an epoch, so other windows."""
    tars = folder / "tars"
    if not tars.exists():
        ShardWriter(tars, ranges, shard_bytes=2**22, reencode=Reencode.none).write()
    return ShardClips(open_shards(str(tars), ShardCache(folder / "cache")), config, seed=0)


def measure_speed(
    loops: dict[str, Loop], config: DataConfig, *, clips: int, rounds: int
) -> Iterable[Timed]:
    """All loops in every round, in turn: whatever else the machine does hits them alike."""
    for number in range(rounds):
        steps = range(number * clips // BATCH, (number + 1) * clips // BATCH)
        names = list(loops) if number % 2 == 0 else list(reversed(loops))
        for name in names:
            started, started_cpu_s = time.perf_counter(), time.process_time()
            loops[name](steps)
            seconds = time.perf_counter() - started
            cpu_s = time.process_time() - started_cpu_s
            yield Timed(config.size_px, config.short_side_px, name, number, clips, seconds, cpu_s)


def print_table(timed: list[Timed]) -> None:
    """Medians over the rounds, with quartiles; ratios are taken round by round."""
    print(
        f"{'px':>7} {'loop':<28} {'clips/s':>8} {'quartiles':>14} {'of bare':>8} {'quartiles':>12} "
        f"{'CPU ms/clip':>12}"
    )
    for size_px, loop in dict.fromkeys((one.size_px, one.loop) for one in timed):
        mine = [one for one in timed if (one.size_px, one.loop) == (size_px, loop)]
        bare = {o.round: o for o in timed if (o.size_px, o.loop) == (size_px, BARE)}
        low, speed, high = statistics.quantiles([one.clips_per_s for one in mine])
        ratios = [one.clips_per_s / bare[one.round].clips_per_s for one in mine]
        low_ratio, ratio, high_ratio = statistics.quantiles(ratios)
        cpu_ms = statistics.median(1000 * one.cpu_s / one.clips for one in mine)
        spread = f"{low:.1f}..{high:.1f}"
        print(
            f"{size_px:>7} {loop:<28} {speed:>8.1f} {spread:>14} {ratio:>8.2f} "
            f"{low_ratio:>6.2f}..{high_ratio:.2f} {cpu_ms:>12.0f}"
        )


def write_results(timed: list[Timed], memory: list[Memory]) -> None:
    """The rows of all rounds, the memory and where they come from."""
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "loader.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*(field.name for field in fields(Timed)), "clips_per_s"])
        table.writerows([*asdict(one).values(), one.clips_per_s] for one in timed)
    with (RESULTS / "memory.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([field.name for field in fields(Memory)])
        table.writerows(asdict(one).values() for one in memory)
    facts = environment(resolve(Device.cpu, Precision.fp32))
    (RESULTS / "environment.json").write_text(json.dumps(facts, indent=1) + "\n")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="videos, all of them used")
    parser.add_argument("--clips", type=int, default=24, help="of a loop in a round")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--frames", type=int, default=17, help="of a clip")
    parser.add_argument("--workers", type=int, default=2, help="threads, of the bare loops too")
    asked = parser.parse_args()
    timed: list[Timed] = []
    memory: list[Memory] = []
    for size_px, short_side_px in SIZES:
        config = DataConfig(
            source=DataSource.folder,
            path=asked.folder,
            clip_frames=asked.frames,
            size_px=size_px,
            short_side_px=short_side_px,
            augment=Augment.flip,
        )
        source = open_source(config)
        ranges = source.train + source.heldout  # nothing is learned here
        seeking = TrainingClips(ranges, config, seed=0, store=warm_store(ranges, config, 0))
        if not memory:  # once: it takes long, and a larger picture fills no other memory
            memory = list(measure_memory(seeking, workers=asked.workers))
        kept = TrainingClips(ranges, config, seed=0, store=warm_store(ranges, config, 2**12))
        with tempfile.TemporaryDirectory() as scratch:
            tars = shard_clips(Path(scratch), ranges, config)
            loops = {
                BARE: bare_loop(ranges, config, workers=asked.workers, is_resized=False),
                SEEKING: loader_loop(seeking, workers=asked.workers),
                BARE_RESIZED: bare_loop(ranges, config, workers=asked.workers, is_resized=True),
                KEPT: loader_loop(kept, workers=asked.workers),
                SHARDS: loader_loop(tars, workers=asked.workers),
            }
            timed += measure_speed(loops, config, clips=asked.clips, rounds=asked.rounds)
        print_table([one for one in timed if one.size_px == size_px])
    for one in memory:
        print(
            f"{one.clips:>7} clips {one.resident_mb:>8.1f} MB resident "
            f"{one.allocated_mb:>8.1f} MB allocated"
        )
    write_results(timed, memory)


if __name__ == "__main__":
    main()
