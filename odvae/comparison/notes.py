"""What to bear in mind when reading a comparison."""

from collections.abc import Iterator, Sequence

from odvae.comparison.difference import Difference
from odvae.comparison.significance import LEVEL, least_p
from odvae.experiment.student import LEAST_SEEDS

_NAMED = 3  # clips that a note lists


def notes_on(differences: Sequence[Difference]) -> list[str]:
    """Each thing once, the gravest first."""
    notes = [
        *(note for one in differences for note in _left_out(one)),
        *(note for one in differences for note in _few(one, tests=len(differences))),
        *(note for one in differences for note in _seeds(one)),
    ]
    if len(differences) > 1:
        notes.append(f"p is corrected for {len(differences)} tests (Holm); intervals are not")
    return list(dict.fromkeys(notes))


def _left_out(one: Difference) -> Iterator[str]:
    pair = f"{one.level} and {one.baseline}"
    if one.paired.not_shared:
        yield f"{pair}: {_count(one.paired.not_shared, 'clip')} of one of them only, left out"
    broken = one.paired.not_finite
    if broken:
        named = ", ".join(broken[:_NAMED]) + (", ..." if len(broken) > _NAMED else "")
        count = _count(len(broken), "clip")
        yield f"{pair}: left out, since {one.name} is not finite: {named} ({count})"


def _few(one: Difference, *, tests: int) -> Iterator[str]:
    reachable = least_p(one.clips, tests=tests)
    if reachable >= LEVEL:
        yield (
            f"{_count(one.clips, 'clip')} and {_count(tests, 'test')}: p cannot fall below "
            f"{reachable:.2g}, so no difference can be shown; take more clips or fewer metrics"
        )
    videos = len({_video(clip) for clip in one.paired.clips})
    if videos < one.clips:
        yield (
            f"{one.clips} clips are cut from {_count(videos, 'video')}: clips of one video are "
            "alike, so of other videos less is known than intervals and p say"
        )


def _seeds(one: Difference) -> Iterator[str]:
    if not one.paired.by_seed:
        yield (
            f"{one.level} and {one.baseline} have different seeds, so they are not paired by seed"
        )
    for label, count in zip((one.level, one.baseline), one.seeds, strict=True):
        if count < LEAST_SEEDS:
            yield (
                f"{label} has {_count(count, 'seed')}: what another training would change is not "
                f"in its intervals, which takes {LEAST_SEEDS}"
            )


def _video(clip: str) -> str:
    """The file that a clip is cut from, by its id, file@first_frame+top,left."""
    return clip.rpartition("@")[0] or clip


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
