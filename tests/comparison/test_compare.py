"""What a comparison finds in scores whose truth is known, and how it says so."""

import math

import pytest

from odvae.comparison import Comparison, Difference, compare
from odvae.comparison.difference import Finding
from odvae.comparison.directions import metric_of
from odvae.comparison.extremes import extremes
from odvae.comparison.verdict import verdict
from odvae.errors import UserError
from tests.comparison.made_levels import drawn, level

PSNR = ["psnr_db"]


def _one(comparison: Comparison, metric: str = "psnr_db") -> Difference:
    (one,) = comparison.of_metric(metric)
    return one


def test_a_gain_is_found_in_every_direction() -> None:
    comparison = compare([drawn("variant 1", gain=0.0), drawn("variant 4", gain=0.5)])
    findings = {one.name: one.finding for one in comparison.differences}
    assert findings == {
        "psnr_db": Finding.better,
        "lpips_alex": Finding.better,  # by being lower
        "loudness": Finding.higher,  # nobody knows which way is better
    }
    one = _one(comparison)
    assert one.interval.low < 0.5 < one.interval.high
    assert (one.level, one.baseline) == ("variant 4", "variant 1")
    assert one.p_holm == pytest.approx(3 * 2 / 2**12)


def test_the_sentence() -> None:
    one = _one(compare([drawn("variant 1", gain=0.0), drawn("variant 4", gain=0.5)], metrics=PSNR))
    words = (
        "variant 4 is better than variant 1 by 0.{} dB PSNR (95 % interval 0.{} to 0.{}, "
        "p = 0.00049, ahead on 12 of 12 clips, 3 seeds)"
    )
    assert 0.01 < one.interval.high - one.interval.low < 0.1  # so in thousandths
    ends = (one.mean, one.interval.low, one.interval.high)
    assert verdict(one) == words.format(*(f"{end:.3f}"[2:] for end in ends))


def test_lower_is_better_reads_as_a_gain() -> None:
    one = _one(
        compare([drawn("a", gain=0.0), drawn("b", gain=0.5)], metrics=["lpips_alex"]), "lpips_alex"
    )
    assert one.mean < 0
    assert verdict(one).startswith("b is better than a by 0.0")
    low, high = sorted(-end for end in (one.interval.low, one.interval.high))
    assert f"(95 % interval {low:.5f} to {high:.5f}, p = " in verdict(one)


def test_a_loss_is_a_loss() -> None:
    one = _one(compare([drawn("a", gain=0.0), drawn("b", gain=-0.5)], metrics=PSNR))
    assert one.finding is Finding.worse
    assert verdict(one).startswith("b is worse than a by 0.")
    assert "ahead on 0 of 12 clips" in verdict(one)


def test_no_gain_is_not_shown() -> None:
    one = _one(compare([drawn("a", gain=0.0), drawn("b", gain=0.0)], metrics=PSNR))
    assert one.finding is Finding.not_shown
    assert verdict(one).startswith("no difference shown between b and a in PSNR: ")


def test_what_seeds_do_not_repeat_is_not_shown() -> None:
    """Every clip gains, so the test over clips is sure; but a seed changes as much as a level."""
    levels = [drawn("a", gain=0.0), drawn("b", gain=0.4, spread_of_seeds=0.4)]
    one = _one(compare(levels, metrics=PSNR))
    assert one.p < 0.05
    assert one.finding is Finding.not_shown
    assert verdict(one).endswith("; over these clips it is steady, over seeds it is not")


def test_the_same_is_the_same() -> None:
    same = drawn("a", gain=0.0)
    one = _one(compare([same, type(same)("b", same.scores)], metrics=PSNR))
    assert (one.finding, one.p) == (Finding.equal, 1.0)
    assert verdict(one) == "b and a have the same PSNR on 12 clips"


def test_one_seed_is_said() -> None:
    levels = [drawn(label, gain=gain, seeds=["0"]) for label, gain in (("a", 0.0), ("b", 0.5))]
    comparison = compare(levels, metrics=PSNR)
    one = _one(comparison)
    assert one.interval_over == "clips only"
    assert verdict(one).endswith("1 seed: interval over clips only)")
    assert any(note.startswith("b has 1 seed: ") for note in comparison.notes)


