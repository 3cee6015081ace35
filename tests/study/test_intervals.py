"""Intervals of single figures and of ratios: against published examples, by hand, and against chance itself."""

import math
from random import Random

import pytest
from msgspec.structs import replace

from pmm_tui.study import intervals as i


def test_wilsons_interval_is_the_published_one() -> None:
    """Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3."""
    for hits, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)):
        found = i.wilson(hits, trials)
        assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert i.wilson(0, 0) == i.Interval(0.0, 1.0)


def test_koopmans_interval_is_the_published_one() -> None:
    """Koopman, Biometrics 40 (1984): 36 of 40 over 16 of 80 is 4.5, from 2.94 to 7.15."""
    found = i.ratio_of_shares(16, 80, 36, 40)
    assert (round(found.low, 2), round(found.high, 2)) == (2.94, 7.15)
    turned = i.ratio_of_shares(36, 40, 16, 80)
    assert turned.low == pytest.approx(1 / found.high, rel=1e-6) and turned.high == pytest.approx(1 / found.low, rel=1e-6)


def test_of_nothing_and_of_all_the_score_still_says_something() -> None:
    assert i.ratio_of_shares(0, 50, 5, 50).high == math.inf and i.ratio_of_shares(0, 50, 5, 50).low > 1
    assert i.ratio_of_shares(5, 50, 0, 50).low == 0 and i.ratio_of_shares(5, 50, 0, 50).high < 1
    whole = i.ratio_of_shares(50, 50, 50, 50)
    assert 0.92 < whole.low < 1 < whole.high < 1.08 and whole.low == pytest.approx(1 / whole.high, rel=1e-6)
    assert i.ratio_of_shares(0, 50, 0, 50) == i.Interval(0.0, math.inf) == i.ratio_of_shares(1, 0, 1, 5)


def test_the_ratio_of_two_rates_is_wilsons_interval_turned_back() -> None:
    found = i.ratio_of_rates(15, 19_017, 41, 28_010)
    part = i.wilson(41, 56)
    assert found.low == pytest.approx(part.low / (1 - part.low) * 19_017 / 28_010)
    assert found.low == pytest.approx(1.036, abs=0.001) and found.high == pytest.approx(3.325, abs=0.001)
    assert i.ratio_of_rates(15, 1, 41, 1, clumping=4.0).low < i.ratio_of_rates(15, 1, 41, 1).low, "fewer are independent"
    assert i.ratio_of_rates(0, 1, 9, 1).high == math.inf and i.ratio_of_rates(0, 0, 9, 1) == i.Interval(0.0, math.inf)


def test_fieller_ends_where_the_two_means_are_just_not_significantly_apart() -> None:
    below, above = i.Mean(50, 2.0, 0.04), i.Mean(50, 3.0, 0.09)
    found, times = i.fieller(below, above), i.student(i.freedom(below, above))
    for ratio in (found.low, found.high):
        assert (above.value - ratio * below.value) ** 2 == pytest.approx(times**2 * (above.variance + ratio**2 * below.variance))
    assert found.low < 1.5 < found.high and not found.outside
    gap = times * math.sqrt(0.13)
    assert not i.fieller(below, replace(above, value=2.0 + 1.001 * gap)).holds(1.0)
    assert i.fieller(below, replace(above, value=2.0 + 0.999 * gap)).holds(1.0)


def test_where_below_may_be_nothing_the_ratio_is_open_and_can_still_exclude_one() -> None:
    unknown = i.fieller(i.Mean(50, 0.01, 0.04), i.Mean(50, 0.02, 0.04))
    assert unknown == i.EVERYTHING and unknown.holds(1.0)
    apart = i.fieller(i.Mean(50, 0.1, 0.04), i.Mean(50, -3.0, 0.04))
    assert apart.outside and not apart.holds(1.0) and apart.holds(-30.0) and apart.holds(1e9)
    assert i.fieller(i.Mean(1, 1.0, math.nan), i.Mean(50, 1.0, 1.0)) == i.EVERYTHING
    assert i.fieller(i.Mean(9, 0.0, 0.0), i.Mean(9, 0.0, 0.0)) == i.EVERYTHING


def test_a_mean_over_clusters_by_hand() -> None:
    """Clusters (w, s): (10, 0.2), (20, -0.1), (10, 0.3)."""
    pairs = ((10, 0.2), (20, -0.1), (10, 0.3))
    sums = [sum(part) for part in zip(*((w, s, w * w, s * w, s * s) for w, s in pairs), strict=True)]
    found = i.mean(3, *sums)
    assert found is not None and found.value == pytest.approx(0.01)
    assert found.variance == pytest.approx(sum((s - 0.01 * w) ** 2 for w, s in pairs) / 40**2 * 3 / 2)
    assert i.mean(0, 0, 0, 0, 0, 0) is None
    single = i.mean(1, 10, 0.2, 100, 2, 0.04)
    assert single is not None and math.isnan(single.variance)


