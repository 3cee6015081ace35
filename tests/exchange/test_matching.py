"""The exchange's matching: what is refused and in which words, who is served first, at whose price, and when orders end."""

import pytest

from pmm_tui.core.units import MILLI, SECOND, Cash, Nanos, Price, Size
from pmm_tui.exchange.admission import Rules
from pmm_tui.exchange.terms import Closed, Lasts, LevelsMoved, Listed, OrderTold, Printed, Resolved, TickMoved, TradeTold
from tests.exchange.floor_scene import ANN, BOB, BUY, CROWD, MARKET, NO, SELL, START, YES, Scene, dollars, shares

FOK_TEXT = "order couldn't be fully filled. FOK orders are fully filled or killed."
FAK_TEXT = "no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found."
BALANCE = "not enough balance / allowance: the balance is not enough -> "


class TestRefusals:
    def test_the_grid(self) -> None:
        scene = Scene()
        assert scene.refused(ANN, BUY, 0.505, 10) == "order {id} is invalid. Price (0.505) breaks minimum tick size rule: 0.01"
        assert scene.refused(ANN, BUY, 0.0, 10) == "order {id} is invalid. Price (0) breaks minimum tick size rule: 0.01"
        assert scene.refused(ANN, BUY, 1.0, 10) == "order {id} is invalid. Price (1) breaks minimum tick size rule: 0.01"

    def test_the_minimum_is_for_what_rests(self) -> None:
        scene = Scene()
        assert scene.refused(ANN, BUY, 0.5, 4.99) == "order {id} is invalid. Size (4.99) lower than the minimum: 5"
        scene.rest(CROWD, SELL, 0.5, 10)
        assert scene.place(ANN, BUY, 0.5, 2)[1].status == "matched"

    def test_a_marketable_buy_is_a_dollar_at_least(self) -> None:
        scene = Scene()
        scene.rest(CROWD, SELL, 0.1, 50)
        assert scene.refused(ANN, BUY, 0.1, 9) == "invalid amount for a marketable BUY order ($0.9), min size: $1"
        assert scene.place(ANN, BUY, 0.1, 10)[1].taking == shares(10)

    def test_sizes_have_two_decimals(self) -> None:
        assert Scene().refused(ANN, BUY, 0.5, 10.005).startswith("invalid amounts, the buy orders maker amount supports")

    @pytest.mark.parametrize(("life_s", "taken"), [(179, False), (180, True), (0, False)])
    def test_a_gtd_order_ends_three_minutes_ahead_at_least(self, life_s: int, taken: bool) -> None:
        placed = Scene().place(ANN, BUY, 0.5, 10, lasts=Lasts.GTD, life_s=life_s)[1]
        assert placed.error == ("" if taken else "invalid expiration")

    def test_the_same_order_twice(self) -> None:
        scene = Scene()
        order = scene.rest(ANN, BUY, 0.5, 10)
        assert scene.matching.place(order, scene.at).error == f"order {order.id} is invalid. Duplicated."
        scene.matching.cancel([order.id], ANN, scene.at)
        assert scene.matching.place(order, scene.at).error == f"order {order.id} is invalid. Duplicated."

    def test_a_post_only_order_never_takes_on_either_token(self) -> None:
        scene = Scene(cash=100, held=100)
        scene.rest(CROWD, BUY, 0.5, 10)
        for side, price, token in ((SELL, 0.5, YES), (SELL, 0.4, YES), (BUY, 0.5, NO), (BUY, 0.6, NO)):
            assert scene.refused(ANN, side, price, 10, token=token, post_only=True) == "invalid post-only order: order crosses book"
        assert scene.place(ANN, BUY, 0.49, 10, token=NO, post_only=True)[1].status == "live"

    def test_a_market_that_is_not_there_or_over(self) -> None:
        scene = Scene()
        scene.matching.close(MARKET.id, scene.at)
        assert scene.refused(ANN, BUY, 0.5, 10) == "the market is not yet ready to process new orders"

    def test_fok_is_all_or_nothing_and_fak_is_something(self) -> None:
        scene = Scene()
        assert scene.refused(ANN, BUY, 0.5, 10, lasts=Lasts.FAK) == FAK_TEXT
        scene.rest(CROWD, SELL, 0.5, 10)
        assert scene.refused(ANN, BUY, 0.5, 10.01, lasts=Lasts.FOK) == FOK_TEXT
        order, placed = scene.place(ANN, BUY, 0.5, 12, lasts=Lasts.FAK)
        assert (placed.status, placed.taking, order.status) == ("matched", shares(10), "CANCELED")
        assert scene.matching.levels(YES, BUY) == []

    def test_the_balance_is_told_in_base_units(self) -> None:
        scene = Scene(cash=100)
        scene.rest(ANN, BUY, 0.5, 150)
        told = scene.refused(ANN, BUY, 0.5, 51)
        assert told == f"{BALANCE}balance: 100000000, sum of active orders: 75000000, order amount (inc. fees): 25500000"
        assert scene.refused(ANN, SELL, 0.6, 10).startswith(f"{BALANCE}balance: 0, ")
        scene.rest(CROWD, SELL, 0.5, 10)
        assert "sum of matched orders: 5000000, " in scene.refused(ANN, BUY, 0.4, 100)

    def test_a_taker_needs_its_fee_too(self) -> None:
        scene = Scene(cash=50)
        scene.rest(CROWD, SELL, 0.5, 200)
        assert scene.refused(ANN, BUY, 0.5, 100).endswith("order amount (inc. fees): 51750000")
        assert not scene.place(ANN, BUY, 0.49, 100, post_only=True)[1].error


