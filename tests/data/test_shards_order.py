"""The order of samples: permutations, each place known without the others."""

import numpy as np
import pytest

from odvae.data.shards.order import SampleOrder

COUNTS = [5, 0, 3, 8, 1, 6, 4]
TOTAL = sum(COUNTS)


def picks(order: SampleOrder, first: int, end: int) -> list[tuple[int, int]]:
    """(shard, sample) at each place, asked for one by one, backwards."""
    found = []
    for place in reversed(range(first, end)):
        window = order.window_at(place)
        assert window.first <= place < window.end
        shard, sample = window.picks[place - window.first]
        found.append((int(shard), int(sample)))
    return found[::-1]


def test_each_sample_once_an_epoch() -> None:
    everything = {(shard, sample) for shard, n in enumerate(COUNTS) for sample in range(n)}
    epochs = []
    for window_shards in (1, 2, 100):
        order = SampleOrder(COUNTS, seed=3, window_shards=window_shards)
        for epoch in range(4):
            seen = picks(order, epoch * TOTAL, (epoch + 1) * TOTAL)
            assert set(seen) == everything and len(seen) == TOTAL
            epochs.append(tuple(seen))
    assert len(set(epochs)) == len(epochs)


def test_a_function_of_seed_and_place_alone() -> None:
    order, again, other = (SampleOrder(COUNTS, seed=seed) for seed in (0, 0, 1))
    whole = picks(order, 0, 3 * TOTAL)
    assert picks(again, 40, 60) == whole[40:60]
    assert picks(other, 0, TOTAL) != whole[:TOTAL]


def test_a_window_needs_its_shards_only() -> None:
    order = SampleOrder(COUNTS, seed=0, window_shards=2)
    place, sizes = 0, []
    while place < TOTAL:
        window = order.window_at(place)
        assert window.first == place
        assert set(window.picks[:, 0]) == set(window.shards)
        sizes.append(len(window.shards))
        place = window.end
    assert place == TOTAL and sizes == [2, 2, 2]  # the empty shard is nowhere


def test_all_orders_are_alike_likely() -> None:
    """Each sample is first in its epoch as often as any other."""
    order = SampleOrder([3, 3, 3], seed=0, window_shards=2)
    firsts = [picks(order, epoch * 9, epoch * 9 + 1)[0] for epoch in range(1800)]
    counts = np.array([firsts.count((n // 3, n % 3)) for n in range(9)])
    assert abs(counts - 200).max() < 60  # four standard deviations


def test_nothing_has_no_order() -> None:
    with pytest.raises(ValueError, match="0 samples"):
        SampleOrder([0, 0], seed=0)
