"""What a configuration says of a space, and what a run is told of a value."""

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString

from odvae.compose import compose_run
from odvae.errors import UserError
from odvae.experiment.study.space import (
    Choice,
    Range,
    Space,
    Value,
    edges,
    grid,
    read_space,
    shown,
    word,
)
from tests.study.made_studies import GROUPS, make_plan


def test_ranges_and_choices_of_fields_and_groups() -> None:
    space = read_space(
        {
            "train": {
                "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True},
                "steps": {"low": 10, "high": 47, "step": 10},
            },
            "model.width": {"low": 8, "high": 64, "log": True},
            "losses.adversarial.start_step": {"choices": [None, 4]},
            "init": {"choices": ["tail", "random"]},
        },
        GROUPS,
    )
    assert space == {
        "train.learning_rate": Range(low=1e-5, high=1e-3, log=True),
        "train.steps": Range(low=10, high=40, step=10, whole=True),
        "model.width": Range(low=8, high=64, log=True, whole=True),
        "losses.adversarial.start_step": Choice((None, 4)),
        "init": Choice(("tail", "random")),
    }
    assert space["train.steps"].points == (10, 20, 30, 40)


def test_edges_are_the_first_values_and_then_one_other_each() -> None:
    rates, inits = Range(low=1e-5, high=1e-3), Choice(("tail", "random"))
    space: Space = {"train.learning_rate": rates, "init": inits}
    assert edges(space) == [
        ["train.learning_rate=1e-05", "init=tail"],
        ["train.learning_rate=0.001", "init=tail"],
        ["train.learning_rate=1e-05", "init=random"],
    ]


def test_a_grid_is_every_combination_once() -> None:
    space: Space = {
        "train.ema_decay": Range(low=0.1, high=0.3, step=0.1),
        "variant": Range(low=1, high=2, whole=True),
        "init": Choice(("tail", "random")),
    }
    points = grid(space)
    assert len(points) == len({tuple(point.items()) for point in points}) == 12
    assert points[1] == {"train.ema_decay": 0.1, "variant": 1, "init": "random"}
    assert word("train.ema_decay", points[-1]["train.ema_decay"]) == "train.ema_decay=0.3"


def test_words_say_values_to_a_run() -> None:
    values: dict[str, Value] = {
        "losses.adversarial.start_step": None,
        "trainer.compile": True,
        "model.width": 48,
        "model.norm_groups": "channels/8",
        "train.learning_rate": 1.5e-5,
        "train.batch": 100000,
        "data.path": "it's a 'folder', with = and [all]",
    }
    words = [word(name, value) for name, value in values.items()]
    fields = compose_run(["preset=smoke", "data=folder", *words]).flat()
    assert {name: fields[name] for name in values} == values


@pytest.mark.parametrize(
    "text",
    ["", " ", "12", "null", "true", "1e5", "a\\b", "end\\", "it\\'s", "'", "{a:1}", "ünï/x-y.z"],
)
def test_text_stays_text(text: str) -> None:
    (override,) = OverridesParser.create().parse_overrides([word("field", text)])
    value = override.value()
    assert (value.text if isinstance(value, QuotedString) else value) == text


def test_what_a_person_is_shown() -> None:
    values = (0.000123456, None, "a b", 3, True)
    assert [shown(value) for value in values] == ["0.000123", "null", "'a b'", "3", "true"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "hydra.sweeper.space is empty"),
        ({"train.learning_rat": {"low": 1, "high": 2}}, "did you mean train.learning_rate"),
        ({"train": {"learning_rate": 3}}, "train.learning_rate must be low and high, or choices"),
        ({"train.batch": {"low": 1, "hi": 2}}, "train.batch.hi must be one of low, high"),
        ({"train.batch": {"low": 1}}, "train.batch.high must be a whole number, got None"),
        ({"train.batch": {"low": 1.5, "high": 3}}, "train.batch.low must be a whole number"),
        ({"train.batch": {"low": 3, "high": 3}}, "train.batch.high must be above low=3, got 3"),
        ({"train.ema_decay": {"low": 0, "high": 0.9, "log": True}}, "low must be above 0 with log"),
        ({"train.ema_decay": {"low": 0, "high": 0.9, "step": 2}}, "step must fit between low"),
        ({"train.ema_decay": {"low": 0, "high": 0.9, "log": "yes"}}, "log must be true or false"),
        ({"train.ema_decay": {"low": 0, "high": float("nan")}}, "high must be a number, got nan"),
        ({"train.ema_decay": {"low": 0, "choices": [1]}}, "must be a range or choices, got both"),
        ({"operators": {"low": 0, "high": 1}}, "operators: low and high are for numbers"),
        ({"init": {"low": 0, "high": 1}}, "init: low and high are for numbers"),
        ({"variant": {"choices": []}}, "variant.choices must be a list of different values"),
        ({"variant": {"choices": [1, 1]}}, "variant.choices must be a list of different values"),
        ({"variant": {"choices": [[1]]}}, "variant.choices must be a list of different values"),
    ],
)
def test_what_makes_no_sense_is_named(given: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError) as error:
        read_space(given, GROUPS)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"trials": 0}, "hydra.sweeper.trials must be at least 1, got 0"),
        ({"seed": -1}, "hydra.sweeper.seed must be at least 0"),
        ({"name": "a/b"}, "hydra.sweeper.name must be letters"),
        ({"storage": "sqlite:///x.db"}, "hydra.sweeper.storage must be null"),
        ({"objectives": []}, "hydra.sweeper.objectives must be different metrics"),
        ({"pruner": {"percentile": 0}}, "hydra.sweeper.pruner.percentile must be above 0"),
        ({"pruner": {"warmup_steps": -1}}, "hydra.sweeper.pruner.warmup_steps must be at least 0"),
        (
            {"objectives": [{"metric": "cost/wall_s"}], "pruner": {"name": "median"}},
            "cost/wall_s is not known while a trial trains",
        ),
        (
            {"objectives": [{"metric": "a"}, {"metric": "b"}], "pruner": {"name": "hyperband"}},
            "a study of several objectives prunes no trials",
        ),
        ({"sampler": "grid"}, "train.learning_rate: hydra.sweeper.sampler=grid needs its choices"),
    ],
)
def test_what_cannot_be_searched_is_named(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError) as error:
        make_plan(**fields)
    assert expected in str(error.value)


def test_labels_are_as_short_as_they_can_be_told_apart_by() -> None:
    rates = {"low": 1e-5, "high": 1e-3}
    space = {
        "train": {"learning_rate": rates, "batch": {"choices": [2]}},
        "losses": {"adversarial": {"learning_rate": rates, "weight": rates}},
        "variant": {"choices": [1, 2]},
    }
    plan = make_plan(space=space)
    assert list(plan.labels.values()) == [
        *("train.learning_rate", "batch", "adversarial.learning_rate", "weight", "variant")
    ]
    assert "train.batch" not in plan.varied