class TestServing:
    def test_the_best_price_first_and_within_it_the_oldest(self) -> None:
        scene = Scene(cash=1_000)
        late, early, best = (scene.rest(CROWD, SELL, price, 10) for price in (0.52, 0.51, 0.5))
        second = scene.rest(ANN, BUY, 0.49, 10, token=NO)
        _, placed = scene.place(BOB, BUY, 0.52, 25)
        trades = [scene.matching.trades[name] for name in placed.trades]
        assert [(trade.price, trade.size) for trade in trades] == [(5_000, shares(10)), (5_100, shares(15))]
        assert [(part.order, part.size) for part in trades[1].parts] == [(early.id, shares(10)), (second.id, shares(5))]
        assert best.status == early.status == "MATCHED" and late.matched == 0 and second.rest == shares(5)

    def test_a_part_keeps_its_place_and_a_smaller_order_too(self) -> None:
        scene = Scene(cash=1_000)
        first, second = scene.rest(CROWD, SELL, 0.5, 20), scene.rest(CROWD, SELL, 0.5, 20)
        scene.rest(ANN, BUY, 0.5, 5)
        scene.matching.reduce(first, shares(10), scene.at)
        assert scene.matching.levels(YES, SELL) == [(5_000, shares(25))]
        scene.rest(ANN, BUY, 0.5, 6)
        assert (first.matched, second.matched) == (shares(10), shares(1))

    @pytest.mark.parametrize(
        ("maker", "taker", "kind"),
        [
            ((SELL, 0.4, YES), (BUY, 0.6, YES), "complementary"),
            ((BUY, 0.6, NO), (BUY, 0.6, YES), "mint"),
            ((SELL, 0.6, NO), (SELL, 0.2, YES), "merge"),
            ((BUY, 0.4, YES), (SELL, 0.2, YES), "complementary"),
        ],
    )
    def test_all_matches_are_at_the_makers_price(self, maker: tuple[object, ...], taker: tuple[object, ...], kind: str) -> None:
        scene = Scene(held=100)
        resting = scene.rest(ANN, maker[0], maker[1], 10, token=maker[2])
        order, placed = scene.place(BOB, taker[0], taker[1], 10, token=taker[2])
        [trade] = scene.matching.trades.values()
        own = resting.price if resting.token == order.token else 10_000 - resting.price
        assert (trade.price, trade.parts[0].price, own) == (4_000, resting.price, 4_000), kind
        amounts = (dollars(4), shares(10)) if taker[0] is BUY else (shares(10), dollars(4))
        assert (placed.making, placed.taking) == amounts

    def test_the_two_tokens_show_one_book(self) -> None:
        scene = Scene()
        scene.rest(ANN, BUY, 0.3, 10)
        scene.rest(ANN, BUY, 0.6, 20, token=NO)
        assert scene.matching.levels(YES, BUY) == [(3_000, shares(10))] and scene.matching.levels(YES, SELL) == [(4_000, shares(20))]
        assert scene.matching.levels(NO, BUY) == [(6_000, shares(20))] and scene.matching.levels(NO, SELL) == [(7_000, shares(10))]

    def test_a_market_buy_spends_dollars(self) -> None:
        scene = Scene()
        scene.rest(CROWD, SELL, 0.4, 10)
        scene.rest(CROWD, SELL, 0.6, 100)
        _, placed = scene.place(ANN, BUY, 0.99, 10.1, lasts=Lasts.FOK, spend=10)
        assert (placed.making, placed.taking, placed.status) == (dollars(10), shares(20), "matched")
        assert scene.refused(ANN, BUY, 0.99, 60.6, lasts=Lasts.FOK, spend=60) == FOK_TEXT

    def test_the_last_price_is_that_of_the_takers_own_token(self) -> None:
        scene = Scene()
        assert scene.matching.last(MARKET.id) == ""
        scene.rest(CROWD, SELL, 0.4, 10)
        scene.rest(ANN, BUY, 0.4, 5)
        assert scene.matching.last(MARKET.id) == "0.400"
        scene.rest(CROWD, BUY, 0.3, 10)
        scene.rest(ANN, BUY, 0.7, 5, token=NO)
        assert scene.matching.last(MARKET.id) == "0.700"


