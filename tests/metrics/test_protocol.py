"""A protocol is a row of data: what it leaves open and refuses, what its fingerprint covers."""

import json
from dataclasses import fields, replace
from enum import Enum
from typing import Any

import pytest

from odvae.clip_terms import ClipStart, ResizeFilter, Rounding
from odvae.compose import compose_run
from odvae.config import RunConfig
from odvae.errors import UserError
from odvae.metrics import (
    LpipsBackbone,
    LpipsMode,
    PosteriorPoint,
    ProtocolConfig,
    Stamp,
    protocol,
)

ROWS = ("laptop", "odvae", "opensora_plan", "vidtok", "wfvae")


def composed(*words: str) -> RunConfig:
    return compose_run(["preset=smoke", *words])


def stamp(row: ProtocolConfig) -> Stamp:
    return Stamp(protocol=row, clips=3, manifest="m", networks=("lpips_alex", "fvd"))


def test_the_default_is_the_clips_that_train() -> None:
    config = composed()
    assert config.protocol.name == "laptop"
    assert config.evaluation_data == config.data
    assert (config.protocol.clip_frames, config.protocol.size_px) == (5, 32)


@pytest.mark.parametrize("name", ROWS[1:])
def test_a_published_protocol_leaves_only_the_number_of_clips_to_the_run(name: str) -> None:
    own = composed(f"metrics/protocol={name}").metrics.protocol
    assert own.name == name
    left = {field.name for field in fields(own) if getattr(own, field.name) is None}
    assert left - {"mpeg4_bits_per_px"} == {
        "eval_clips",
        "frame_stride" if name == "vidtok" else "fps",
    }


def test_the_papers_row() -> None:
    config = composed("metrics/protocol=odvae")
    clips = config.evaluation_data
    assert (clips.clip_frames, clips.size_px, clips.short_side_px) == (33, 256, 256)
    assert clips.frame_stride == 1 and config.data.frame_stride == 2
    assert config.data.clip_frames == 5  # what trains is as before
    row = config.protocol
    assert (row.start, row.posterior, row.rounding) == (
        ClipStart.first,
        PosteriorPoint.mode,
        Rounding.exact,
    )
    assert row.lpips == [LpipsBackbone.alex] and row.lpips_mode is LpipsMode.mean
    assert row.mpeg4_bits_per_px is None


def test_the_row_of_a_lossy_evaluator() -> None:
    row = composed("metrics/protocol=opensora_plan").protocol
    assert row.posterior is PosteriorPoint.sample and row.rounding is Rounding.down
    assert row.mpeg4_bits_per_px == 1.5
    assert row.lpips_mode is LpipsMode.spatial
    assert row.resize is ResizeFilter.bilinear_antialias


def test_any_field_of_a_row_can_be_set() -> None:
    own = ["clip_frames=9", "size_px=64", "short_side_px=80", "lpips=[]", "start=spread"]
    words = [f"metrics.protocol.{word}" for word in own]
    row = composed("metrics/protocol=odvae", *words).protocol
    assert (row.clip_frames, row.size_px, row.short_side_px, row.lpips) == (9, 64, 80, [])
    assert row.start is ClipStart.spread and row.frame_stride == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("clip_frames=0", "metrics.protocol.clip_frames must be null or at least 1, got 0"),
        ("eval_clips=-1", "metrics.protocol.eval_clips must be null or at least 1, got -1"),
        ("size_px=20", "metrics.protocol.size_px must be null or a multiple of 8 and at least 16"),
        ("size_px=8", "at least 16, got 8"),
        ("fps=0", "metrics.protocol.fps must be null or above 0, got 0"),
        ("mpeg4_bits_per_px=-1", "metrics.protocol.mpeg4_bits_per_px must be null or above 0"),
        ("mpeg4_bits_per_px=1", "metrics.protocol.rounding must be nearest or down"),
        ("lpips=[alex,alex]", "metrics.protocol.lpips must name each network once"),
        ("short_side_px=24", "metrics.protocol.short_side_px must be at least the 32 px of"),
        ("size_px=48", "got 40, that of data"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(wrong: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        composed(f"metrics.protocol.{wrong}")
    assert said in str(error.value)


def test_a_rate_and_a_stride_exclude_each_other() -> None:
    with pytest.raises(UserError, match=r"metrics\.protocol\.fps=30 stands in place of"):
        composed("metrics.protocol.fps=30", "metrics.protocol.frame_stride=2")
    config = composed("metrics.protocol.fps=30")  # data.frame_stride is 2
    assert config.protocol.frame_stride is None and config.evaluation_data.frame_stride == 1


def test_the_fingerprint_changes_with_every_field_that_says_what_a_number_is() -> None:
    row = composed("metrics/protocol=opensora_plan").protocol
    known = stamp(row).fingerprint
    assert len(known) == 8 and int(known, 16) >= 0
    same = {field.name for field in fields(row) if _changed(row, field.name).fingerprint == known}
    assert same == {"name", "eval_clips"}  # which clips they are is in the manifest


def _changed(row: ProtocolConfig, name: str) -> Stamp:
    """Its stamp with another value in a field, in range or not."""
    changed = replace(row)
    setattr(changed, name, _other(getattr(row, name)))
    return stamp(changed)


def _other(value: Any) -> Any:
    match value:
        case Enum():
            return next(one for one in type(value) if one is not value)
        case list():
            return value[1:]
        case str():
            return value + "_other"
        case None:
            return 3
    return value + 1


def test_the_fingerprint_covers_clips_networks_and_definitions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = stamp(ProtocolConfig())
    others = [
        replace(known, manifest="another"),
        replace(known, networks=("lpips_vgg", "fvd")),
        replace(known, networks=()),
    ]
    prints = {one.fingerprint for one in (known, *others)}
    assert len(prints) == 4
    assert replace(known, networks=("fvd", "lpips_alex")).fingerprint == known.fingerprint
    monkeypatch.setitem(protocol.DEFINITIONS, "ssim", "another window")
    assert known.fingerprint not in prints


def test_the_artifact_says_everything() -> None:
    config = composed("metrics/protocol=wfvae")
    told = json.loads(stamp(config.protocol).to_json())
    assert told["name"] == "wfvae" and told["fingerprint"] == stamp(config.protocol).fingerprint
    assert set(told["fields"]) == {field.name for field in fields(ProtocolConfig)}
    assert told["fields"]["lpips"] == ["alex"] and told["fields"]["rounding"] == "down"
    assert told["fields"]["eval_clips"] == config.data.eval_clips  # nothing is left open
    assert told["networks"] == ["fvd", "lpips_alex"] and "ssim" in told["definitions"]


def test_the_facts_are_a_line() -> None:
    assert stamp(composed("metrics/protocol=vidtok").protocol).facts == (
        "3 clips of 17x256x256 (windows), short side 256 bilinear_antialias, 30 fps, posterior "
        "sample, pixels exact, lpips_alex, fvd"
    )


def test_the_setting_of_a_training_knows_no_names() -> None:
    named = composed("metrics.protocol.name=mine")
    assert named.setting() == composed().setting() and named.digest() == composed().digest()
    assert composed("metrics/protocol=odvae").digest() != composed().digest()
