"""Trials are begun, taken over, pruned and told of; each is counted once, whatever happens."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from optuna.trial import TrialState

from odvae.errors import UserError
from odvae.experiment.study.savings import savings
from odvae.experiment.study.trials import PRUNED_TAG, REASON, RUN_ID, STOPPED_AT
from tests.study.made_studies import Killed, Worker, make_plan, quality, working


def _states(worker: Worker) -> Counter[str]:
    return Counter(trial.state.name for trial in worker.shared.trials())


def test_a_study_ends_with_as_many_trials_as_asked(tmp_path: Path) -> None:
    plan = make_plan("preset=smoke", trials=6)
    with working(plan, tmp_path) as worker:
        assert worker.trials.total == 6
        worker.work()
        assert _states(worker) == {"COMPLETE": 6}
        for trial in worker.shared.trials():
            words = {"train.learning_rate": trial.params["train.learning_rate"]}
            expected = quality({k: str(v) for k, v in trial.params.items()}, 8)
            assert trial.value == pytest.approx(expected["eval/psnr_db"], abs=1e-3), words
            assert list(trial.intermediate_values) == [2, 4, 6, 8]
            assert trial.user_attrs[RUN_ID] in worker.runs.runs
        assert "the best so far" in worker.said.getvalue()
    with working(plan, tmp_path) as again:
        assert again.trials.total == 0
        again.work()
        assert again.names == []


def test_a_job_is_given_the_words_of_its_trial(tmp_path: Path) -> None:
    with working(make_plan("preset=smoke", "seed=3", trials=1), tmp_path) as worker:
        job = worker.trials.next()
        assert job is not None
        rate, variant, *fixed = job.overrides
        assert rate.startswith("train.learning_rate=") and variant.startswith("variant=")
        assert fixed == ["preset=smoke", "seed=3"]
        assert job.name.startswith("trial 0 learning_rate=")


def test_a_killed_worker_costs_no_trial(tmp_path: Path) -> None:
    """Its trials are gone on with: the same numbers, the same values."""
    plan = make_plan(trials=5)
    seen: list[Mapping[str, str]] = []

    def dies(words: Mapping[str, str], step: int) -> dict[str, float]:
        seen.append(words)
        if len(seen) == 7:
            raise Killed
        return quality(words, step)

    with pytest.raises(Killed), working(plan, tmp_path) as worker:
        worker.work(dies)
    with pytest.raises(Killed), working(plan, tmp_path) as worker:
        assert _states(worker) == {"COMPLETE": 1, "RUNNING": 1}
        left = worker.shared.trials()[1].params
        seen.clear()
        worker.work(dies)
    assert float(seen[0]["train.learning_rate"]) == pytest.approx(left["train.learning_rate"], 1e-5)
    assert int(seen[0]["variant"]) == left["variant"]
    with working(plan, tmp_path) as worker:
        worker.work()
        assert _states(worker) == {"COMPLETE": 5}
        assert [trial.number for trial in worker.shared.trials()] == [0, 1, 2, 3, 4]


def test_a_worker_that_died_before_its_trial_had_values(tmp_path: Path) -> None:
    plan = make_plan(trials=2)
    with working(plan, tmp_path) as worker:
        worker.shared.study.ask()
    with working(plan, tmp_path) as worker:
        worker.work()
        assert _states(worker) == {"COMPLETE": 2}


def test_two_workers_share_the_trials(tmp_path: Path) -> None:
    """A living worker's trial is not taken over, and no trial is begun above the number asked."""
    plan = make_plan(trials=4)
    with working(plan, tmp_path) as one, working(plan, tmp_path) as other:
        first = one.trials.next()
        assert first is not None
        other.work()
        assert len(other.names) == 3
        one.run(first, quality)
        one.work()
        assert one.names == [first.name]
        assert _states(one) == _states(other) == {"COMPLETE": 4}
        assert len({trial.params["train.learning_rate"] for trial in one.shared.trials()}) == 4


