"""The exchange's matching, example by example: who meets whom, at what price, in what order, and what it does to their money."""

from random import Random

import pytest

from pmm_tui.core.market import Fees, Market, Side
from pmm_tui.core.units import DOLLAR, ONE, SECOND, SHARE, Cash, Nanos, Price, Size
from pmm_tui.exchange import floor
from pmm_tui.exchange.admission import CROSSES, EXPIRATION, KILLED_FAK, KILLED_FOK, NOT_READY, Rules
from pmm_tui.exchange.floor import Placed
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.terms import Lasts, LevelsMoved, Order, OrderTold, Printed, TickMoved, TradeTold

MARKET = Market("0xm", "m", "M?", "111", "222", Price(100), Size(5 * SHARE), fees=Fees(0.07, 1.0, 0.2))
FREE = Market("0xf", "f", "F?", "333", "444", Price(100), Size(5 * SHARE))


class Room:
    """A matching core with three wallets of $1,000, and a short way to order."""

    def __init__(self, market: Market = FREE, **rules: object) -> None:
        self.core = Matching(Random(7), Rules(**rules))  # type: ignore[arg-type]  # knobs by name
        self.market = market
        self.core.list_market(market, Nanos(0))
        for wallet in "abc":
            self.core.deposit(wallet, Cash(1_000 * DOLLAR))
        self.core.take()
        self.count = 0
        self.at = Nanos(SECOND)

    def order(self, wallet: str, side: Side, price: int, shares: float, no: bool = False, **more: object) -> Order:
        self.count += 1
        token = self.market.no if no else self.market.yes
        lasts = more.pop("lasts", Lasts.GTC)
        order = Order(
            f"0x{self.count}", wallet, wallet, self.market.id, token, side, Price(price), Size(round(shares * SHARE)), lasts, False, self.at  # type: ignore[arg-type]  # as given
        )
        for name, value in more.items():
            setattr(order, name, value)
        return order

    def buy(self, wallet: str, price: int, shares: float, no: bool = False, **more: object) -> Placed:
        return self.core.place(self.order(wallet, Side.BUY, price, shares, no, **more), self.at)

    def sell(self, wallet: str, price: int, shares: float, no: bool = False, **more: object) -> Placed:
        return self.core.place(self.order(wallet, Side.SELL, price, shares, no, **more), self.at)

    def settle(self) -> None:
        self.at = Nanos(self.at + 600 * SECOND)
        self.core.advance(self.at)

    def money(self, wallet: str) -> tuple[float, float, float]:
        """Dollars, YES, NO on chain."""
        core, market = self.core, self.market
        return core.cash(wallet) / DOLLAR, core.shares(wallet, market.yes) / SHARE, core.shares(wallet, market.no) / SHARE


def test_a_buy_of_yes_and_a_buy_of_no_mint_a_pair() -> None:
    room = Room()
    assert room.buy("a", 4_900, 10).status == "live"
    assert room.buy("b", 5_100, 10, no=True).status == "matched"
    room.settle()
    assert room.money("a") == (995.1, 10, 0) and room.money("b") == (994.9, 0, 10)


def test_two_sells_merge_a_pair() -> None:
    room = Room()
    assert not room.core.split("a", FREE.id, Size(10 * SHARE)) and not room.core.split("b", FREE.id, Size(10 * SHARE))
    room.sell("a", 4_900, 10)
    assert room.sell("b", 5_000, 10, no=True).status == "matched"
    room.settle()
    assert room.money("a") == (994.9, 0, 10) and room.money("b") == (995.1, 10, 0), "at the maker's 0.49: NO at 0.51"


def test_the_best_price_goes_first_then_the_oldest_and_the_taker_is_improved() -> None:
    room = Room()
    for wallet, price in (("a", 4_800), ("b", 4_900), ("c", 4_900)):
        room.buy(wallet, price, 10)
    room.core.split("c", FREE.id, Size(50 * SHARE))
    taken = room.sell("c", 4_000, 25)
    assert (taken.making, taken.taking) == (25 * SHARE, round((10 * 0.49 + 10 * 0.49 + 5 * 0.48) * DOLLAR))
    matched = {order.wallet: order.matched / SHARE for order in room.core.orders.values() if order.side is Side.BUY}
    assert matched == {"a": 5, "b": 10, "c": 10}
    assert [trade.price for trade in room.core.trades.values()] == [4_900, 4_800], "one trade a level"


def test_a_part_fill_keeps_its_place_and_a_new_order_goes_to_the_back() -> None:
    room = Room()
    room.core.split("c", FREE.id, Size(50 * SHARE))
    room.buy("a", 4_900, 10)
    room.buy("b", 4_900, 10)
    room.sell("c", 4_900, 4)
    room.sell("c", 4_900, 8)
    matched = {order.wallet: order.matched / SHARE for order in room.core.orders.values() if order.side is Side.BUY}
    assert matched == {"a": 10, "b": 2}


