"""Tables and plots are of one protocol, which stands above them."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from odvae.experiment.plot import comparison_png
from odvae.experiment.protocols import by_protocol, heading
from odvae.experiment.table import summarise
from odvae.experiment.tables import print_tables
from odvae.tracking import LoggedRun

RUN = LoggedRun(
    run_id="0",
    name="a run",
    parent_id=None,
    status="FINISHED",
    params={},
    tags={"task": "evaluate", "model": "odvae", "variant": "4", "init": "checkpoint"},
    metrics={"eval/psnr_db": 21.0, "eval/ssim": 0.5, "reference/bicubic_8x/psnr_db": 19.5},
    datasets={},
    started=datetime(2025, 1, 1, tzinfo=UTC),
)


def of(name: str, fingerprint: str, *, psnr_db: float = 21.0) -> LoggedRun:
    known = {"protocol": fingerprint, "protocol.name": name, "protocol.facts": f"facts of {name}"}
    metrics = RUN.metrics | {"eval/psnr_db": psnr_db}
    return replace(RUN, run_id=f"{name} {psnr_db}", tags=RUN.tags | known, metrics=metrics)


def printed(runs: list[LoggedRun]) -> tuple[str, list[str]]:
    """What is printed, and the names of the tables."""
    out = io.StringIO()
    tables = print_tables(runs, Console(file=out, width=200))
    return out.getvalue(), list(tables)


def test_runs_of_other_fingerprints_are_printed_apart() -> None:
    runs = [of("odvae", "aaaaaaaa"), of("wfvae", "bbbbbbbb", psnr_db=22.5), of("odvae", "aaaaaaaa")]
    text, names = printed(runs)
    assert names == ["summary_odvae_aaaaaaaa", "summary_wfvae_bbbbbbbb"]
    first, second = text.split("Protocol wfvae bbbbbbbb: facts of wfvae")
    assert first.lstrip().startswith("Protocol odvae aaaaaaaa: facts of odvae")
    assert first.count("21.00") == 2 and "22.50" not in first
    assert second.count("22.50") == 1 and "21.00" not in second
    assert first.count("bicubic 8x") == second.count("bicubic 8x") == 1


def test_equal_fingerprints_stand_in_one_table_whatever_their_names() -> None:
    text, names = printed([of("odvae", "aaaaaaaa"), of("mine", "aaaaaaaa")])
    assert names == ["summary"]
    assert text.count("Protocol ") == 1


def test_what_has_no_protocol_stands_with_the_first() -> None:
    papers = replace(RUN, tags=RUN.tags | {"model": "tats", "protocol.name": "odvae"})
    failed = replace(RUN, status="FAILED")
    groups = by_protocol([papers, of("odvae", "a"), failed, of("wfvae", "b")])
    assert [[run.tags.get("protocol", "") for run in group] for group in groups] == [
        ["", "a", ""],
        ["b"],
    ]
    assert heading(groups[0]) == "Protocol odvae a: facts of odvae"
    assert heading([failed]) == "" and by_protocol([]) == []
    assert summarise(groups[0]).rows[0][0].startswith("TATS")


def test_one_table_or_plot_never_holds_two(tmp_path: Path) -> None:
    runs = [of("odvae", "a"), of("wfvae", "b")]
    with pytest.raises(ValueError, match="numbers of several protocols do not compare"):
        summarise(runs)
    with pytest.raises(ValueError, match="do not compare"):
        comparison_png(runs, tmp_path / "x.png")


def test_a_distance_of_too_few_clips_is_marked() -> None:
    run = replace(of("odvae", "a"), metrics={"eval/psnr_db": 21.0, "eval/fvd": 3.0})
    assert "fvd" in summarise([run]).columns
    few = replace(run, tags=run.tags | {"frechet_rank_deficient": "True"})
    assert "fvd rank-deficient" in summarise([few]).columns
    assert "PSNR dB" in summarise([few]).columns
