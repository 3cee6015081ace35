"""The targeting criteria: each alone refuses, all together choose, and limits hold."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pmm_tui.core.market import Market
from pmm_tui.core.selection import Candidate, TargetingKnobs, choose, why_not
from pmm_tui.core.units import ONE, SECOND, Nanos, Price, Size

NOW = Nanos(1_780_000_000 * SECOND)
DAY = 86_400 * SECOND
KNOBS = TargetingKnobs()


def candidate(n: int = 1, cluster: str = "", days: float = 60, **over: object) -> Candidate:
    market = Market(
        id=f"0x{n:064x}", slug=f"m{n}", question="?", yes=f"{n}1", no=f"{n}2", tick=Price(100), min_size=Size(5), cluster=cluster,
        closes=Nanos(int(NOW + days * DAY)),
    )  # fmt: skip
    fit = Candidate(market, volume_24h_usd=250_000.0, bid=Price(4900), ask=Price(5100))
    return replace(fit, **over)


def test_a_market_that_offers_everything_is_taken() -> None:
    assert why_not(candidate(), NOW, KNOBS) == ""


@pytest.mark.parametrize(
    ("over", "why"),
    [
        ({"accepting": False}, "takes no orders"),
        ({"volume_24h_usd": 100_000.0}, "volume"),
        ({"volume_24h_usd": math.nan}, "volume"),
        ({"bid": Price(0)}, "two-sided"),
        ({"ask": ONE}, "two-sided"),
        ({"bid": Price(5100)}, "two-sided"),
        ({"bid": Price(4750), "ask": Price(5250)}, "spread 0.05 is not below 5 %"),
        ({"bid": Price(7100), "ask": Price(7200)}, "further than 0.2"),
        ({"bid": Price(2800), "ask": Price(2900)}, "further than 0.2"),
        ({"days": 30}, "ends in 30.0 days"),
        ({"starts": Nanos(NOW + 3 * DAY)}, "one event decides it, 3.0 days away"),
        ({"starts": Nanos(NOW - DAY)}, "one event decides it, 0.0 days away"),
    ],
)
def test_each_criterion_refuses_alone(over: dict[str, object], why: str) -> None:
    assert why in why_not(candidate(**over), NOW, KNOBS)  # type: ignore[arg-type]  # a table of keyword arguments


def test_the_bounds_themselves() -> None:
    assert why_not(candidate(bid=Price(4751), ask=Price(5250)), NOW, KNOBS) == ""
    assert why_not(candidate(bid=Price(6950), ask=Price(7050)), NOW, KNOBS) == "", "0.20 away is still near"
    assert why_not(candidate(volume_24h_usd=100_000.01), NOW, KNOBS) == ""
    assert why_not(candidate(starts=Nanos(NOW - 8 * DAY)), NOW, KNOBS) == "", "an event that started last week decides nothing any more"
    assert why_not(candidate(starts=Nanos(NOW + 31 * DAY)), NOW, KNOBS) == ""


def test_a_market_without_an_end_needs_the_criterion_off() -> None:
    endless = candidate()
    endless = replace(endless, market=replace(endless.market, closes=Nanos(0)))
    assert why_not(endless, NOW, KNOBS) == "names no end"
    assert why_not(endless, NOW, TargetingKnobs(target_days_to_end_min=0)) == ""


def test_the_most_traded_are_chosen_first_one_a_cluster() -> None:
    found = [
        candidate(1, "election", volume_24h_usd=300_000.0),
        candidate(2, "election", volume_24h_usd=900_000.0),
        candidate(3, "", volume_24h_usd=200_000.0),
        candidate(4, "", volume_24h_usd=400_000.0),
        candidate(5, "fed", volume_24h_usd=99.0),
    ]
    assert [market.slug for market in choose(found, NOW, TargetingKnobs(target_markets_max=3))] == ["m2", "m4", "m3"]
    assert [market.slug for market in choose(found, NOW, KNOBS)] == ["m2"]


def test_what_is_taken_already_counts_and_is_not_chosen_again() -> None:
    knobs = TargetingKnobs(target_markets_max=2)
    taken = [candidate(2, "election").market]
    found = [candidate(1, "election"), candidate(2, "election"), candidate(3, "fed")]
    assert [market.slug for market in choose(found, NOW, knobs, taken)] == ["m3"]
    assert choose(found, NOW, TargetingKnobs(target_markets_max=1), taken) == []


@given(
    st.lists(st.tuples(st.integers(1, 30), st.sampled_from(["", "a", "b"]), st.integers(100_001, 10**9)), max_size=40),
    st.integers(1, 5),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_limits_hold_and_order_of_discovery_changes_nothing(rows: list[tuple[int, str, int]], most: int, each: int, chance: object) -> None:
    unique = {n: candidate(n, cluster, volume_24h_usd=float(volume)) for n, cluster, volume in rows}
    found = list(unique.values())
    knobs = TargetingKnobs(target_markets_max=most, target_per_cluster_max=each)
    chosen = choose(found, NOW, knobs)
    assert len(chosen) <= most and len({market.id for market in chosen}) == len(chosen)
    for cluster in ("a", "b"):
        assert sum(market.cluster == cluster for market in chosen) <= each
    chance.shuffle(found)  # type: ignore[attr-defined]  # hypothesis' Random
    assert choose(found, NOW, knobs) == chosen
