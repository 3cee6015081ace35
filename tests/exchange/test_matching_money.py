"""The money behind the exchange's orders: what is held back, when the chain moves it, what a failure undoes, what makers earn."""

import pytest
from msgspec.structs import replace

from pmm_tui.core.units import Price
from pmm_tui.exchange.admission import Rules
from pmm_tui.exchange.terms import Lasts, TradeTold
from tests.exchange.floor_scene import ANN, BOB, BUY, CROWD, MARKET, NO, SELL, YES, Scene, dollars, shares

OTHER = replace(MARKET, id="0xn", slug="n", yes="333", no="444")


def quiet(mined_after_ms: int = 0, fail_share: float = 0.0, retry_share: float = 0.0, reward_sample_s: int = 0) -> Rules:
    """Trades are mined at once and confirmed a second later, unless told otherwise."""
    return Rules(
        mined_after_ms=mined_after_ms,
        confirmed_after_ms=1_000,
        fail_share=fail_share,
        retry_share=retry_share,
        reward_sample_s=reward_sample_s,
    )


def holdings(scene: Scene, wallet: str) -> tuple[int, int, int]:
    """Cash, YES and NO on chain."""
    return scene.matching.cash(wallet), scene.matching.shares(wallet, YES), scene.matching.shares(wallet, NO)


class TestHoldings:
    @pytest.mark.parametrize("per_market", [True, False])
    def test_resting_buys_count_in_their_market_or_in_all(self, per_market: bool) -> None:
        scene = Scene(Rules(per_market_reservation=per_market, reward_sample_s=0), cash=50)
        scene.matching.list_market(OTHER, scene.at)
        scene.rest(ANN, BUY, 0.5, 80)
        assert "not enough balance" in scene.refused(ANN, BUY, 0.5, 21)
        elsewhere = replace(scene.order(ANN, BUY, 0.5, 100, token=OTHER.yes), market=OTHER.id)
        assert scene.matching.place(elsewhere, scene.at).error == (
            ""
            if per_market
            else "not enough balance / allowance: the balance is not enough -> balance: 50000000, sum of active orders: 40000000, "
            "order amount (inc. fees): 50000000"
        )

    def test_what_is_held_back_is_given_back_to_the_micro_dollar(self) -> None:
        scene = Scene()
        order = scene.rest(ANN, BUY, 0.33, 10)
        assert scene.matching.wallet(ANN).reserved == {MARKET.id: dollars(3.3)}
        for _ in range(30):
            scene.rest(CROWD, SELL, 0.33, 0.333333, lasts=Lasts.FAK)
        assert 0 < scene.matching.wallet(ANN).reserved[MARKET.id] <= 4 and order.rest == 10
        scene.rest(CROWD, SELL, 0.33, 0.00001, lasts=Lasts.FAK)
        assert order.status == "MATCHED" and scene.matching.wallet(ANN).reserved == {}

    def test_shares_are_sold_once_and_only_when_they_are_there(self) -> None:
        scene = Scene(quiet(1_000))
        scene.matching.give(ANN, YES, shares(10))
        scene.rest(ANN, SELL, 0.6, 6)
        assert "sum of active orders: 6000000" in scene.refused(ANN, SELL, 0.7, 5)
        scene.rest(CROWD, SELL, 0.5, 10)
        scene.rest(ANN, BUY, 0.5, 10)
        assert "not enough balance" in scene.refused(ANN, SELL, 0.7, 5), "what is matched cannot be sold before it is mined"
        scene.wait(1.5)
        assert not scene.place(ANN, SELL, 0.7, 14)[1].error

    def test_a_dollar_amount_needs_the_fee_where_it_buys_most(self) -> None:
        scene = Scene(quiet(), cash=100.7)
        scene.rest(CROWD, SELL, 0.5, 1_000)
        assert scene.refused(ANN, BUY, 0.99, 101.01, lasts=Lasts.FAK, spend=100).endswith("order amount (inc. fees): 103500000")
        scene.matching.deposit(ANN, dollars(2.8))
        scene.rest(ANN, BUY, 0.99, 101.01, lasts=Lasts.FAK, spend=100)
        scene.wait(2)
        assert holdings(scene, ANN) == (0, shares(200), 0)


