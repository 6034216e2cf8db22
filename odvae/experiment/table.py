"""The summary of runs: one row each, above the references that say what a number is worth."""

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from odvae.experiment.protocols import fingerprint
from odvae.metrics import REFERENCES
from odvae.tracking import LoggedRun
from odvae.vaes.methods import Method, method_of, rival_label

FIRST_SCORES = ("psnr_db", "ssim")
_COSTS = {
    "encode_clips_per_s": "encode clips/s",
    "decode_clips_per_s": "decode clips/s",
    "peak_memory_mb": "peak MB",
    "wall_s": "wall s",
}
_SETTING_TAGS = ("task", "preset", "operators", "tiling", "data", "image_vae")
_COLUMNS_OF_THEIR_OWN = {
    *("variant", "init.how", "seed", "parameters", "rerun", "output_dir"),
    *("model.name", "checkpoint", *(f"weights.{method.value}" for method in Method)),
    *("task", "operators", "tiling.mode", "data.source", "image_vae.source"),  # tags tell of these
    "metrics.protocol.name",
}
_WIDTH = 200  # the table takes what it needs; a narrower terminal wraps its lines
TITLES = {"psnr_db": "PSNR dB", "ssim": "SSIM"}
_PAPERS = {"psnr_db": "psnr", "ssim": "ssim"}  # ours, and the paper's of the same definition
PAPERS_DATA = "WebVid-10M val"


