"""Words to runs, and what is said of words that find none."""

import pytest

from odvae.comparison.find_runs import Filter, find_runs
from odvae.errors import UserError
from odvae.tracking import LoggedRun
from tests.experiment.made_logged import logged_run


def _run(run_id: str, variant: str, seed: str, init: str = "tail") -> LoggedRun:
    tags = {"variant": variant, "seed": seed, "init": init, "mlflow.user": "me"}
    return logged_run(run_id, tags=tags, name=f"variant={variant} seed={seed}")


RUNS = [
    _run("aaaa1111", "1", "0"),
    _run("aaaa2222", "4", "0"),
    _run("bbbb3333", "4", "1"),
    _run("cccc4444", "4", "0", init="random"),
    logged_run("dddd5555", tags={"task": "benchmark", "variant": "2"}),
    logged_run("eeee6666", tags={"variant": "3"}, name="broken", status="FAILED"),
]


def _found(*words: str) -> list[str]:
    return [run.run_id for run in find_runs(RUNS, words)]


def test_by_id_and_by_its_beginning() -> None:
    assert _found("bbbb3333", "aaaa1") == ["bbbb3333", "aaaa1111"]


def test_by_name() -> None:
    assert _found("variant=1 seed=0") == ["aaaa1111"]


def test_a_name_of_several_runs_is_refused_unless_they_are_the_same() -> None:
    with pytest.raises(UserError, match=r"2 different runs are called so; name ids: \w+, \w+"):
        find_runs(RUNS, ["variant=4 seed=0"])  # one of them is of another initialisation
    twice = [_run("aaaa1111", "1", "0"), _run("ffff1111", "1", "0")]
    assert len(find_runs(twice, ["variant=1 seed=0"])) == 2


def test_filters_hold_together_and_order() -> None:
    assert _found("variant=4,1", "init=tail") == ["aaaa2222", "bbbb3333", "aaaa1111"]
    assert _found("variant=1,4", "init=tail") == ["aaaa1111", "aaaa2222", "bbbb3333"]
    assert _found("train.steps=70", "init=random") == ["cccc4444"]  # a parameter


def test_runs_and_filters_add_up() -> None:
    assert _found("cccc4444", "variant=1") == ["cccc4444", "aaaa1111"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("variant=", "a filter is NAME=VALUE or NAME=VALUE,VALUE, got variant="),
        ("variant=1,,4", "a filter is NAME=VALUE"),
        ("=4", "a filter is NAME=VALUE"),
        (
            "varient=4",
            "varient is neither tag nor parameter .* did you mean variant.* tags are data",
        ),
        ("init=tial", "no finished run has init=tial; there are random, tail"),
        ("variant=2", "no finished run has variant=2; there are 1, 4"),  # a benchmark's
        ("zzzz", "zzzz is neither id nor name of a finished run, nor a filter"),
        ("aaaa", "aaaa: 2 ids begin so: aaaa1111, aaaa2222"),
        ("eeee6666", "eeee6666: run eeee6666 is not finished, but FAILED"),
        ("brokem", "brokem is neither .*did you mean broken"),
    ],
)
def test_mistakes_name_what_is_allowed(word: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        find_runs(RUNS, [word])


def test_filters_without_a_run_in_common() -> None:
    with pytest.raises(UserError, match="no finished run has variant=1 init=random"):
        find_runs(RUNS, ["variant=1", "init=random"])


def test_no_runs_at_all() -> None:
    with pytest.raises(UserError, match="no finished trainings or evaluations"):
        find_runs([RUNS[4]], ["variant=1"])


def test_mlflows_own_tags_are_no_filter() -> None:
    with pytest.raises(UserError, match="is neither tag nor parameter"):
        find_runs([RUNS[0]], ["mlflow.user=me"])


def test_a_filter_keeps_its_order_once() -> None:
    assert Filter.parse("variant=4,1,4") == Filter("variant", ("4", "1"))