class TestSettlement:
    def test_the_chain_moves_when_a_trade_is_mined(self) -> None:
        scene = Scene(quiet(1_000))
        scene.rest(ANN, BUY, 0.6, 10)
        scene.rest(BOB, BUY, 0.5, 10, token=NO)
        [trade] = scene.matching.trades.values()
        assert (trade.price, trade.fee, trade.tx) == (4_000, dollars(0.168), "")
        assert holdings(scene, ANN) == holdings(scene, BOB) == (dollars(100), 0, 0)
        assert (scene.matching.wallet(ANN).owed, scene.matching.wallet(BOB).owed) == (dollars(6), dollars(4.168))
        told = [fact.trade.status for fact in scene.wait(1.5) if isinstance(fact, TradeTold)]
        assert told == ["MINED"] and trade.tx.startswith("0x") and len(trade.tx) == 66
        assert holdings(scene, ANN) == (dollars(94), shares(10), 0) and holdings(scene, BOB) == (dollars(95.832), 0, shares(10))
        assert scene.matching.wallet(ANN).owed == scene.matching.wallet(BOB).owed == 0
        scene.wait(1)
        assert scene.statuses() == ["CONFIRMED"]

    def test_a_merge_pays_both_sellers_and_the_taker_its_fee(self) -> None:
        scene = Scene(quiet(), held=10)
        scene.rest(ANN, SELL, 0.6, 10)
        scene.rest(BOB, SELL, 0.3, 10, token=NO)
        scene.wait(0)
        assert holdings(scene, ANN) == (dollars(106), 0, shares(10)) and holdings(scene, BOB) == (dollars(104 - 0.168), shares(10), 0)

    def test_a_failed_trade_moves_nothing_and_promises_nothing(self) -> None:
        scene = Scene(quiet(1_000, fail_share=1.0), held=10)
        scene.rest(ANN, SELL, 0.6, 10)
        scene.rest(BOB, BUY, 0.6, 10)
        told = [fact.trade.status for fact in scene.wait(60) if isinstance(fact, TradeTold)]
        assert told == ["FAILED"]
        for wallet in (ANN, BOB):
            one = scene.matching.wallet(wallet)
            assert holdings(scene, wallet) == (dollars(100), shares(10), shares(10)), wallet
            assert (one.owed, one.selling, one.reserved, one.promised) == (0, {}, {}, {}), wallet

    def test_a_retried_trade_is_mined_later(self) -> None:
        scene = Scene(quiet(1_000, retry_share=1.0))
        scene.rest(ANN, BUY, 0.6, 10)
        scene.rest(CROWD, SELL, 0.6, 10)
        told = [(fact.trade.status) for fact in scene.wait(60) if isinstance(fact, TradeTold)]
        assert told == ["RETRYING", "MINED", "CONFIRMED"] and holdings(scene, ANN) == (dollars(94), shares(10), 0)

    def test_a_mined_trade_may_still_fail_and_is_undone_exactly(self) -> None:
        scene = Scene(quiet(1_000))
        scene.rest(ANN, BUY, 0.6, 10)
        scene.rest(BOB, BUY, 0.5, 10, token=NO)
        [name] = scene.matching.trades
        for status in ("CONFIRMED", "MINED", "RETRYING", "FAILED", "MINED", "CONFIRMED"):
            scene.matching.settle_next(name, status, scene.at)
        scene.wait(60)
        assert scene.statuses() == ["FAILED"] and holdings(scene, ANN) == holdings(scene, BOB) == (dollars(100), 0, 0)

    def test_cash_withdrawn_meanwhile_fails_the_trade(self) -> None:
        scene = Scene(quiet(1_000))
        scene.rest(CROWD, SELL, 0.5, 100)
        scene.rest(ANN, BUY, 0.5, 100)
        assert scene.matching.split(ANN, MARKET.id, shares(90)) == "not enough pUSD to split"
        scene.matching.deposit(ANN, dollars(-90))
        scene.wait(60)
        assert scene.statuses() == ["FAILED"] and holdings(scene, ANN) == (dollars(10), 0, 0)

    def test_shares_given_away_meanwhile_fail_their_sale(self) -> None:
        scene = Scene(quiet(1_000), held=10)
        scene.rest(CROWD, BUY, 0.5, 10)
        scene.rest(ANN, SELL, 0.5, 10)
        scene.matching.give(ANN, YES, shares(-1))
        scene.wait(60)
        assert scene.statuses() == ["FAILED"] and holdings(scene, ANN) == (dollars(100), shares(9), shares(10))

    def test_what_is_matched_away_is_not_redeemed_too(self) -> None:
        scene = Scene(quiet(1_000), held=10)
        scene.rest(CROWD, BUY, 0.5, 6)
        scene.rest(ANN, SELL, 0.5, 6)
        scene.matching.resolve(MARKET.id, Price(10_000), scene.at)
        assert scene.matching.redeem(ANN, MARKET.id) == dollars(4)
        scene.wait(60)
        assert scene.statuses() == ["CONFIRMED"] and holdings(scene, ANN) == (dollars(107) - scene.matching.trades.popitem()[1].fee, 0, 0)


