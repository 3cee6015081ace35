"""Booking, undoing and settling: cash, cost and profit to the micro-dollar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmm_tui.core.events import FillSettled, OrderFilled
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.orders.life import Order
from pmm_tui.core.portfolio import Portfolio
from pmm_tui.core.units import DOLLAR, ONE, SHARE, Cash, Nanos, Price, Size, gets, pays

T = Nanos(1)


def order(number: int, side: Side, token: str = "y") -> Order:
    return Order(
        id=number,
        market="m",
        token=token,
        side=side,
        price=Price(5_000),
        size=Size(100 * SHARE),
        kind=Kind.POST_ONLY,
        strategy="maker",
        level=0,
        sent_at=T,
    )


def fill(number: int, trade: str, cents: int, shares: int, fee: int = 0) -> OrderFilled:
    return OrderFilled(T, number, trade, Price(cents * 100), Size(shares * SHARE), Cash(fee))


def test_a_round_trip_earns_the_spread() -> None:
    book = Portfolio(Cash(500 * DOLLAR))
    bought = book.book(order(1, Side.BUY), fill(1, "a", 48, 10), 0.50)
    sold = book.book(order(2, Side.SELL), fill(2, "b", 52, 10), 0.50)
    assert book.cash == 500 * DOLLAR + 400_000
    assert book.realised == 400_000
    assert (bought.captured, sold.captured, book.captured) == (200_000, 200_000, 400_000)
    assert book.shares("y") == 0


def test_average_cost_carries_over_partial_sales() -> None:
    book = Portfolio(Cash(500 * DOLLAR))
    book.book(order(1, Side.BUY), fill(1, "a", 40, 10), None)
    book.book(order(2, Side.BUY), fill(2, "b", 60, 10), None)
    book.book(order(3, Side.SELL), fill(3, "c", 55, 10), None)
    assert book.holding("y").cost == 5 * DOLLAR
    assert book.realised == 500_000


def test_fees_are_paid_and_rebates_received() -> None:
    book = Portfolio(Cash(10 * DOLLAR))
    book.book(order(1, Side.BUY), fill(1, "a", 50, 10, fee=-10_000), None)
    assert (book.cash, book.fees) == (5 * DOLLAR + 10_000, -10_000)


def test_only_settled_shares_lose_their_pending_mark() -> None:
    book = Portfolio(Cash(10 * DOLLAR))
    book.book(order(1, Side.BUY), fill(1, "a", 50, 10), None)
    assert book.holding("y").pending == 10 * SHARE
    assert book.settle_fill(FillSettled(T, "a", 1, True)) is not None
    assert (book.holding("y").shares, book.holding("y").pending) == (10 * SHARE, 0)
    assert book.settle_fill(FillSettled(T, "a", 1, True)) is None


def test_a_settlement_may_overtake_its_fill() -> None:
    book = Portfolio(Cash(10 * DOLLAR))
    assert book.settle_fill(FillSettled(T, "a", 1, False)) is None
    book.book(order(1, Side.BUY), fill(1, "a", 50, 10), 0.5)
    assert (book.cash, book.shares("y"), book.fills[("a", 1)].status) == (10 * DOLLAR, 0, "FAILED")


def test_resolution_pays_yes_and_no() -> None:
    book = Portfolio(Cash(20 * DOLLAR))
    book.book(order(1, Side.BUY), fill(1, "a", 60, 10), None)
    book.book(order(2, Side.BUY, "n"), fill(2, "b", 30, 5), None)
    profit = book.resolve("m", "y", "n", ONE)
    assert profit == 4 * DOLLAR - 1_500_000
    assert book.cash == 20 * DOLLAR + profit
    assert book.holdings == {}
    assert book.realised_in["m"] == profit


def test_a_split_result_pays_half() -> None:
    book = Portfolio(Cash(20 * DOLLAR))
    book.book(order(1, Side.BUY), fill(1, "a", 60, 10), None)
    assert book.resolve("m", "y", "n", Price(5_000)) == -1 * DOLLAR


def test_live_orders_fills_are_not_forgotten() -> None:
    book = Portfolio(Cash(20 * DOLLAR))
    for number in (1, 2, 3):
        book.book(order(number, Side.BUY), fill(number, "a", 50, 1), None)
    book.settle_fill(FillSettled(T, "a", 1, True))
    book.settle_fill(FillSettled(T, "a", 2, True))
    book.forget(Nanos(10), live={1})
    assert sorted(book.fills) == [("a", 1), ("a", 3)]


trades = st.lists(st.tuples(st.booleans(), st.integers(1, 9_999), st.integers(1, 50_000_000), st.integers(-5_000, 5_000)), max_size=30)


@given(trades, st.data())
def test_undoing_every_fill_gives_the_start_back(moves: list[tuple[bool, int, int, int]], data: st.DataObject) -> None:
    """Whatever was traded, in whatever order it fails: cash, shares and cost plus realised return to where they were."""
    book = Portfolio(Cash(500 * DOLLAR))
    for number, (buy, price, size, fee) in enumerate(moves):
        if not buy and size > book.shares("y"):
            continue
        book.book(
            order(number, Side.BUY if buy else Side.SELL), OrderFilled(T, number, f"t{number}", Price(price), Size(size), Cash(fee)), 0.5
        )
    assert book.cash + sum(held.cost for held in book.holdings.values()) + book.fees == 500 * DOLLAR + book.realised
    for trade, number in data.draw(st.permutations(sorted(book.fills))):
        book.settle_fill(FillSettled(T, trade, number, False))
    assert (book.cash, book.shares("y"), book.fees, book.captured) == (500 * DOLLAR, 0, 0, 0)
    assert book.holding("y").cost == 0
    assert book.realised == 0


@given(st.integers(1, 9_999), st.integers(1, 10**12))
def test_rounding_is_always_against_us(price: int, size: int) -> None:
    assert 0 <= pays(price, size) - gets(price, size) <= 1
    assert pays(price, size) * 10_000 >= price * size >= gets(price, size) * 10_000


@pytest.mark.parametrize("known", [True, False])
def test_a_fill_is_known_by_trade_and_order(known: bool) -> None:
    book = Portfolio(Cash(20 * DOLLAR))
    event = fill(1, "a", 50, 1)
    book.book(order(1, Side.BUY), event, None)
    assert book.knows(event if known else fill(2, "a", 50, 1)) is known
