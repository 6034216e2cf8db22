"""Runs by the protocol that their numbers were computed under: only those of one compare."""

from collections.abc import Sequence

from odvae.tracking import LoggedRun
from odvae.vaes.methods import method_of

FINGERPRINT_TAG, NAME_TAG, FACTS_TAG = "protocol", "protocol.name", "protocol.facts"


def by_protocol(runs: Sequence[LoggedRun]) -> list[list[LoggedRun]]:
    """Runs of equal fingerprints together, in the order of their first runs.

    What has none - a method of which there are only the paper's numbers, or a run that failed
    before it looked at a clip - stands with the first of them.
    """
    known = [run.tags[FINGERPRINT_TAG] for run in runs if FINGERPRINT_TAG in run.tags]
    groups: dict[str, list[LoggedRun]] = {fingerprint: [] for fingerprint in known}
    first = known[0] if known else ""
    for run in runs:
        groups.setdefault(run.tags.get(FINGERPRINT_TAG, first), []).append(run)
    return list(groups.values())


def fingerprint(runs: Sequence[LoggedRun]) -> str:
    """The one fingerprint of runs that have one; empty if none has.

    Raises:
        ValueError: there are several, whose numbers do not compare.
    """
    found = {run.tags[FINGERPRINT_TAG] for run in runs if FINGERPRINT_TAG in run.tags}
    if len(found) > 1:
        raise ValueError(f"numbers of several protocols do not compare: {sorted(found)}")
    return next(iter(found), "")


def heading(runs: Sequence[LoggedRun]) -> str:
    """What the numbers of runs of one protocol are, in a line; empty where that is not known."""
    tags = _tags(runs)
    facts = tags.get(FACTS_TAG)
    if not facts:
        return ""
    return f"Protocol {tags.get(NAME_TAG, '')} {fingerprint(runs)}: {facts}"


def suffix(runs: Sequence[LoggedRun]) -> str:
    """What tells files about runs of this protocol from those of another one."""
    return "_".join(["", _tags(runs).get(NAME_TAG, ""), fingerprint(runs)])


def _tags(runs: Sequence[LoggedRun]) -> dict[str, str]:
    """Of the first run that was measured."""
    measured = (run for run in runs if method_of(run.tags).row.to_be_had)
    return next((run.tags for run in measured if FINGERPRINT_TAG in run.tags), {})