@dataclass(frozen=True)
class Summary:
    """Columns and rows of text; empty where a number was not computed."""

    columns: list[str]
    rows: list[list[str]]

    def csv(self) -> str:
        """As comma-separated values."""
        text = io.StringIO()
        csv.writer(text).writerows([self.columns, *self.rows])
        return text.getvalue()

    def print(self, console: Console) -> None:
        """As a table."""
        table = Table(header_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for index, column in enumerate(self.columns):
            title = re.sub("[_ ]", "\n", column) if index else column  # narrow, still the full name
            table.add_column(title, justify="right" if index else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        wide = Console(file=console.file, width=max(console.width, _WIDTH))
        wide.print(table)


def summarise(runs: Sequence[LoggedRun]) -> Summary:
    """A row per run, then a row for the image VAE and for each reference of the same clips.

    Raises:
        ValueError: the runs are of several protocols, whose numbers do not compare.
    """
    fingerprint(runs)
    scores = _score_names(runs)
    own = own_settings(runs)
    others = ["other settings"] if any(own.values()) else []
    ratio = ["VCPR"] if len({method_of(run.tags) for run in runs}) > 1 else []
    head = ["run", "init", "seed", *others, "parameters M", *ratio, "PSNR dB at step 0"]
    titles = [title(name, runs) for name in scores]
    rows = []
    for run in runs:
        left = [label(run), run.tags.get("init", ""), run.tags.get("seed", "")]
        extra = [own[run.run_id]] if others else []
        rows.append([*left, *extra, *_numbers(run, scores, with_ratio=bool(ratio))])
    rows += _reference_rows(runs, scores, left=len(head) - 1)
    return Summary([*head, *titles, *_COSTS.values()], rows)


def own_settings(runs: Sequence[LoggedRun]) -> dict[str, str]:
    """By run: what sets it apart from others of these, less what has a column of its own."""
    measured = [run for run in runs if method_of(run.tags).row.to_be_had]
    differing = [tag for tag in _SETTING_TAGS if len(_values(measured, tag)) > 1]
    words = {run.run_id: [f"{tag}={run.tags.get(tag)}" for tag in differing] for run in measured}
    if "preset" not in differing:  # a preset's name stands for all that it sets
        # What a run does not tell, an older one say, does not set others apart from it.
        told = set.intersection(*(set(run.params) for run in measured)) if measured else set()
        for name in sorted(told - _COLUMNS_OF_THEIR_OWN):
            if len({run.params[name] for run in measured}) > 1:
                for run in measured:
                    words[run.run_id].append(f"{name}={run.params[name]}")
    for run in measured:
        same = [other for other in measured if method_of(other.tags) is method_of(run.tags)]
        if len(_values(same, "weights")) > 1:
            words[run.run_id].append(f"weights={run.tags.get('weights')}")
    return {run.run_id: " ".join(words.get(run.run_id, [])) for run in runs}


def title(score: str, runs: Sequence[LoggedRun]) -> str:
    """What a column is called; a distance of too few clips for its covariances says so."""
    is_of_sets = score.startswith(("fvd", "frechet"))
    deficient = any(run.tags.get("frechet_rank_deficient") == "True" for run in runs)
    mark = " rank-deficient" if is_of_sets and deficient else ""
    return TITLES.get(score, score) + mark


def _values(runs: Sequence[LoggedRun], tag: str) -> set[str]:
    """What a tag is, in the runs to which it applies."""
    return {run.tags[tag] for run in runs if run.tags.get(tag)}


def label(run: LoggedRun) -> str:
    """What a run is called in tables and plots."""
    status = "" if run.status == "FINISHED" else f" ({run.status.lower()})"
    match method_of(run.tags):
        case Method.odvae:
            return f"variant {run.tags.get('variant', '?')}{status}"
        case rival if rival.row.to_be_had:
            return f"{rival_label(run.tags)}{status}"
        case rival:
            return f"{rival.row.title}: the paper's, {PAPERS_DATA}{status}"


def _numbers(run: LoggedRun, scores: list[str], *, with_ratio: bool) -> list[str]:
    if not method_of(run.tags).row.to_be_had:
        return _papers_numbers(run, scores, with_ratio=with_ratio)
    ratio = [number(run.metrics.get("cost/vcpr"), digits=0)] if with_ratio else []
    return [
        number(run.metrics.get("cost/parameters_millions"), digits=2),
        *ratio,
        number(run.metrics.get("zero_step/psnr_db"), digits=2),
        *(_score(run.metrics.get(f"eval/{name}"), name) for name in scores),
        *(number(run.metrics.get(f"cost/{name}"), digits=_cost_digits(name)) for name in _COSTS),
    ]


def _papers_numbers(run: LoggedRun, scores: list[str], *, with_ratio: bool) -> list[str]:
    """What the paper says of a method that cannot be measured; its LPIPS has no column here."""
    dataset = PAPERS_DATA.replace(" ", "_")
    known = {name: run.metrics.get(f"paper/{dataset}/{short}") for name, short in _PAPERS.items()}
    ratio = [number(run.metrics.get("paper/model/vcpr"), digits=0)] if with_ratio else []
    return [
        number(run.metrics.get("paper/model/params"), digits=2),
        *ratio,
        "",
        *(_score(known.get(name), name) for name in scores),
        *("" for _ in _COSTS),
    ]


def _reference_rows(runs: Sequence[LoggedRun], scores: list[str], *, left: int) -> list[list[str]]:
    labels = {"image_vae": "image VAE"}
    labels |= {f"reference/{name}": name.replace("_", " ") for name in REFERENCES}
    rows = []
    for prefix, label in labels.items():
        # Random initialisation knows no image VAE.
        run = next((r for r in runs if f"{prefix}/psnr_db" in r.metrics), None)
        if run is not None:
            values = [_score(run.metrics.get(f"{prefix}/{name}"), name) for name in scores]
            rows.append([label, *[""] * left, *values, *[""] * len(_COSTS)])
    return rows


def _score_names(runs: Sequence[LoggedRun]) -> list[str]:
    return [*FIRST_SCORES, *sorted(logged_scores(runs) - set(FIRST_SCORES))]


def logged_scores(runs: Sequence[LoggedRun]) -> set[str]:
    """Names of the scores that any of these runs logged of its evaluation."""
    return {
        key.removeprefix("eval/")
        for run in runs
        for key in run.metrics
        if key.startswith("eval/") and not key.endswith("_by_frame")
    }


def _cost_digits(name: str) -> int:
    return 2 if name.endswith("per_s") else 0


def _score(value: float | None, name: str) -> str:
    return number(value, digits=2 if name == "psnr_db" else 4)


def number(value: float | None, *, digits: int) -> str:
    """A number as a cell; empty for none."""
    if value is None:
        return ""
    return f"{value:.{digits}f}" if math.isfinite(value) else str(value)