def test_a_taker_pays_the_venues_curve_and_a_maker_nothing() -> None:
    room = Room(MARKET)
    room.buy("a", 5_000, 100, no=True)
    room.buy("b", 5_000, 100)
    room.settle()
    assert room.money("b") == (1_000 - 50 - 1.75, 100, 0) and room.money("a") == (950, 0, 100)
    assert room.core.accrual.rebate(MARKET.id, "a") == round(0.35 * DOLLAR) and not room.core.accrual.rebate(MARKET.id, "b")


@pytest.mark.parametrize(
    ("order", "text"),
    [
        ({"price": 4_950}, "breaks minimum tick size rule: 0.01"),
        ({"price": 10_000}, "breaks minimum tick size rule: 0.01"),
        ({"shares": 4}, "Size (4) lower than the minimum: 5"),
        ({"shares": 10.001}, "invalid amounts"),
        ({"shares": 3_000}, "not enough balance / allowance: the balance is not enough -> balance: 1000000000, sum of active orders: 0, "),
        ({"lasts": Lasts.FAK}, KILLED_FAK),
        ({"lasts": Lasts.FOK}, KILLED_FOK),
        ({"lasts": Lasts.GTD, "expires": Nanos(179 * SECOND)}, EXPIRATION),
    ],
)
def test_what_is_refused_is_refused_in_the_venues_words(order: dict[str, object], text: str) -> None:
    room = Room()
    terms: dict[str, object] = {"price": 4_900, "shares": 10} | order
    placed = room.buy("a", **terms)  # type: ignore[arg-type]  # as given
    assert text in placed.error and not room.core.orders and room.core.wallet("a").reserved == {}


def test_post_only_never_takes_and_a_marketable_dollar_is_too_little() -> None:
    room = Room()
    room.buy("a", 4_900, 10, no=True)
    assert room.buy("b", 5_100, 10, post_only=True).error == CROSSES
    assert "min size: $1" in room.buy("b", 5_100, 1.5, lasts=Lasts.FAK).error
    assert room.buy("b", 5_000, 10, post_only=True).status == "live"


def test_an_order_is_taken_once_and_a_closed_market_takes_none() -> None:
    room = Room()
    order = room.order("a", Side.BUY, 4_900, 10)
    assert room.core.place(order, room.at).status == "live"
    assert "Duplicated" in room.core.place(order, room.at).error
    room.core.resolve(FREE.id, ONE, room.at)
    assert order.status == "CANCELED_MARKET_RESOLVED" and room.buy("a", 4_900, 10).error == NOT_READY


def test_active_orders_count_in_their_own_market_or_in_all() -> None:
    for per_market, refused in ((True, False), (False, True)):
        room = Room(per_market_reservation=per_market)
        room.core.list_market(MARKET, room.at)
        room.buy("a", 5_000, 1_500)
        other = Order("0xo", "a", "a", MARKET.id, MARKET.yes, Side.BUY, Price(5_000), Size(1_500 * SHARE), Lasts.GTC, False, room.at)
        assert bool(room.core.place(other, room.at).error) is refused
        assert "sum of active orders: 750000000" in room.buy("a", 5_000, 600).error


def test_what_is_matched_is_promised_and_cannot_be_sold_before_it_is_mined() -> None:
    room = Room()
    room.buy("a", 4_900, 10, no=True)
    room.buy("b", 5_100, 10)
    assert "balance: 0" in room.sell("b", 5_500, 10).error
    assert "sum of matched orders: 5100000" in room.buy("b", 5_000, 1_995).error
    room.settle()
    assert room.sell("b", 5_500, 10).status == "live"


@pytest.mark.parametrize("before", ["MATCHED", "MINED"])
def test_a_trade_that_fails_is_undone_exactly(before: str) -> None:
    room = Room()
    room.buy("a", 4_900, 10, no=True)
    (name,) = room.buy("b", 5_100, 10).trades
    if before == "MINED":
        room.core.settle_next(name, "MINED", room.at)
        assert room.money("b") == (994.9, 10, 0)
    room.core.settle_next(name, "FAILED", room.at)
    assert room.money("a") == room.money("b") == (1_000, 0, 0)
    assert not room.core.wallet("a").owed and not room.core.wallet("b").owed
    room.core.settle_next(name, "CONFIRMED", room.at)
    assert room.core.trades[name].status == "FAILED", "an end is an end"


def test_gtd_ends_a_minute_early_and_cancels_say_why_not() -> None:
    room = Room()
    room.buy("a", 4_900, 10, lasts=Lasts.GTD, expires=Nanos(301 * SECOND))
    room.core.advance(Nanos(240 * SECOND))
    assert room.core.orders["0x1"].status == "LIVE"
    room.core.advance(Nanos(241 * SECOND))
    assert room.core.orders["0x1"].status == "CANCELED_EXPIRED_ORDER"
    gone, kept = room.core.cancel(["0x1", "0x99"], "a", room.at)
    assert gone == [] and set(kept) == {"0x1", "0x99"}