@pytest.mark.parametrize("name", ["median", "percentile", "hyperband"])
def test_a_trial_that_promises_little_is_given_up(tmp_path: Path, name: str) -> None:
    plan = make_plan(trials=20, pruner={"name": name, "startup_trials": 3}, sampler="random")
    with working(plan, tmp_path) as worker:
        worker.work()
        states = _states(worker)
        assert states["PRUNED"] + states["COMPLETE"] == 20 and states["PRUNED"] >= 3
        pruned = [t for t in worker.shared.trials() if t.state is TrialState.PRUNED]
        for trial in pruned:
            assert trial.user_attrs[STOPPED_AT] == trial.last_step != 8
            run = worker.runs.get(trial.user_attrs[RUN_ID])
            assert run.tags[PRUNED_TAG] == "true"
            assert not (tmp_path / "runs" / run.tags["odvae.key"] / "checkpoints").exists()
        saved = savings(worker.shared.trials())
        left = sum(8 - trial.user_attrs[STOPPED_AT] for trial in pruned)
        assert (saved.trials, saved.steps, saved.all_steps) == (len(pruned), left, 160)
        assert saved.seconds == pytest.approx(left / 4)  # at 4 steps a second
        best = worker.shared.study.best_trial
        assert best.state is TrialState.COMPLETE
        kept = worker.runs.get(best.user_attrs[RUN_ID])
        assert PRUNED_TAG not in kept.tags


def test_none_is_pruned_before_the_warm_up(tmp_path: Path) -> None:
    pruner = {"name": "median", "startup_trials": 2, "warmup_steps": 6}
    with working(make_plan(trials=20, pruner=pruner), tmp_path) as worker:
        worker.work()
        stopped = {trial.user_attrs.get(STOPPED_AT) for trial in worker.shared.trials()}
        assert stopped == {None, 6}


def test_failed_trials_are_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    def fails(words: Mapping[str, str], step: int) -> dict[str, float]:
        if words["variant"] == "2":
            raise ArithmeticError("variant 2 is out of memory")
        if words["variant"] == "1" and step == 8:
            return quality(words, step) | {"eval/psnr_db": float("nan")}
        return quality(words, step)

    with working(make_plan(trials=20, sampler="random"), tmp_path) as worker:
        worker.work(fails)
        by_variant = {trial.params["variant"]: trial for trial in worker.shared.trials()}
        assert by_variant[2].state is by_variant[1].state is TrialState.FAIL
        assert by_variant[2].user_attrs[REASON] == "failed: odvae: variant 2 is out of memory"
        assert by_variant[1].user_attrs[REASON] == "eval/psnr_db is nan"
        assert by_variant[4].state is TrialState.COMPLETE
        assert sum(_states(worker).values()) == 20
        assert not worker.trials.has_given_up


def test_a_study_whose_every_run_fails_is_not_used_up(tmp_path: Path) -> None:
    def fails(words: Mapping[str, str], step: int) -> dict[str, float]:
        raise ArithmeticError("no space left on device")

    plan = make_plan(trials=20)
    with working(plan, tmp_path) as worker:
        worker.work(fails)
        assert worker.trials.has_given_up
        assert _states(worker) == {"FAIL": 5}
    with working(plan, tmp_path) as worker:
        worker.work()
        assert _states(worker) == {"FAIL": 5, "COMPLETE": 15}


def test_an_objective_that_runs_do_not_log_ends_the_study(tmp_path: Path) -> None:
    plan = make_plan(objectives=[{"metric": "eval/psnr"}])
    with (
        working(plan, tmp_path) as worker,
        pytest.raises(
            UserError, match="trial 0: its run logged no eval/psnr; did you mean eval/ps"
        ),
    ):
        worker.work()


def test_several_objectives_have_a_front(tmp_path: Path) -> None:
    def trade(words: Mapping[str, str], step: int) -> dict[str, float]:
        return {"eval/psnr_db": float(words["variant"]), "cost/wall_s": float(words["variant"])}

    objectives = [
        {"metric": "eval/psnr_db"},
        {"metric": "cost/wall_s", "direction": "minimize"},
    ]
    plan = make_plan(space={"variant": {"choices": [1, 2, 4]}}, objectives=objectives, trials=6)
    with working(plan, tmp_path) as worker:
        worker.work(trade)
        fronts = {tuple(trial.values) for trial in worker.shared.study.best_trials}
        assert fronts <= {(1.0, 1.0), (2.0, 2.0), (4.0, 4.0)}
        assert len(worker.shared.study.best_trials) == 6
