"""Guards: what pulls quotes, why, and what brings them back."""

import msgspec
import pytest

from pmm_tui.core.commands import Watch
from pmm_tui.core.events import BookChanged, LinkDown, LinkUp, OrderCancelled
from pmm_tui.core.market import Side
from pmm_tui.core.units import SHARE, Price, Size
from tests.core.desk import MARKET, Bench, at, book, cancels, knobs, places
from tests.core.test_engine import QUIET, quoting


@pytest.mark.parametrize(
    ("drawn", "why"),
    [
        ("48x300 | 47x300", "crossed"),
        ("48x300 |", "one-sided"),
        ("| 52x300", "one-sided"),
        ("|", "empty"),
    ],
)
@pytest.mark.fault("F07", "F11")
def test_a_book_that_cannot_be_priced_pulls_quotes(drawn: str, why: str) -> None:
    bench, sent = quoting()
    commands = bench.tell(book(1_000, drawn)) + bench.tick(1_200)
    assert sorted(cancels(commands)) == [order.order for order in sent]
    row = bench.engine.snapshot().markets[0]
    assert row.why.startswith(why)


@pytest.mark.fault("F07")
def test_a_book_that_stays_crossed_is_fetched_anew() -> None:
    bench, _ = quoting()
    bench.tell(book(1_000, "48x300 | 47x300"))
    commands = bench.tick(1_800)
    assert commands.count(Watch(MARKET.id)) == 1
    assert bench.engine.snapshot().markets[0].health.resyncs == 1


def test_stale_data_pulls_quotes() -> None:
    bench, sent = quoting(stale_after_s=3.0)
    assert not cancels(bench.tick(3_000))
    assert sorted(cancels(bench.tick(3_400))) == [order.order for order in sent]
    assert bench.engine.snapshot().markets[0].state == "stale"


def test_a_lost_feed_pulls_quotes_until_it_is_back() -> None:
    bench, sent = quoting()
    commands = bench.tell(LinkDown(at(1_000), "market", "no route")) + bench.tick(1_200)
    assert sorted(cancels(commands)) == [order.order for order in sent]
    assert "no route" in bench.engine.snapshot().markets[0].why
    for order in sent:
        bench.tell(OrderCancelled(at(1_300), order.order, Size(0)))
    bench.tell(LinkUp(at(1_400), "market"))
    assert len(places(bench.tick(1_600))) == 2


def test_quotes_end_before_the_market_does() -> None:
    ending = msgspec.structs.replace(MARKET, closes=at(10_000))
    bench = Bench(knobs(complement_routing=True, stop_before_close_s=5.0), ending)
    bench.accept(bench.tell(book(100, QUIET)), 200)
    assert not cancels(bench.tick(4_900))
    assert len(cancels(bench.tick(5_200))) == 2
    assert bench.engine.snapshot().markets[0].state == "held"


def told(ms: int, cents: int, shares: int, bid: int, ask: int) -> BookChanged:
    """A bid's change with the touch that the venue has after it, in cents."""
    level = (Side.BUY, Price(cents * 100), Size(shares * SHARE))
    return BookChanged(at(ms), MARKET.id, at(ms), (level,), best_bid=Price(bid * 100), best_ask=Price(ask * 100))


@pytest.mark.fault("F04")
def test_a_lost_change_shows_in_the_venues_own_touch_and_the_book_is_fetched_anew() -> None:
    bench, sent = quoting(astray_after_ms=1_000)
    bench.tell(told(1_000, 46, 10, 48, 51))
    assert not cancels(bench.tick(1_900))
    commands = bench.tick(2_300)
    assert Watch(MARKET.id) in commands
    assert sorted(cancels(commands)) == [order.order for order in sent]
    assert bench.engine.snapshot().markets[0].why == "the venue's touch is not that of our book"
    bench.tell(book(2_400, "47x500 48x300 | 53x500 51x10"), told(2_500, 46, 20, 48, 51))
    for order in sent:
        bench.tell(OrderCancelled(at(2_600), order.order, Size(0)))
    assert bench.engine.snapshot().markets[0].state == "quoting"


def test_frames_out_of_order_are_no_lost_change() -> None:
    bench, _ = quoting(astray_after_ms=500)
    bench.tell(told(1_000, 46, 10, 48, 51), told(1_020, 46, 12, 48, 52))
    assert not cancels(bench.tick(3_000))
