"""Markouts: the reference's fill by hand, NO shares, own orders in the book, results, failed trades, clusters, and a bound."""

import pytest
from msgspec.structs import replace

from pmm_tui.core.events import BookReset, FillSettled, MarketResolved, OrderFilled
from pmm_tui.core.market import Market, Side
from pmm_tui.core.portfolio import Fill
from pmm_tui.core.units import SHARE, Cash, Nanos, Price, Size
from pmm_tui.study.cells import HORIZONS_S
from pmm_tui.study.markouts import NAMES, Mark, Markouts, mark_of, mid_of, touch
from tests.core.desk import MARKET, at, book, knobs, places
from tests.study.scene import Counted

FINE = replace(MARKET, tick=Price(10))
LATER = (0.4845, 0.482, 0.479, 0.481, 0.484, 0.487)
"""The mids of the reference (M7), each from just before a horizon on."""
OUT = (0.45, 0.20, -0.10, 0.10, 0.40, 0.70)
"""Its markouts, cents a share."""


def around(ms: int, mid: float, market: Market = FINE) -> BookReset:
    """A book with this mid and deep levels."""
    bid, ask = Price(round((mid - 0.0005) * 10_000) // 10 * 10), Price(-(-round((mid + 0.0005) * 10_000) // 10) * 10)
    return BookReset(at(ms), market.id, at(ms), ((bid, Size(500 * SHARE)),), ((ask, Size(500 * SHARE)),))


def bought(desk: Counted, ms: int, price: int = 4_800, shares: int = 10, trade: str = "t1") -> OrderFilled:
    """Our first bid buys."""
    order = next(place for place in places(desk.asked) if place.side is Side.BUY and place.token == "yes")
    return OrderFilled(at(ms), order.order, trade, Price(price), Size(shares * SHARE))


def quoting(market: Market = FINE, **changes: float | bool) -> Counted:
    """A desk with an order of 100 shares at the book of the reference."""
    desk = Counted(knobs(default_order_size=100.0, **changes), market)
    desk.accept(desk.tell(around(1_000, 0.485, market)) + desk.tick(1_100), 1_140)
    return desk


def test_the_fill_of_the_reference_marks_out_as_it_says_at_every_horizon() -> None:
    desk = quoting()
    desk.tell(bought(desk, 2_000))
    for horizon, mid in zip(HORIZONS_S, LATER, strict=True):
        due = 2_000 + round(horizon * 1_000)
        desk.tick(due - 100)
        desk.tell(around(due - 50, mid))
        desk.ms = due - 100
        desk.tick(due)
    told = [100 * desk.total(f"{name}.s") / desk.total(f"{name}.w") for name in NAMES]
    assert told == pytest.approx(OUT, abs=0.0051), "mids of half a tick are drawn on a grid of a tenth of a cent"
    assert [desk.total(f"{name}.w") for name in NAMES] == [10.0] * 6
    effective, realised = desk.total("markout_0.s") / 10, desk.total("markout_10.s") / 10
    assert effective == pytest.approx(0.005) and effective - realised == pytest.approx(0.006), "effective = realised + impact"


def test_a_mark_is_in_yes_terms_whatever_was_traded() -> None:
    fill = Fill(
        Nanos(5), "t", 1, "0xm", "no", Side.BUY, Price(5_200), Size(10 * SHARE), Cash(0), Cash(0), True, Cash(0), Cash(0), Cash(0), Cash(0)
    )
    mark = mark_of(fill, MARKET)
    assert (mark.sign, mark.shares) == (-1, 10.0) and mark.price == pytest.approx(0.48)
    assert mark.out(0.40) == pytest.approx(0.08), "NO bought, YES fell: to our good"
    fill.side, fill.token = Side.SELL, "yes"
    assert mark_of(fill, MARKET).out(0.40) == pytest.approx(0.12)


def test_our_own_orders_do_not_move_the_mid_they_are_measured_by() -> None:
    desk = quoting(own_orders_in_book=True)
    market = desk.engine.state.markets[FINE.id]
    ours = {order.price: order.size for order in market.live.values() if order.side is Side.BUY and order.token == "yes"}
    best = max(ours)
    deep = ((Price(4_000), Size(500 * SHARE)), (best, ours[best]))
    desk.tell(BookReset(at(1_200), FINE.id, at(1_200), deep, ((Price(5_200), Size(500 * SHARE)),)))
    assert touch(market, True) == (4_000, 5_200) and mid_of(market, True) == pytest.approx(0.46)
    assert touch(market, False) == (best, 5_200)


def test_what_is_left_of_a_book_still_says_something_and_a_result_says_all() -> None:
    desk = quoting()
    market = desk.engine.state.markets[FINE.id]
    desk.tell(BookReset(at(1_200), FINE.id, at(1_200), ((Price(9_900), Size(SHARE)),), ()))
    assert mid_of(market, False) == pytest.approx(0.995)
    desk.tell(BookReset(at(1_300), FINE.id, at(1_300), (), ()))
    assert mid_of(market, False) is None
    desk.tell(MarketResolved(at(1_400), FINE.id, Price(10_000)))
    assert mid_of(market, False) == 1.0


def test_a_markout_after_the_end_is_against_the_payout_and_belongs_to_the_stretch_of_its_fill() -> None:
    desk = quoting()
    desk.tell(bought(desk, 2_000))
    desk.tell(MarketResolved(at(150_000), FINE.id, Price(0)))
    for seconds in (151, 200, 300, 700):
        desk.leap(seconds * 1_000)
    assert desk.total("markout_30.s") / 10 == pytest.approx(-0.48) and desk.total("markout_600.s") / 10 == pytest.approx(-0.48)
    (cell,) = desk.tally.told().cells
    assert cell.stretch == (at(2_000) // 60_000_000_000)
    assert desk.total("pnl.s") == pytest.approx(-4.8), "what the result brought is in that stretch too"


def test_an_empty_book_leaves_the_last_mid_in_force() -> None:
    desk = quoting()
    desk.tick(2_040)
    desk.tell(bought(desk, 2_050), BookReset(at(2_100), FINE.id, at(2_100), (), ()))
    desk.tick(2_700)
    assert desk.total("markout_0.5.s") / 10 == pytest.approx(0.005)


def test_a_trade_that_fails_has_no_markout_at_all() -> None:
    desk = quoting()
    desk.tell(bought(desk, 2_000))
    desk.tick(3_000)
    desk.tell(FillSettled(at(3_050), "t1", 1, False))
    for seconds in (5, 20, 700):
        desk.leap(seconds * 1_000)
    assert desk.total("failed") == 1
    assert [desk.total(f"{name}.{part}") for name in ("markout_0", *NAMES) for part in ("k", "w", "s")] == [0.0] * 21


def test_fills_that_come_together_are_one_observation() -> None:
    desk = quoting()
    for number, ms in enumerate((2_000, 2_100, 2_200)):
        desk.tell(bought(desk, ms, trade=f"t{number}"))
    desk.tell(bought(desk, 30_000, trade="t9"))
    desk.leap(41_000)
    assert (desk.total("fills"), desk.total("arrivals.k"), desk.total("arrivals.ss")) == (4, 2, 10)
    assert desk.total("markout_10.k") == 2 and desk.total("markout_10.w") == 40
    assert desk.total("markout_10.ww") == 30 * 30 + 10 * 10
    assert desk.total("markout_2.k") == 2 and desk.total("judged") == 4


def test_no_more_than_so_many_fills_are_followed_and_the_rest_is_counted() -> None:
    marks = Markouts(most=3)
    for number in range(5):
        marks.add((f"t{number}", 1), Mark(number, "m", 0, 1, 0.5, 1.0))
    assert marks.unfollowed == 2
    assert len(list(marks.due(700_000_000_000))) == 3 * len(NAMES)
    marks.add(("t9", 1), Mark(700_000_000_000, "m", 0, 1, 0.5, 1.0))
    assert marks.unfollowed == 2 and marks.next_at == 700_500_000_000


def test_the_market_as_it_is_drawn_has_the_mids_of_the_reference() -> None:
    desk = quoting()
    desk.tell(book(1_500, "48x10 | 49x10", FINE))
    assert mid_of(desk.engine.state.markets[FINE.id], False) == pytest.approx(0.485)