def test_a_wallets_orders_are_only_its_own_to_cancel() -> None:
    room = Room()
    room.buy("a", 4_900, 10)
    room.buy("b", 4_800, 10)
    assert room.core.cancel(["0x1"], "b", room.at)[0] == []
    assert room.core.cancel_where("b", room.at)[0] == ["0x2"] and room.core.cancel_where("", room.at, owner="a")[0] == ["0x1"]


def test_the_grid_gets_finer_near_the_ends_and_a_coarser_one_takes_what_is_off_it() -> None:
    room = Room()
    room.buy("a", 9_700, 10)
    assert room.core.tick(FREE.id) == 10 and any(isinstance(fact, TickMoved) for fact in room.core.take())
    room.buy("b", 9_610, 10)
    room.core.retick(FREE.id, Price(100), room.at)
    assert room.core.orders["0x2"].status == "CANCELED" and room.core.orders["0x1"].status == "LIVE"


def test_a_taker_waits_where_the_market_has_a_delay() -> None:
    room = Room(taker_delay_ms=250)
    room.buy("a", 4_900, 10, no=True)
    assert room.buy("b", 5_100, 10).status == "delayed"
    assert "delayed" in room.core.cancel(["0x2"], "b", room.at)[1]["0x2"]
    room.core.advance(Nanos(room.at + SECOND))
    assert room.core.orders["0x2"].status == "MATCHED"


def test_a_maker_without_its_money_leaves_the_book() -> None:
    room = Room()
    room.buy("a", 4_900, 10, no=True)
    room.core.deposit("a", Cash(-999 * DOLLAR))
    assert room.buy("b", 5_100, 10).status == "live"
    assert room.core.orders["0x1"].status == "CANCELED_NOT_ENOUGH_BALANCE"


def test_a_market_buy_spends_dollars() -> None:
    room = Room()
    room.buy("a", 5_000, 100, no=True)
    taken = room.buy("b", 6_000, 10, lasts=Lasts.FAK, budget=Cash(6 * DOLLAR))
    assert (taken.making, taken.taking) == (6 * DOLLAR, 12 * SHARE), "at 0.50 six dollars buy twelve"


def test_redeem_pays_what_the_result_says() -> None:
    room = Room()
    room.core.split("a", FREE.id, Size(10 * SHARE))
    room.core.resolve(FREE.id, ONE, room.at)
    assert room.core.redeem("a", FREE.id) == 10 * DOLLAR and room.money("a") == (1_000, 0, 0)
    with pytest.raises(KeyError):
        room.core.redeem("a", "0xnowhere")


def test_the_facts_tell_each_owner_its_part_and_the_book_as_it_is_after() -> None:
    room = Room()
    room.buy("a", 4_900, 10, no=True)
    room.core.take()
    room.buy("b", 5_100, 4)
    facts = room.core.take()
    assert [(fact.order.owner, fact.kind) for fact in facts if isinstance(fact, OrderTold)] == [("a", "UPDATE"), ("b", "UPDATE")]
    (told,) = [fact.trade for fact in facts if isinstance(fact, TradeTold)]
    assert (told.wallet, told.price, [part.price for part in told.parts]) == ("b", 5_100, [4_900])
    assert [(fact.side, fact.price, fact.size) for fact in facts if isinstance(fact, Printed)] == [(Side.BUY, 5_100, 4 * SHARE)]
    assert [fact.changes for fact in facts if isinstance(fact, LevelsMoved)] == [((Side.SELL, 5_100, 6 * SHARE),)]
    room.settle()
    assert told.status == "MATCHED", "what was told does not change afterwards"


def test_ended_orders_and_trades_are_forgotten_beyond_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor, "KEPT_MAX", 3)
    room = Room()
    for _ in range(6):
        room.buy("a", 4_900, 10, no=True)
        room.buy("b", 5_100, 10)
    room.buy("c", 4_000, 10)
    room.settle()
    assert len(room.core.orders) == 3 and len(room.core.trades) == 3
    assert "0x13" in room.core.orders, "what rests is never forgotten"


def test_one_sweep_never_takes_more_of_a_wallet_than_it_holds() -> None:
    room = Room(per_market_reservation=True)
    room.core.list_market(MARKET, room.at)
    room.buy("a", 5_000, 1_000)
    room.buy("a", 4_900, 1_000)
    room.core.deposit("a", Cash(-400 * DOLLAR))
    room.core.split("b", FREE.id, Size(900 * SHARE))
    room.core.deposit("c", Cash(2_000 * DOLLAR))
    room.core.split("c", FREE.id, Size(2_000 * SHARE))
    room.sell("c", 4_000, 2_000)
    room.settle()
    assert room.core.cash("a") >= 0, "what its money does not cover left the book"


def test_a_fill_or_kill_counts_only_what_is_backed() -> None:
    room = Room()
    room.buy("a", 5_000, 10)
    room.buy("b", 5_000, 10)
    room.core.deposit("b", Cash(-999 * DOLLAR))
    room.core.split("c", FREE.id, Size(20 * SHARE))
    assert room.sell("c", 5_000, 20, lasts=Lasts.FOK).error == KILLED_FOK