class TestOnChain:
    def test_split_and_merge(self) -> None:
        scene = Scene(cash=10)
        assert scene.matching.split(ANN, MARKET.id, shares(11)) == "not enough pUSD to split"
        assert scene.matching.split(ANN, MARKET.id, shares(10)) == "" and holdings(scene, ANN) == (0, shares(10), shares(10))
        scene.rest(ANN, SELL, 0.6, 5)
        assert scene.matching.merge(ANN, MARKET.id, shares(6)) == "not enough shares to merge"
        assert scene.matching.merge(ANN, MARKET.id, shares(5)) == "" and holdings(scene, ANN) == (dollars(5), shares(5), shares(5))

    @pytest.mark.parametrize(("payout", "paid"), [(10_000, 10), (0, 4), (5_000, 7)])
    def test_redeeming_pays_the_result_once(self, payout: int, paid: float) -> None:
        scene = Scene(cash=0)
        scene.matching.give(ANN, YES, shares(10))
        scene.matching.give(ANN, NO, shares(4))
        with pytest.raises(ValueError, match="not resolved"):
            scene.matching.redeem(ANN, MARKET.id)
        scene.matching.resolve(MARKET.id, Price(payout), scene.at)
        assert scene.matching.redeem(ANN, MARKET.id) == dollars(paid) == scene.matching.cash(ANN)
        assert scene.matching.redeem(ANN, MARKET.id) == 0


class TestEarnings:
    def test_makers_share_a_fifth_of_the_fees_by_what_they_filled(self) -> None:
        scene = Scene(quiet(), cash=1_000)
        scene.rest(ANN, BUY, 0.5, 30)
        scene.rest(CROWD, BUY, 0.5, 10)
        scene.matching.give(BOB, YES, shares(40))
        scene.rest(BOB, SELL, 0.5, 40)
        assert scene.matching.accrual.rebate(MARKET.id, ANN) == 0, "nothing is earned before the trade is final"
        scene.wait(2)
        assert scene.matching.accrual.rebate(MARKET.id, ANN) == dollars(0.7 * 0.2 * 0.75)
        assert scene.matching.accrual.rebate(MARKET.id, BOB) == 0

    def test_a_failed_trade_earns_nothing(self) -> None:
        scene = Scene(quiet(fail_share=1.0))
        scene.rest(ANN, BUY, 0.5, 10)
        scene.rest(BOB, BUY, 0.5, 10, token=NO)
        scene.wait(60)
        assert scene.matching.accrual.rebate(MARKET.id, ANN) == 0 and scene.matching.accrual.pools == {}

    def test_liquidity_is_sampled_every_minute_while_the_market_is_open(self) -> None:
        scene = Scene(quiet(reward_sample_s=60))
        scene.wait(60)
        assert scene.matching.accrual.samples == 0, "an empty book has no middle"
        scene.rest(ANN, BUY, 0.49, 10)
        scene.rest(ANN, BUY, 0.49, 10, token=NO)
        scene.rest(BOB, BUY, 0.48, 10)
        scene.wait(120)
        scores = scene.matching.accrual.scores[MARKET.id]
        assert scene.matching.accrual.samples == 2
        assert scores[ANN] == pytest.approx(2 * 10 * (3 / 4) ** 2) and scores[BOB] == pytest.approx(2 * 10 * (2 / 4) ** 2 / 3)
        scene.matching.close(MARKET.id, scene.at)
        scene.wait(120)
        assert scene.matching.accrual.samples == 2