def test_seeds_that_differ_are_said() -> None:
    levels = [drawn("a", gain=0.0), drawn("b", gain=0.5, seeds=["0"])]
    comparison = compare(levels, metrics=PSNR)
    assert "b and a have different seeds, so they are not paired by seed" in comparison.notes
    words = "1 and 3 seeds: interval over clips and seeds of a only)"
    assert verdict(_one(comparison)).endswith(words)


def test_five_clips_cannot_show_a_difference() -> None:
    levels = [drawn("a", gain=0.0, clips=5), drawn("b", gain=9.0, clips=5)]
    comparison = compare(levels, metrics=PSNR)
    assert _one(comparison).finding is Finding.not_shown
    assert any("5 clips and 1 test: p cannot fall below 0.062" in n for n in comparison.notes)
    assert "the test over clips does not follow" in verdict(_one(comparison))


def test_clips_of_one_video_are_said() -> None:
    values = {f"bikes.mp4@{start}+0,0": 20.0 + start for start in range(8)}
    more = {clip: value + 1 + 0.01 * place for place, (clip, value) in enumerate(values.items())}
    notes = compare([level("a", s0=values), level("b", s0=more)]).notes
    assert any(note.startswith("8 clips are cut from 1 video: ") for note in notes)


def test_broken_clips_are_said() -> None:
    values = {f"v{place}@0+0,0": 20.0 + place for place in range(8)}
    notes = compare([level("a", s0=values), level("b", s0=values | {"v3@0+0,0": math.nan})]).notes
    assert notes[0] == "b and a: left out, since psnr_db is not finite: v3@0+0,0 (1 clip)"


def test_every_test_counts_in_the_correction() -> None:
    levels = [drawn(label, gain=gain) for label, gain in (("a", 0.0), ("b", 0.5), ("c", 0.3))]
    comparison = compare(levels, baseline="b")
    assert [(one.level, one.baseline) for one in comparison.of_metric("psnr_db")] == [
        ("a", "b"),
        ("c", "b"),
    ]
    assert len(comparison.differences) == 6
    assert all(one.p_holm >= one.p for one in comparison.differences)
    assert comparison.notes[-1] == "p is corrected for 6 tests (Holm); intervals are not"
    assert list(comparison.table()["finding"])[:2] == ["worse", "worse"]


def test_seeds_of_the_bootstrap() -> None:
    levels = [drawn("a", gain=0.0), drawn("b", gain=0.5)]
    first, again, other = (
        compare(levels, metrics=PSNR, seed=seed).table()["low"][0] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_mistakes_are_named() -> None:
    levels = [drawn("a", gain=0.0), drawn("b", gain=0.5)]
    with pytest.raises(UserError, match="baseline must be one of a; b, got c"):
        compare(levels, baseline="c")
    with pytest.raises(UserError, match=r"metric must be one of psnr_db, lpips_alex, .*, got fvd"):
        compare(levels, metrics=["fvd"])
    with pytest.raises(UserError, match="two or more different levels are needed, got a"):
        compare(levels[:1])


def test_extremes_are_the_ends_of_the_order() -> None:
    base = dict.fromkeys("abcdef", 20.0)
    gains = {"a": 0.1, "b": -0.2, "c": 3.0, "d": 0.0, "e": 2.0, "f": 0.5}
    ours = {clip: value + gains[clip] for clip, value in base.items()}
    one = _one(compare([level("base", s0=base), level("ours", s0=ours)]))
    found = [(extreme.clip, extreme.ahead) for extreme in extremes(one, 2)]
    assert found == [("c", "ours"), ("e", "ours"), ("b", "base")]  # on no other clip is it ahead
    assert extremes(one, 2)[0].difference == pytest.approx(3.0)
    assert extremes(one, 0) == []


@pytest.mark.parametrize(
    ("name", "higher_is_better"),
    [
        ("psnr_db", True),
        ("ssim", True),
        ("lpips_vgg", False),
        ("perceptual_untrained_squeeze", False),
        ("flicker", False),
        ("warped_error", False),
        ("skvideo_psnr_db_luma", True),
        ("skvideo_strred_luma", False),
        ("skvideo_niqe_luma", False),
        ("skvideo_niqe_luma_original", None),
        ("loudness", None),
    ],
)
def test_directions(name: str, higher_is_better: bool | None) -> None:
    assert metric_of(name).higher_is_better is higher_is_better


def test_units() -> None:
    assert metric_of("psnr_db").heading == "PSNR dB ↑"
    assert metric_of("skvideo_psnr_db_luma").unit == "dB"
    assert metric_of("ssim").heading == "SSIM ↑"
