"""Spreads against worked numbers: Avellaneda-Stoikov, the closed form of GLFT in the paper's and in general notation, and the floors."""

from math import isclose

import pytest

from pmm_tui.core.quoting.width import avellaneda_stoikov, floored, glft, glft_half

PAPER = {"gamma": 0.01, "k": 0.3, "a": 0.9}
PAPER_SIGMA = 0.3


def test_avellaneda_stoikov_at_the_start_and_on_average() -> None:
    assert isclose(avellaneda_stoikov(0.1, 4.0, 1.5), 1.690770423, rel_tol=1e-9)
    for gamma, average in ((0.1, 1.490770423), (0.01, 1.348908544), (1.0, 3.021651248)):
        assert isclose(avellaneda_stoikov(gamma, 2.0, 1.5), average, rel_tol=1e-9)


def test_avellaneda_stoikov_in_dollars() -> None:
    spread = avellaneda_stoikov(0.02, 0.000576, 80)
    assert isclose(spread, 0.02500839552, rel_tol=1e-9)
    assert isclose(0.497696 - spread / 2, 0.4851918022, rel_tol=1e-9)
    assert isclose(0.497696 + spread / 2, 0.5102001978, rel_tol=1e-9)


def test_without_risk_aversion_the_spread_is_two_over_k() -> None:
    assert isclose(avellaneda_stoikov(1e-6, 0.000576, 12), 2 / 12, rel_tol=1e-6)


@pytest.mark.parametrize(
    ("inventory", "bid", "ask"),
    [
        (-30, 1.276940223, 5.348890174),
        (-10, 2.634256873, 3.991573524),
        (0, 3.312915199, 3.312915199),
        (10, 3.991573524, 2.634256873),
        (29, 5.281024342, 1.344806055),
    ],
)
def test_the_closed_form_of_the_paper(inventory: int, bid: float, ask: float) -> None:
    c1, c2 = glft(xi=PAPER["gamma"], lot=1, **PAPER)
    root = PAPER_SIGMA * c2
    assert isclose(c1, 3.278982282, rel_tol=1e-9)
    assert isclose(root, 0.06786583253, rel_tol=1e-9)
    assert isclose(c1 + (2 * inventory + 1) / 2 * root, bid, rel_tol=1e-9)
    assert isclose(c1 - (2 * inventory - 1) / 2 * root, ask, rel_tol=1e-9)
    assert isclose(2 * glft_half(PAPER_SIGMA, lot=1, **PAPER), 6.625830397, rel_tol=1e-9)


def test_lots_of_a_hundred_shares() -> None:
    sigma = 0.0004
    for gamma, lot in ((0.02, 100), (2.0, 1)):  # a lot of 100 shares is one unit of 100 times the risk aversion
        c1, c2 = glft(gamma, gamma, 80, 0.04, lot)
        skew = lot * sigma * c2
        assert isclose(c1, 0.0123463063, rel_tol=1e-8)
        assert isclose(skew, 0.000370957574, rel_tol=1e-8)
        assert isclose(c1 + 2.5 * skew, 0.01327370023, rel_tol=1e-8)
        assert isclose(c1 - 1.5 * skew, 0.01178986993, rel_tol=1e-8)
        assert isclose(glft_half(sigma, gamma, 80, 0.04, lot), c1 + skew / 2)


def test_a_market_maker_who_fears_only_the_price_quotes_one_over_k() -> None:
    c1, c2 = glft(gamma=0.3, xi=1e-9, k=100, a=0.04, lot=25)
    assert isclose(c1, 0.01, rel_tol=1e-6)
    assert isclose(c2, (0.3 / (2 * 0.04 * 25 * 100) * 2.718281828459045) ** 0.5, rel_tol=1e-6)


def test_volatility_and_risk_aversion_widen_busy_markets_narrow() -> None:
    base = glft_half(0.015, 0.3, 100, 0.04, 25)
    assert 0.015 < base < 0.03
    assert glft_half(0.03, 0.3, 100, 0.04, 25) > base
    assert glft_half(0.015, 0.6, 100, 0.04, 25) > base
    assert glft_half(0.015, 0.3, 100, 0.4, 25) < base
    assert glft_half(0.0, 0.3, 100, 0.04, 25) == glft(0.3, 0.3, 100, 0.04, 25)[0]


def test_floors_in_ticks_and_basis_points() -> None:
    assert floored(0.02, 0.5, 0.01, 0.5, 10) == 0.02
    assert floored(0.0, 0.5, 0.01, 0.5, 10) == 0.005
    assert isclose(floored(0.0, 0.5, 0.001, 0.5, 50), 0.0025)