def test_students_quantile_is_the_published_one() -> None:
    for freedom, published in ((1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (10, 2.228), (30, 2.042), (120, 1.980), (1e9, 1.960)):
        assert i.student(freedom) == pytest.approx(published, abs=0.005)
    assert i.freedom(i.Mean(9, 1.0, 0.1), i.Mean(9, 1.0, 0.1)) == pytest.approx(16)
    assert i.freedom(i.Mean(9, 1.0, 0.1), i.Mean(500, 1.0, 0.0)) == pytest.approx(8)


def test_quantiles_of_buckets() -> None:
    edges = (1.0, 2.0, 4.0, 8.0, math.inf)
    middle = i.quantile(edges, {2: 50, 3: 50}, 0.75)
    assert middle is not None and middle.value == pytest.approx(math.sqrt(4 * 8)) and middle.bucket == i.Interval(4.0, 8.0)
    half = i.quantile(edges, {2: 50, 3: 50}, 0.5)
    assert half is not None and half.value == 4.0 and half.chance == i.Interval(2.0, 8.0), (
        "to the ends of the buckets that ranks 40 and 60 have"
    )
    few = i.quantile(edges, {1: 28}, 0.95)
    assert few is not None and few.chance == i.Interval(1.0, math.inf), "28 are too few for a bound on the 95th"
    last = i.quantile(edges, {4: 100}, 0.5)
    assert last is not None and (last.value, last.bucket.high, last.chance.high) == (8.0, math.inf, math.inf), "it has no end"
    first = i.quantile(edges, {0: 100}, 0.5)
    assert first is not None and (first.value, first.bucket) == (0.5, i.Interval(0.0, 1.0))
    assert i.quantile(edges, {}, 0.5) is None


def test_a_ratio_of_quantiles_is_as_wide_as_both_buckets_and_as_chance_together() -> None:
    below = i.Quantile(10.0, i.Interval(9.5, 10.5), i.Interval(8.0, 12.5))
    above = i.Quantile(20.0, i.Interval(19.0, 21.0), i.Interval(16.0, 25.0))
    found = i.ratio_of_quantiles(below, above)
    assert found.low == pytest.approx(19 / 10.5 * math.exp(-math.hypot(math.log(19 / 16), math.log(12.5 / 10.5))))
    assert found.high == pytest.approx(21 / 9.5 * math.exp(math.hypot(math.log(25 / 21), math.log(9.5 / 8))))
    assert i.ratio_of_quantiles(replace(below, chance=i.Interval(8.0, math.inf)), above).low == 0.0
    assert i.ratio_of_quantiles(replace(below, bucket=i.Interval(0.0, 1.0)), above).high == math.inf


def poisson(chance: Random, mean: float) -> int:
    """Knuth's count."""
    edge, product, count = math.exp(-mean), chance.random(), 0
    while product > edge:
        product, count = product * chance.random(), count + 1
    return count


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    """Coverage over 800 draws each: between 93 and 97.5 % is three standard errors around 95 and what discrete counts add."""
    chance, held = Random(7), [0, 0, 0]
    for _ in range(800):
        held[0] += i.ratio_of_rates(poisson(chance, 30), 2.0, poisson(chance, 45), 1.5).holds(2.0)
        below, above = (sum(chance.random() < share for _ in range(n)) for share, n in ((0.2, 80), (0.3, 60)))
        held[1] += i.ratio_of_shares(below, 80, above, 60).holds(1.5)
        held[2] += i.fieller(clustered(chance, 0.5), clustered(chance, 0.8)).holds(1.6)
    assert all(0.93 <= count / 800 <= 0.975 for count in held), held


def clustered(chance: Random, truth: float, clusters: int = 50) -> i.Mean:
    """A mean of observations that come in clusters: members of a cluster share most of their noise."""
    sums = [0.0] * 5
    for _ in range(clusters):
        shared = chance.gauss(0, 0.5)
        values = [truth + shared + chance.gauss(0, 0.1) for _ in range(chance.randint(1, 5))]
        w, s = len(values), sum(values)
        sums = [one + other for one, other in zip(sums, (w, s, w * w, s * w, s * s), strict=True)]
    found = i.mean(clusters, *sums)
    assert found is not None
    return found