class TestEnds:
    def test_a_cancel_says_what_is_gone_and_why_the_rest_is_not(self) -> None:
        scene = Scene()
        mine, other, filled = scene.rest(ANN, BUY, 0.3, 10), scene.rest(BOB, BUY, 0.3, 10), scene.rest(ANN, BUY, 0.4, 10)
        scene.rest(CROWD, SELL, 0.4, 10)
        gone, kept = scene.matching.cancel([mine.id, other.id, filled.id, "0xno", mine.id], ANN, scene.at)
        unknown = "Order not found or already canceled"
        assert gone == [mine.id] and kept == {other.id: unknown, filled.id: "Order already matched", "0xno": unknown}
        assert scene.matching.cancel([mine.id], ANN, scene.at) == ([], {mine.id: unknown})
        assert scene.matching.open_orders(BOB) == [other] and scene.matching.wallet(ANN).reserved == {}

    def test_a_cancel_by_what_fits(self) -> None:
        scene = Scene()
        yes, no, other = scene.rest(ANN, BUY, 0.3, 10), scene.rest(ANN, BUY, 0.3, 10, token=NO), scene.rest(BOB, BUY, 0.3, 10)
        assert scene.matching.cancel_where(ANN, scene.at, token=NO)[0] == [no.id]
        assert scene.matching.cancel_where("", scene.at, owner=other.owner)[0] == [other.id]
        assert scene.matching.cancel_where(ANN, scene.at, market="0xother")[0] == []
        assert scene.matching.cancel_where(ANN, scene.at, market=MARKET.id)[0] == [yes.id]

    def test_gtd_ends_a_minute_before_its_stated_end(self) -> None:
        scene = Scene()
        order = scene.rest(ANN, BUY, 0.5, 10, lasts=Lasts.GTD, life_s=180)
        assert scene.matching.due() == START + 120 * SECOND
        assert scene.wait(119.999) == [] and order.status == "LIVE"
        told, moved = scene.wait(0.001)
        assert isinstance(told, OrderTold) and told.at == scene.at
        assert (told.kind, told.order.status) == ("CANCELLATION", "CANCELED_EXPIRED_ORDER")
        assert isinstance(moved, LevelsMoved) and moved.changes == ((BUY, Price(5_000), Size(0)),)

    def test_a_resting_order_that_nothing_backs_is_dropped_when_a_taker_comes(self) -> None:
        scene = Scene(cash=10)
        poor = scene.rest(ANN, BUY, 0.5, 20)
        scene.matching.deposit(ANN, Cash(-1))
        good = scene.rest(BOB, BUY, 0.4, 20)
        _, placed = scene.place(CROWD, SELL, 0.4, 10)
        assert poor.status == "CANCELED_NOT_ENOUGH_BALANCE" and good.matched == shares(10) and len(placed.trades) == 1

    def test_an_unbacked_order_counts_for_no_fok_and_no_fak(self) -> None:
        scene = Scene(cash=10)
        scene.rest(ANN, BUY, 0.5, 20)
        scene.rest(BOB, BUY, 0.4, 10)
        scene.matching.deposit(ANN, Cash(-1))
        assert scene.place(CROWD, SELL, 0.4, 20, lasts=Lasts.FOK)[1].error == FOK_TEXT
        assert scene.place(CROWD, SELL, 0.5, 20, lasts=Lasts.FAK)[1].error == FAK_TEXT
        assert scene.matching.levels(YES, BUY) == [(4_000, shares(10))]

    def test_a_drop_is_told_even_where_the_taker_is_refused(self) -> None:
        scene = Scene(cash=10)
        scene.rest(ANN, BUY, 0.5, 20)
        scene.matching.deposit(ANN, Cash(-1))
        scene.matching.take()
        assert scene.place(CROWD, SELL, 0.5, 20, lasts=Lasts.FAK)[1].error == FAK_TEXT
        told, moved = scene.matching.take()
        assert isinstance(told, OrderTold) and told.order.status == "CANCELED_NOT_ENOUGH_BALANCE"
        assert moved == LevelsMoved(scene.at, MARKET.id, ((BUY, Price(5_000), Size(0)),))

    def test_two_orders_of_a_wallet_are_backed_together(self) -> None:
        scene = Scene(cash=10)
        first, second = scene.rest(ANN, BUY, 0.5, 10), scene.rest(ANN, BUY, 0.5, 10)
        scene.matching.deposit(ANN, dollars(-4))
        _, placed = scene.place(CROWD, SELL, 0.5, 20)
        assert (first.status, second.status, placed.taking) == ("MATCHED", "CANCELED_NOT_ENOUGH_BALANCE", dollars(5))

    def test_a_finer_tick_near_the_edges_and_a_coarser_cancels_what_is_off(self) -> None:
        scene = Scene()
        scene.rest(CROWD, BUY, 0.96, 10)
        assert scene.matching.tick(MARKET.id) == 100
        scene.rest(CROWD, BUY, 0.97, 10)
        assert scene.matching.tick(MARKET.id) == 10 and TickMoved(scene.at, MARKET.id, Price(100), Price(10)) in scene.matching.take()
        fine, grid = scene.rest(ANN, BUY, 0.501, 10), scene.rest(ANN, BUY, 0.5, 10)
        scene.matching.retick(MARKET.id, Price(100), scene.at)
        assert (fine.status, grid.status) == ("CANCELED", "LIVE")
        still = Scene(Rules(tick_change=False))
        still.rest(CROWD, SELL, 0.03, 10)
        assert still.matching.tick(MARKET.id) == 100

    def test_a_market_ends(self) -> None:
        scene = Scene(cash=100)
        order = scene.rest(ANN, BUY, 0.5, 10)
        scene.matching.take()
        scene.matching.resolve(MARKET.id, Price(10_000), scene.at)
        scene.matching.resolve(MARKET.id, Price(0), scene.at)
        assert [type(fact) for fact in scene.matching.take()] == [OrderTold, LevelsMoved, Closed, Resolved]
        assert order.status == "CANCELED_MARKET_RESOLVED" and scene.matching.markets[MARKET.id].payout == 10_000


