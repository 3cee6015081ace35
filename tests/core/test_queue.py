"""Where we stand in the queue of a level: never less than what the public book proves."""

import pytest

from pmm_tui.core.commands import Place
from pmm_tui.core.events import BookChanged, Traded
from pmm_tui.core.market import Side
from pmm_tui.core.orders.queue import level_of
from pmm_tui.core.units import SHARE, Price, Size
from tests.core.desk import MARKET, Bench, at, book, knobs, places

QUIET = "47x100 48x100 | 52x100 53x100"


def bid(ours_in_book: bool = False, routing: bool = False) -> tuple[Bench, Place]:
    """A desk with its bid and ask accepted at the touch; the bid of the YES book."""
    bench = Bench(knobs(own_orders_in_book=ours_in_book, complement_routing=routing, price_tolerance_ticks=100.0, width_model="fixed"))
    sent = places(bench.tell(book(100, QUIET)))
    bench.accept(sent, 200)
    return bench, next(place for place in sent if (place.token == MARKET.yes) is (place.side is Side.BUY))


def ahead(bench: Bench, place: Place) -> float:
    return bench.engine.state.live[place.order].ahead / SHARE


def changed(ms: int, side: Side, price: int, shares: float) -> BookChanged:
    return BookChanged(at(ms), MARKET.id, at(ms), ((side, Price(price), Size(round(shares * SHARE))),))


def traded(ms: int, side: Side, price: int, shares: float) -> Traded:
    return Traded(at(ms), MARKET.id, at(ms), Price(price), Size(round(shares * SHARE)), side, "")


def test_before_the_venue_has_it_nothing_is_known() -> None:
    bench = Bench()
    (place, *_) = places(bench.tell(book(100, QUIET)))
    assert bench.engine.state.live[place.order].ahead == -1


@pytest.mark.parametrize("ours_in_book", [False, True])
def test_all_that_its_level_shows_is_ahead_but_itself(ours_in_book: bool) -> None:
    bench, place = bid(ours_in_book)
    shown = bench.engine.state.markets[MARKET.id].book.size_at(*level_of(bench.engine.state.live[place.order], MARKET.yes)) / SHARE
    assert ahead(bench, place) == max(0.0, shown - (place.size / SHARE if ours_in_book else 0))


def test_trades_at_our_price_go_first_and_through_it_take_all() -> None:
    bench, place = bid()
    price = int(place.price)
    bench.tell(changed(300, Side.BUY, price, 100))
    bench.engine.state.live[place.order].ahead = Size(100 * SHARE)
    bench.tell(traded(400, Side.SELL, price, 30))
    assert ahead(bench, place) == 70
    bench.tell(traded(500, Side.BUY, price + 200, 30))
    assert ahead(bench, place) == 70, "a taker on our own side"
    bench.tell(traded(600, Side.SELL, price - 100, 1))
    assert ahead(bench, place) == 0


def test_a_cancel_is_taken_to_come_from_behind_until_the_level_is_too_small() -> None:
    bench, place = bid()
    price = int(place.price)
    bench.engine.state.live[place.order].ahead = Size(100 * SHARE)
    bench.tell(changed(300, Side.BUY, price, 250))
    assert ahead(bench, place) == 100
    bench.tell(changed(400, Side.BUY, price, 40))
    assert ahead(bench, place) == 40
    bench.tell(changed(500, Side.BUY, price, 400))
    assert ahead(bench, place) == 40, "who comes later stands behind us"
    bench.tell(changed(600, Side.SELL, price, 1), changed(650, Side.BUY, price - 100, 1))
    assert ahead(bench, place) == 40, "another level"
    bench.tell(book(700, "44x100 | 52x100 53x100"))
    assert ahead(bench, place) == 0


def test_an_order_for_the_complement_stands_in_the_mirrored_level() -> None:
    bench, _ = bid(routing=True)
    for order in bench.engine.state.live.values():
        side, price = level_of(order, MARKET.yes)
        if order.token == MARKET.no:
            assert (side, price) == (Side.SELL if order.side is Side.BUY else Side.BUY, 10_000 - order.price)
        else:
            assert (side, price) == (order.side, order.price)


def test_a_fill_says_how_long_the_answer_took_and_what_was_ahead() -> None:
    bench, place = bid()
    bench.engine.state.live[place.order].ahead = Size(7 * SHARE)
    bench.fill(place, 5, 300)
    (fill,) = bench.engine.snapshot().fills
    assert (fill.ahead, fill.answered_ms) == (7 * SHARE, 100.0)
