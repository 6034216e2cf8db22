"""What the table after a sweep says of its runs."""

from odvae.experiment.table import own_settings
from tests.experiment.made_logged import logged_run


def test_a_setting_that_differs_is_told() -> None:
    runs = [logged_run(str(steps), params={"train.steps": str(steps)}) for steps in (70, 80)]
    assert own_settings(runs) == {"70": "train.steps=70", "80": "train.steps=80"}


def test_what_one_run_does_not_tell_is_no_difference() -> None:
    """A run of an older version has no word about fields that came later."""
    runs = [logged_run("older"), logged_run("newer", params={"denoiser.size": "mini"})]
    assert set(own_settings(runs).values()) == {""}


def test_no_runs_no_settings() -> None:
    assert own_settings([]) == {}
