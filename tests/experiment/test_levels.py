"""Runs that differ in the seed alone belong together; what else differs is told."""

from odvae.experiment.levels import by_configuration, tell_apart
from tests.experiment.made_logged import logged_run


def test_seeds_of_one_configuration_are_one_group() -> None:
    runs = [
        logged_run("a", tags={"seed": "10"}, params={"seed": "10"}),
        logged_run("b", tags={"variant": "1"}),
        logged_run("c", tags={"seed": "2"}, params={"seed": "2"}),
    ]
    groups = by_configuration(runs)
    assert [list(group) for group in groups] == [["2", "10"], ["0"]]
    assert [group["0"].run_id for group in groups[1:]] == ["b"]


def test_where_files_are_makes_no_other_configuration() -> None:
    runs = [logged_run("a"), logged_run("b", params={"data.path": "y"}, tags={"seed": "1"})]
    assert len(by_configuration(runs)) == 1


def test_of_equal_runs_the_newest_counts() -> None:
    (group,) = by_configuration(
        [logged_run("old", age_s=9), logged_run("new"), logged_run("a", age_s=1)]
    )
    assert group["0"].run_id == "new"


def test_what_differs_is_told() -> None:
    other = logged_run("a", tags={"variant": "1"})
    assert tell_apart([other, logged_run("b")]) == ["variant 1", "variant 4"]
    other = logged_run("a", tags={"init": "random"}, params={"train.steps": "9"})
    assert tell_apart([other, logged_run("b")]) == [
        "init random, train.steps 9",
        "init tail, train.steps 70",
    ]


def test_a_preset_stands_for_what_it_sets() -> None:
    changed = {"preset": "smoke", "train.steps": "2"}
    other = logged_run("a", tags={"preset": "smoke"}, params=changed)
    assert tell_apart([other, logged_run("b")]) == ["preset smoke", "preset laptop"]


def test_protocols_are_told_by_name() -> None:
    other = logged_run("a", tags={"protocol": "ffffffff", "protocol.name": "wfvae"})
    assert tell_apart([other, logged_run("b")]) == ["protocol.name wfvae", "protocol.name laptop"]


def test_methods_are_told_by_their_titles() -> None:
    tags = {"model": "wan", "variant": "", "operators": "", "weights": "Wan-AI/x"}
    other = logged_run("a", tags=tags, params={"model.width": "16"})
    assert tell_apart([other, logged_run("b")]) == ["Wan", "variant 4, operators paper"]


def test_names_are_never_the_same() -> None:
    tags = {"protocol": "ffffffff"}  # under the same name
    other = logged_run("a" * 32, tags=tags)
    assert tell_apart([other, logged_run("b" * 32)]) == [
        "protocol.name laptop, run aaaaaaaa",
        "protocol.name laptop, run bbbbbbbb",
    ]


def test_one_configuration_is_called_by_its_method() -> None:
    assert tell_apart([logged_run("a")]) == ["variant 4"]
