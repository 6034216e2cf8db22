"""Sweep tables over seeds: mean, and Student's interval where it means something."""

import io
import math

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import t

from odvae.experiment.seeds_table import over_seeds, print_over_seeds
from odvae.experiment.student import half_width
from odvae.tracking import LoggedRun
from tests.experiment.made_logged import logged_run


def _runs(values: list[float], *, variant: str = "4") -> list[LoggedRun]:
    return [
        logged_run(
            f"{variant}{seed}",
            tags={"seed": str(seed), "variant": variant},
            metrics={"eval/psnr_db": value, "eval/lpips_alex": 0.5, "eval/psnr_db_by_frame": 1.0},
        )
        for seed, value in enumerate(values)
    ]


def test_half_width_is_students() -> None:
    values = [20.1, 20.7, 19.8, 20.4]
    low, high = t.interval(0.95, df=3, loc=0, scale=np.std(values, ddof=1) / 2)
    assert float(half_width(np.std(values, ddof=1), 4)) == pytest.approx(high)
    assert low == pytest.approx(-high)


def test_half_width_of_several_at_once() -> None:
    widths = half_width([1.0, 1.0, 0.0], [3, 2, 5])
    assert widths[0] == pytest.approx(4.302652729911275 / math.sqrt(3))
    assert np.isnan(widths[1])
    assert widths[2] == 0


def test_a_row_a_configuration() -> None:
    summary = over_seeds(_runs([20.0, 21.0, 22.0]) + _runs([19.0, 20.0], variant="1"))
    assert summary.columns == ["over seeds", "seeds", "PSNR dB", "lpips_alex"]
    assert summary.rows == [
        ["variant 4", "3", "21.00 ± 2.48", "0.5000 ± 0.0000"],
        ["variant 1", "2", "19.50", "0.5000"],
    ]


def test_a_distance_of_too_few_clips_says_so() -> None:
    deficient = {"frechet_rank_deficient": "True"}
    runs = [
        logged_run(seed, tags={"seed": seed, **deficient}, metrics={"eval/fvd": 9.0})
        for seed in ("0", "1")
    ]
    assert over_seeds(runs).columns[-1] == "fvd rank-deficient"


def test_runs_that_failed_take_no_part() -> None:
    runs = [*_runs([20.0, 21.0]), logged_run("x", tags={"seed": "7"}, status="FAILED")]
    assert over_seeds(runs).rows[0][1] == "2"


def test_nothing_is_printed_without_a_second_seed() -> None:
    text = io.StringIO()
    console = Console(file=text, width=120)
    assert print_over_seeds(_runs([20.0]) + _runs([19.0], variant="1"), console) == {}
    assert print_over_seeds([], console) == {}
    assert text.getvalue() == ""
    printed = print_over_seeds(_runs([20.0, 21.0, 22.0]), console)
    assert list(printed) == ["over_seeds"]
    assert "21.00 ± 2.48" in text.getvalue()
