"""Levels out of stored runs: who belongs together, under which protocol, with which scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from odvae.comparison.find_runs import find_runs
from odvae.comparison.paired import Level
from odvae.errors import UserError
from odvae.experiment.levels import by_configuration, tell_apart
from odvae.experiment.protocols import FINGERPRINT_TAG, NAME_TAG
from odvae.experiment.score_tables import CLIPS, read_clips
from odvae.tracking import LoggedRun, Store

SCORES = "scores"  # folder of artifacts


@dataclass(frozen=True)
class StoredLevel:
    """Runs that agree in all but the seed."""

    label: str
    runs: Mapping[str, LoggedRun]  # by seed

    def read(self, store: Store) -> Level:
        """The scores of its clips. Raises UserError where a run has none."""
        scores = {}
        for seed, run in self.runs.items():
            _check_scores(run)
            scores[seed], _ = read_clips(store.artifact(run.run_id, f"{SCORES}/{CLIPS}"))
        return Level(self.label, scores)


def find_levels(
    store: Store, words: Sequence[str], *, across_protocols: bool = False
) -> list[StoredLevel]:
    """The levels of the runs that are meant: two or more, of one protocol unless told otherwise.

    Args:
        words: ids, names or filters, as ``find_runs`` takes them.

    Raises:
        UserError: there are none, or they do not compare.
    """
    levels = levels_of(find_runs(store.find({"odvae.kind": "run"}), words))
    if not across_protocols:
        check_protocols(levels)
    return levels


def levels_of(runs: Sequence[LoggedRun]) -> list[StoredLevel]:
    """Group runs into levels, in their order. Raises UserError where there is but one."""
    groups = by_configuration(runs)
    labels = tell_apart([next(iter(group.values())) for group in groups])
    levels = [StoredLevel(label, group) for label, group in zip(labels, groups, strict=True)]
    if len(levels) < 2:
        seeds = ", ".join(seed or "none" for seed in levels[0].runs)
        raise UserError(
            f"nothing to compare: the runs found ({len(runs)}) are of one configuration, "
            f"{levels[0].label}, seeds {seeds}"
        )
    return levels


def level_of(levels: Sequence[StoredLevel], word: str, store: Store) -> StoredLevel:
    """The one level that an id, a name or a filter picks. Raises UserError otherwise."""
    picked = find_runs(store.find({"odvae.kind": "run"}), [word])
    ids = {run.run_id for run in picked}
    found = [one for one in levels if ids & {run.run_id for run in one.runs.values()}]
    if len(found) != 1:
        names = "; ".join(one.label for one in levels)
        what = " and ".join(one.label for one in found) or "no level"
        raise UserError(f"--baseline must pick one of: {names}; it picks {what}")
    return found[0]


def check_protocols(levels: Sequence[StoredLevel]) -> None:
    """Refuse numbers that were computed in different ways. Raises UserError, naming both."""
    found: dict[str, list[str]] = {}
    for level in levels:
        for run in level.runs.values():
            name = run.tags.get(NAME_TAG, "")
            words = f"{name} ({run.tags.get(FINGERPRINT_TAG) or 'unknown'})".strip()
            users = found.setdefault(words, [])
            if level.label not in users:
                users.append(level.label)
    if len(found) > 1:
        listed = "; ".join(f"{words}: {', '.join(users)}" for words, users in found.items())
        raise UserError(
            f"these runs were evaluated under different protocols - {listed}. Choose those of one "
            "(protocol=FINGERPRINT), or say --across-protocols"
        )


def _check_scores(run: LoggedRun) -> None:
    # What logs the one writes the other; and a method that is only cited has neither.
    if NAME_TAG not in run.tags or "eval/psnr_db" not in run.metrics:
        raise UserError(
            f"run {run.run_id[:8]} ({run.name}) has no {SCORES}/{CLIPS}: evaluate it again "
            "(its command with rerun=true)"
        )
