"""Edges of the exchange's money: what waits holds its fee, what was passed on stays, dust is covered, crumbs move no midpoint."""

import pytest
from msgspec.structs import replace

from pmm_tui.core.fees import reward_score, taker_fee
from pmm_tui.core.units import Cash, Price, pays
from pmm_tui.exchange.admission import Rules, fee_at_most
from pmm_tui.exchange.matching import Matching
from tests.exchange.floor_scene import ANN, BOB, BUY, CROWD, MARKET, NO, SELL, YES, Scene, dollars, shares

AT_ONCE = Rules(mined_after_ms=0, confirmed_after_ms=60_000, reward_sample_s=0)


def negative(matching: Matching) -> list[str]:
    return [
        wallet.address
        for wallet in matching.wallets.values()
        if not wallet.unlimited and (wallet.cash < 0 or min(wallet.shares.values(), default=0) < 0)
    ]


# --- a taker that waits -----------------------------------------------------------------------------------------------------------------


def test_a_taker_that_waits_holds_its_worst_fee() -> None:
    scene = Scene(Rules(taker_delay_ms=50, reward_sample_s=0), cash=52)
    scene.rest(CROWD, SELL, 0.5, 100)
    taker = scene.rest(ANN, BUY, 0.5, 100)
    assert scene.matching.wallet(ANN).fees == taker_fee(MARKET.fees, Price(5_000), shares(100)) == dollars(1.75)
    assert "sum of active orders: 51750000" in scene.refused(ANN, BUY, 0.05, 6), "50 cents and what waits: a quarter is left"
    scene.rest(ANN, BUY, 0.05, 5)
    scene.wait(0.05)
    assert (taker.status, taker.matched, scene.matching.wallet(ANN).fees) == ("MATCHED", shares(100), 0)


def test_a_sale_that_waits_pays_its_fee_from_what_it_gets() -> None:
    scene = Scene(Rules(taker_delay_ms=50, reward_sample_s=0), cash=0, held=10)
    scene.rest(CROWD, BUY, 0.5, 100)
    taker = scene.rest(ANN, SELL, 0.5, 10)
    assert scene.matching.wallet(ANN).fees == 0
    scene.wait(0.05)
    assert taker.status == "MATCHED"


# --- what a failure can undo ------------------------------------------------------------------------------------------------------------


def test_shares_that_were_sold_on_are_not_taken_back() -> None:
    scene = Scene(AT_ONCE)
    scene.rest(CROWD, SELL, 0.5, 10)
    scene.rest(ANN, BUY, 0.5, 10)
    scene.wait(1)
    scene.rest(CROWD, BUY, 0.6, 10)
    scene.rest(ANN, SELL, 0.6, 10)
    scene.wait(1)
    first, second = scene.matching.trades
    assert scene.statuses() == ["MINED", "MINED"] and scene.matching.shares(ANN, YES) == 0
    scene.matching.settle_next(first, "FAILED", scene.at)
    assert scene.statuses() == ["MINED", "MINED"] and not negative(scene.matching), "who has them no more cannot give them back"
    scene.matching.settle_next(second, "FAILED", scene.at)
    scene.matching.settle_next(first, "FAILED", scene.at)
    assert scene.statuses() == ["FAILED", "FAILED"], "the later one first: then both are undone"
    assert (scene.matching.cash(ANN), scene.matching.shares(ANN, YES)) == (dollars(100), 0)


def test_dollars_that_were_spent_are_not_taken_back() -> None:
    scene = Scene(AT_ONCE, cash=0, held=10)
    scene.rest(CROWD, BUY, 0.5, 10)
    scene.rest(ANN, SELL, 0.5, 10)
    scene.wait(1)
    scene.matching.deposit(ANN, Cash(-scene.matching.cash(ANN)))
    scene.matching.settle_next(next(iter(scene.matching.trades)), "FAILED", scene.at)
    assert scene.statuses() == ["MINED"] and not negative(scene.matching)
    scene.wait(100)
    assert scene.statuses() == ["CONFIRMED"]


# --- dust -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [YES, NO])
def test_the_fees_of_two_levels_are_covered_to_the_micro_dollar(token: str) -> None:
    """Every level is a trade with a fee of its own, rounded half up: in sum that may be more than the fee of the whole."""
    market, short = replace(MARKET, tick=Price(1)), 0
    for crumb in range(14_000, 20_000, 500):
        scene = Scene(AT_ONCE, market)
        for price, size in ((0.4299, crumb / 1e6), (0.43, 10)):
            scene.rest(CROWD, *((SELL, price) if token == YES else (BUY, 1 - price)), size)
        taker = scene.order(ANN, BUY, 0.43, 4.17, token)
        least = pays(taker.price, taker.size) + fee_at_most(taker, market, scene.matching.markets[MARKET.id].ladder)
        scene.matching.deposit(ANN, Cash(least - scene.matching.cash(ANN)))
        assert not scene.matching.place(taker, scene.at).error
        scene.wait(1)
        assert scene.statuses() == ["MINED", "MINED"], "what was taken can be paid"
        short += least - scene.matching.cash(ANN) > pays(taker.price, taker.size) + taker_fee(market.fees, taker.price, taker.size)
    assert short, "by the fee of the whole some of these could not be paid"


# --- crumbs -----------------------------------------------------------------------------------------------------------------------------


def test_a_level_below_the_minimum_size_moves_no_midpoint() -> None:
    scene = Scene()
    market = MARKET
    ours = scene.rest(ANN, BUY, 0.48, 20)
    scene.rest(CROWD, SELL, 0.52, 20)
    ladder, accrual = scene.matching.markets[MARKET.id].ladder, scene.matching.accrual
    expected = reward_score(market.rewards, 0.5, [(ours.price, ours.rest)], [])
    accrual.sample(market, ladder)
    assert accrual.scores[MARKET.id][ANN] == pytest.approx(expected) and expected > 0
    scene.rest(CROWD, SELL, 0.49, 4)
    accrual.sample(market, ladder)
    assert accrual.scores[MARKET.id][ANN] == pytest.approx(2 * expected), "4 shares at 0.49 are below the 5 that count"
    scene.rest(CROWD, SELL, 0.49, 6)
    accrual.sample(market, ladder)
    assert accrual.scores[MARKET.id][ANN] > 2.9 * expected, "with 10 the midpoint is 0.485"
    samples = accrual.samples
    scene.matching.cancel_where(CROWD, scene.at)
    accrual.sample(market, ladder)
    assert accrual.samples == samples == 3
    assert BOB not in accrual.scores[MARKET.id]
