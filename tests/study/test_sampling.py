"""Every sampler gives trials inside the space, none twice for the same seed and number."""

from pathlib import Path
from typing import Any

import pytest

from odvae.experiment.study.config import Sampler
from tests.study.made_studies import make_plan, quality, working

GRID: dict[str, Any] = {
    "train.learning_rate": {"choices": [1e-5, 1e-4]},
    "variant": {"low": 1, "high": 3},
}


@pytest.mark.parametrize("sampler", list(Sampler))
def test_every_sampler_gives_trials_of_the_space(tmp_path: Path, sampler: Sampler) -> None:
    plan = make_plan(space=GRID, sampler=sampler.value, trials=12, seed=1)
    count = 6 if sampler is Sampler.grid else 12
    assert plan.trials == count
    with working(plan, tmp_path) as worker:
        worker.work()
        trials = worker.shared.trials()
    assert len(trials) == count
    assert {trial.params["train.learning_rate"] for trial in trials} == {1e-5, 1e-4}
    assert {trial.params["variant"] for trial in trials} <= {1, 2, 3}
    if sampler is Sampler.grid:
        assert len({tuple(trial.params.items()) for trial in trials}) == count


@pytest.mark.parametrize("sampler", [Sampler.tpe, Sampler.nsga2])
def test_several_objectives(tmp_path: Path, sampler: Sampler) -> None:
    objectives = [{"metric": "eval/psnr_db"}, {"metric": "cost/train_steps_per_s"}]
    plan = make_plan(objectives=objectives, sampler=sampler.value, trials=12)
    with working(plan, tmp_path) as worker:
        worker.work(quality)
        assert all(len(trial.values) == 2 for trial in worker.shared.trials())


def test_what_is_proposed_depends_on_seed_and_number_alone(tmp_path: Path) -> None:
    """So a study that was killed between trials goes on as if it had not been."""

    def proposed(folder: str, *, seed: int, kills: bool) -> list[dict[str, Any]]:
        plan = make_plan(sampler="random", trials=6, seed=seed)
        for _ in range(6 if kills else 1):
            with working(plan, tmp_path / folder) as worker:
                worker.work(at_most=1 if kills else 6)
                params = [trial.params for trial in worker.shared.trials()]
        return params

    whole = proposed("whole", seed=0, kills=False)
    assert proposed("killed", seed=0, kills=True) == whole
    assert proposed("other", seed=1, kills=False) != whole
    assert len({params["train.learning_rate"] for params in whole}) == 6
