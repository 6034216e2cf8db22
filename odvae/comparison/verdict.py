"""A difference in words."""

import math

from odvae.comparison.difference import Difference, Finding
from odvae.comparison.significance import LEVEL

_LEAST_P = 0.0001


def verdict(one: Difference) -> str:
    """One sentence: what is shown, by how much, and how sure that is."""
    title = one.metric.title
    match one.finding:
        case Finding.equal:
            return f"{one.level} and {one.baseline} have the same {title} on {_clips(one)}"
        case Finding.not_shown:
            sure = _sureness(one, sign=1)
            return (
                f"no difference shown between {one.level} and {one.baseline} in {title}: "
                f"{amount(one, one.mean)} ({sure}){_why_not(one)}"
            )
        case Finding.higher | Finding.lower:
            word = one.finding.value
            sign = 1 if one.mean > 0 else -1
            return (
                f"{one.level} has {word} {title} than {one.baseline}, by "
                f"{amount(one, abs(one.mean))} ({_sureness(one, sign=sign)})"
            )
        case Finding.better | Finding.worse:
            sign = 1 if one.mean > 0 else -1
            return (
                f"{one.level} is {one.finding.value} than {one.baseline} by "
                f"{amount(one, abs(one.mean))} {title} ({_sureness(one, sign=sign)})"
            )


def amount(one: Difference, value: float) -> str:
    """A value of the metric, as exact as the interval makes sense of, with its unit."""
    text = f"{value:.{digits(one)}f}"
    return f"{text} {one.metric.unit}".rstrip()


def digits(one: Difference) -> int:
    """Decimals that show the interval's width in two digits or one."""
    width = one.interval.high - one.interval.low
    scale = width if width > 0 else abs(one.mean)  # NaN is not above 0
    if not scale > 0:
        return 2
    return min(max(1 - math.floor(math.log10(scale)), 0), 8)


def p_words(p: float) -> str:
    """A p as one reads it."""
    return f"p < {_LEAST_P}" if p < _LEAST_P else f"p = {p:.2g}"


def _sureness(one: Difference, *, sign: int) -> str:
    """Interval (of the difference times the sign), p, clips and seeds."""
    ends = sorted(sign * end for end in (one.interval.low, one.interval.high))
    known = not math.isnan(one.interval.low)
    interval = f"95 % interval {' to '.join(f'{end:.{digits(one)}f}' for end in ends)}"
    ahead = f"ahead on {one.clips_ahead} of {_clips(one)}"
    return ", ".join([*([interval] if known else []), p_words(one.p_holm), ahead, _seeds(one)])


def _why_not(one: Difference) -> str:
    """What shows a difference while the rest does not."""
    if one.interval.leaves_out_zero:
        return "; the interval leaves out 0, the test over clips does not follow"
    if one.p_holm < LEVEL and "seeds" in one.interval_over:
        return "; over these clips it is steady, over seeds it is not"
    return ""


def _clips(one: Difference) -> str:
    return f"{one.clips} clip" + ("" if one.clips == 1 else "s")


def _seeds(one: Difference) -> str:
    ours, theirs = one.seeds
    count = f"{ours} seed" + ("" if ours == 1 else "s")
    if not one.paired.by_seed:
        count = f"{ours} and {theirs} seeds"
    known = one.interval_over
    return count + (f": interval over {known}" if known.endswith("only") else "")