class TestDelay:
    def test_a_taker_waits_and_cannot_be_cancelled_meanwhile(self) -> None:
        scene = Scene(Rules(taker_delay_ms=50, reward_sample_s=0))
        maker = scene.rest(CROWD, SELL, 0.5, 10)
        order, placed = scene.place(ANN, BUY, 0.5, 10)
        assert (placed.status, order.status, maker.matched) == ("delayed", "DELAYED", 0)
        assert scene.matching.cancel([order.id], ANN, scene.at)[0] == [] and scene.matching.open_orders(ANN) == [order]
        assert scene.matching.due() == scene.at + 50 * MILLI
        scene.wait(0.05)
        assert order.status == "MATCHED" and scene.matching.wallet(ANN).reserved == {}

    def test_what_waits_is_checked_again(self) -> None:
        scene = Scene(Rules(taker_delay_ms=50, reward_sample_s=0), cash=52)
        maker = scene.rest(CROWD, SELL, 0.5, 100)
        whole = scene.rest(BOB, BUY, 0.5, 100, lasts=Lasts.FOK)
        scene.matching.reduce(maker, shares(90), scene.at)
        unpaid = scene.rest(ANN, BUY, 0.5, 80)
        scene.matching.deposit(ANN, dollars(-11.5))
        scene.wait(0.05)
        assert whole.status == f"CANCELED_{FOK_TEXT}" and unpaid.status == "CANCELED_NOT_ENOUGH_BALANCE"
        assert not scene.matching.trades and scene.matching.wallet(ANN).reserved == {} and scene.matching.wallet(BOB).reserved == {}

    def test_what_a_waiting_taker_drops_is_told_at_once(self) -> None:
        scene = Scene(Rules(taker_delay_ms=50, reward_sample_s=0), cash=10)
        scene.rest(ANN, BUY, 0.5, 20)
        scene.rest(BOB, BUY, 0.4, 20)
        scene.matching.deposit(ANN, Cash(-1))
        scene.matching.take()
        assert scene.place(CROWD, SELL, 0.4, 10)[1].status == "delayed"
        assert LevelsMoved(scene.at, MARKET.id, ((BUY, Price(5_000), Size(0)),)) in scene.matching.take()

    def test_the_market_may_end_while_a_taker_waits(self) -> None:
        scene = Scene(Rules(taker_delay_ms=50, reward_sample_s=0))
        scene.rest(CROWD, SELL, 0.5, 10)
        order = scene.rest(ANN, BUY, 0.5, 10)
        scene.matching.close(MARKET.id, scene.at)
        scene.wait(0.05)
        assert order.status == "CANCELED_MARKET_RESOLVED" and scene.matching.wallet(ANN).reserved == {}


def test_what_is_told_and_in_which_order() -> None:
    scene = Scene()
    scene.matching.list_market(MARKET, scene.at)
    assert scene.matching.take() == []
    maker = scene.rest(ANN, BUY, 0.5, 10)
    placed, level = scene.matching.take()
    assert isinstance(placed, OrderTold) and (placed.kind, placed.order.status) == ("PLACEMENT", "LIVE")
    assert level == LevelsMoved(scene.at, MARKET.id, ((BUY, Price(5_000), shares(10)),))
    scene.rest(CROWD, SELL, 0.5, 4)
    trade, update, printed, level = scene.matching.take()
    assert isinstance(trade, TradeTold) and isinstance(update, OrderTold) and isinstance(printed, Printed)
    assert (trade.trade.status, trade.trade.parts[0].order, update.kind, update.order.matched) == ("MATCHED", maker.id, "UPDATE", shares(4))
    assert (printed.trade, printed.token, printed.side, printed.price, printed.size) == (trade.trade.id, YES, SELL, 5_000, shares(4))
    assert level == LevelsMoved(scene.at, MARKET.id, ((BUY, Price(5_000), shares(6)),))
    assert scene.matching.market_of(NO) is MARKET and scene.matching.market_of("333") is None


def test_a_told_order_stays_as_it_was_told() -> None:
    scene = Scene()
    scene.rest(ANN, BUY, 0.5, 10)
    told = scene.matching.take()[0]
    scene.rest(CROWD, SELL, 0.5, 10)
    assert isinstance(told, OrderTold) and (told.order.matched, told.order.trades, told.order.status) == (0, [], "LIVE")


def test_a_listing_is_told_once() -> None:
    scene = Scene()
    second = MARKET.__class__(id="0xn", slug="n", question="?", yes="3", no="4", tick=Price(10), min_size=shares(5))
    for _ in range(2):
        scene.matching.list_market(second, Nanos(5))
    assert scene.matching.take() == [Listed(Nanos(5), second)]
