"""What should not happen, does: facts about unknown things, long lives, wrong moments."""

import math

import msgspec
import pytest

from pmm_tui.core.commands import Cancel, Sync, Unwatch
from pmm_tui.core.engine import OVER_MOST, sample
from pmm_tui.core.events import (
    AccountSeen,
    BookChanged,
    BookReset,
    FillSettled,
    LinkDown,
    LinkUp,
    MarketClosed,
    MarketListed,
    MarketResolved,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSeen,
    OrderUncertain,
    ReferenceMoved,
    TickSizeChanged,
    Traded,
)
from pmm_tui.core.instructions import Flattened, Killed, KillReset, Paused, Resumed
from pmm_tui.core.market import Side
from pmm_tui.core.orders.life import Status
from pmm_tui.core.state import CURVE_POINTS
from pmm_tui.core.units import DOLLAR, ONE, SHARE, Cash, Nanos, Price, Size
from pmm_tui.study.performance import report, summarise
from tests.core.desk import MARKET, Bench, at, book, cancels, knobs, places, side
from tests.core.test_engine import QUIET, quoting


def change(ms: int, side: Side, cents: int, shares: int, market: str = MARKET.id) -> BookChanged:
    return BookChanged(at(ms), market, at(ms), ((side, Price(cents * 100), Size(shares * SHARE)),))


def test_facts_about_unknown_markets_and_orders_change_nothing() -> None:
    bench, _ = quoting()
    before = bench.engine.snapshot()
    bench.tell(
        change(300, Side.BUY, 48, 10, "0xother"),
        book(301, QUIET, msgspec.structs.replace(MARKET, id="0xother")),
        Traded(at(302), "0xother", at(302), Price(5_000), Size(1), Side.BUY),
        TickSizeChanged(at(303), "0xother", at(303), Price(10)),
        MarketClosed(at(304), "0xother"),
        MarketResolved(at(305), "0xother", ONE),
        OrderAccepted(at(306), 99),
        OrderUncertain(at(307), 99, "?"),
        OrderRejected(at(308), 99, "no"),
        OrderCancelled(at(309), 99, Size(0)),
        FillSettled(at(310), "t99", 99, True),
        ReferenceMoved(at(311), "chainlink", "btc/usd", Cash(1), at(311)),
        Paused(at(312), "t", "0xother"),
        Resumed(at(313), "t", "0xother"),
    )
    after = bench.engine.snapshot()
    assert (after.money, after.markets, after.orders) == (before.money, after.markets, before.orders)
    assert after.phase == "running"
    assert after.rejects == {}


def test_deltas_move_the_book_and_the_quotes() -> None:
    bench = Bench(knobs(complement_routing=True))
    bench.tell(change(50, Side.BUY, 48, 300))
    bench.accept(bench.tell(change(60, Side.SELL, 52, 300)), 100)
    assert len(bench.engine.state.live) == 2
    bench.tell(change(200, Side.BUY, 49, 300), change(210, Side.SELL, 52, 0))
    commands = bench.tell(change(220, Side.SELL, 53, 300))
    assert cancels(commands) or places(commands) or not bench.engine.state.markets[MARKET.id].book.two_sided
    assert (bench.engine.state.markets[MARKET.id].book.bid, bench.engine.state.markets[MARKET.id].book.ask) == (4_900, 5_300)


def test_a_market_listed_again_takes_its_new_terms() -> None:
    bench, _ = quoting()
    assert bench.tell(MarketListed(at(300), msgspec.structs.replace(MARKET, question="New?"))) == []
    assert bench.engine.snapshot().markets[0].question == "New?"


def test_a_market_resolves_once() -> None:
    bench, _ = quoting()
    assert Unwatch(MARKET.id) in bench.tell(MarketResolved(at(300), MARKET.id, Price(5_000)))
    assert bench.tell(MarketResolved(at(301), MARKET.id, ONE)) == []
    assert bench.tell(MarketClosed(at(302), MARKET.id)) == []
    assert bench.engine.snapshot().markets[0].payout_yes == 5_000


def test_a_fill_that_comes_after_the_result_is_paid_too() -> None:
    bench, sent = quoting()
    bench.tell(MarketResolved(at(300), MARKET.id, ONE))
    bench.fill(sent[0], 10, 400)
    state = bench.engine.state
    assert state.portfolio.shares("yes") == 0
    assert state.portfolio.cash == 500 * DOLLAR + 10 * (1_000_000 - sent[0].price * 100)


def test_a_link_that_fails_again_keeps_its_newest_reason() -> None:
    bench, _ = quoting()
    bench.tell(LinkDown(at(300), "market", "one"), LinkDown(at(301), "market", "two"), LinkUp(at(302), "user"), LinkUp(at(303), "user"))
    rows = {row.link: row for row in bench.engine.snapshot().feeds}
    assert (rows["market"].up, rows["market"].why, rows["user"].up) == (False, "two", True)


def test_the_venue_cancels_by_itself() -> None:
    bench, sent = quoting()
    bench.tell(OrderCancelled(at(300), sent[0].order, Size(0), "expired"))
    assert any("expired" in note.text for note in bench.engine.snapshot().notes)
    assert places(bench.tick(500)) or sent[0].order not in bench.engine.state.live


def test_a_cancel_that_names_more_than_was_seen_asks_for_the_fills() -> None:
    bench, sent = quoting()
    commands = bench.tell(OrderCancelled(at(300), sent[0].order, Size(4 * SHARE)))
    assert [sync.orders for sync in commands if isinstance(sync, Sync)] == [(sent[0].order, sent[1].order)], "all that lives is asked about"
    assert bench.engine.state.live[sent[0].order].status is Status.SETTLING


def test_an_uncertain_order_that_the_account_shows_is_open() -> None:
    bench = Bench(knobs(complement_routing=True))
    sent = places(bench.tell(book(100, QUIET)))
    bench.tell(OrderUncertain(at(200), sent[0].order, "timeout"))
    bench.tell(AccountSeen(at(300), Cash(500 * DOLLAR), (), (OrderSeen(sent[0].order, "open", Size(0)),)))
    assert bench.engine.state.live[sent[0].order].status is Status.OPEN


def test_an_order_at_the_venue_that_is_not_ours_is_an_alarm() -> None:
    bench, _ = quoting()
    bench.tell(AccountSeen(at(300), Cash(500 * DOLLAR), (), (OrderSeen(77, "open", Size(0)),)))
    assert bench.engine.state.foreign == 1


def test_a_cancel_without_an_answer_is_asked_again() -> None:
    bench, sent = quoting(order_timeout_s=1.0)
    bench.tell(Paused(at(300), "t"))
    bench.tick(400)
    again = [command.order for command in bench.tick(4_000) if isinstance(command, Cancel)]
    assert set(again) == {order.order for order in sent}


def test_a_second_kill_and_an_early_reset_change_nothing() -> None:
    bench, _ = quoting()
    bench.tell(KillReset(at(300), "t", "?"))
    bench.tell(Killed(at(301), "t", "one"))
    assert bench.tell(Killed(at(302), "t", "two")) == []
    assert "one" in bench.engine.snapshot().why


def test_a_flatten_ends_at_once_where_there_is_nothing_to_sell() -> None:
    bench, sent = quoting()
    bench.tell(Flattened(at(300), "t", MARKET.id))
    bench.tick(500)
    for order in sent:
        bench.tell(OrderCancelled(at(600), order.order, Size(0)))
    bench.tick(800)
    assert bench.engine.state.markets[MARKET.id].exiting is None
    assert any("flat" in note.text for note in bench.engine.snapshot().notes)


def test_a_flatten_gives_up_and_says_so() -> None:
    bench, sent = quoting()
    bench.fill(sent[0], 10, 300)
    bench.tell(FillSettled(at(310), "t1", sent[0].order, True), Flattened(at(400), "t"))
    for step in range(60):
        ms = 500 + step * 600
        bench.tell(book(ms, QUIET))
        for number in list(bench.engine.state.live):
            bench.tell(OrderCancelled(at(ms + 10), number, bench.engine.state.live[number].filled))
        bench.tick(ms + 500)
    assert bench.engine.state.markets[MARKET.id].exiting is None
    assert any("flatten ended: 10 shares left" in note.text for note in bench.engine.snapshot().notes)


def test_a_flatten_ends_where_the_market_closes_first() -> None:
    bench, sent = quoting()
    bench.fill(sent[0], 10, 300)
    bench.tell(Flattened(at(400), "t"), MarketClosed(at(500), MARKET.id))
    bench.tell(*[OrderCancelled(at(600), number, order.filled) for number, order in bench.engine.state.live.items()])
    assert not places(bench.tick(800))
    assert bench.engine.state.markets[MARKET.id].exiting is None
    assert bench.engine.snapshot().markets[0].state == "closed"


def test_a_no_position_is_flattened_by_selling_no() -> None:
    bench, sent = quoting()
    ask = sent[1]
    bench.fill(ask, 20, 300)
    bench.tell(FillSettled(at(310), "t1", ask.order, True), Flattened(at(400), "t"))
    bench.tick(600)
    answers = [OrderCancelled(at(700), number, order.filled) for number, order in bench.engine.state.live.items()]
    closing = [place for place in places(bench.tell(*answers) + bench.tick(900)) if place.side is Side.SELL]
    assert [(place.token, place.price, place.size) for place in closing] == [("no", 4_600, 20 * SHARE)]


@pytest.mark.fault("F69")
def test_what_is_long_over_is_forgotten_and_what_lives_is_not() -> None:
    bench, sent = quoting(stale_after_s=3_600.0)
    bench.fill(sent[0], 5, 300)
    bench.tell(FillSettled(at(310), "t1", sent[0].order, True))
    bench.tell(OrderCancelled(at(400), sent[1].order, Size(0)))
    state = bench.engine.state
    assert sent[1].order in state.finished
    bench.tick(1_300_000)
    assert sent[1].order not in state.finished
    assert ("t1", sent[0].order) in state.portfolio.fills
    assert len(state.curve) <= CURVE_POINTS


def test_a_long_curve_keeps_where_it_began_and_its_highs_and_lows() -> None:
    state = Bench(listed=False).engine.state
    odd = {7_001: 70_000_000, 31_337: -80_000_000}
    worth = [Cash(500_000_000 + round(9_000_000 * math.sin(number / 40)) + odd.get(number, 0)) for number in range(50_000)]
    for number, cash in enumerate(worth):
        state.now = Nanos(number * 150_000_000)
        sample(state, cash)
    kept = [cash for _, cash in state.curve]
    assert 60 <= len(kept) <= CURVE_POINTS and state.curve[0] == (0, worth[0])
    assert (max(kept), min(kept)) == (max(worth), min(worth))
    assert [at for at, _ in state.curve] == sorted({at for at, _ in state.curve})


@pytest.mark.fault("F69")
def test_many_resolved_markets_leave_memory() -> None:
    bench = Bench(listed=False)
    for number in range(60):
        market = msgspec.structs.replace(MARKET, id=f"0x{number}", yes=f"y{number}", no=f"n{number}", cluster=f"c{number}")
        bench.tell(MarketListed(at(number), market), book(number + 100, "48x100 | 52x100", market))
        live = bench.engine.state.live
        if number == 7:
            order, one = next(iter(live.items()))
            bench.tell(OrderFilled(at(number + 140), order, "t7", one.price, Size(2 * SHARE)))
            bench.tell(FillSettled(at(number + 145), "t7", order, True))
        for order in list(live):
            bench.tell(OrderCancelled(at(number + 150), order, Size(0)))
        bench.tell(MarketResolved(at(number + 200), market.id, ONE))
        for order in list(bench.engine.state.live):
            bench.tell(OrderCancelled(at(number + 250), order, Size(0)))
    state = bench.engine.state
    late = next(order for order in state.finished.values() if order.market == "0x9")
    late.changed_at = Nanos(at(200_000))  # its end was told so late
    state.markets["0x11"].merging = True
    bench.tell(FillSettled(at(300), "t99", 99, True))
    assert state.portfolio.settled and len(state.clusters) == len(state.portfolio.realised_in) == 60
    bench.tick(1_000_000)
    left = ["0x7", "0x9", "0x11", *(f"0x{number}" for number in range(60 - OVER_MOST, 60))]
    assert list(state.markets) == list(state.portfolio.realised_in) == left, "the newest, and of which more may be told"
    summary = summarise(state)
    gone = [f"0x{number}" for number in range(60 - OVER_MOST) if number not in (7, 9, 11)]
    assert [one.market for one in summary.markets] == gone + left, "what it came to is kept"
    assert sum(one.realised for one in summary.markets) == state.portfolio.realised and sum(one.fills for one in summary.markets) == 1
    assert "10 markets before these" in report("run", summary)
    assert not state.portfolio.settled and not state.clusters
    assert state.portfolio.cash == 500 * DOLLAR + state.portfolio.realised
    bench.tell(OrderFilled(at(1_000_100), late.id, "t9", late.price, Size(SHARE)))
    assert state.portfolio.fill_count == 2 and not state.foreign, "a fill that is told late is ours all the same"


@pytest.mark.fault("F69")
def test_the_book_of_a_market_that_is_long_over_leaves_memory_and_its_result_stays() -> None:
    bench = Bench()
    bench.tell(BookReset(at(100), MARKET.id, at(100), side("48x100"), side("52x100"), hash="h", tick=Price(10)))
    bench.tell(MarketResolved(at(200), MARKET.id, ONE))
    for order in list(bench.engine.state.live):
        bench.tell(OrderCancelled(at(250), order, Size(0)))
    market = bench.engine.state.markets[MARKET.id]
    bench.tick(800_000)
    assert market.book.bid == 4_800, "a quarter of an hour it stands"
    bench.tick(1_000_000)
    row = bench.engine.snapshot().markets[0]
    assert not market.book.two_sided and not any(level.size for level in (*row.bids, *row.asks))
    assert (row.payout_yes, row.state, row.tick) == (ONE, "resolved", 10)
    bench.tell(BookChanged(at(1_000_100), MARKET.id, at(1_000_100), ((Side.BUY, Price(4_710), Size(SHARE)),)))
    assert market.book.levels(Side.BUY, 9) == [(4_710, SHARE)], "what is told late is no error"
    bench.tick(2_000_000)
    assert market.book.bid == 0


def test_our_own_orders_are_taken_out_of_the_venues_book() -> None:
    bench = Bench(knobs(complement_routing=True, own_orders_in_book=True))
    sent = places(bench.tell(book(100, "47x500 48x300 | 53x500 52x300")))
    bench.accept(sent, 200)
    bid, ask = sent[0], ONE - sent[1].price
    drawn = f"47x500 48x300 {bid.price / 100:g}x{bid.size // SHARE} | 53x500 52x300 {ask / 100:g}x{sent[1].size // SHARE}"
    commands = bench.tell(book(1_000, drawn))
    assert (cancels(commands), places(commands)) == ([], [])


def test_only_our_own_orders_in_the_book_is_no_market() -> None:
    bench = Bench(knobs(complement_routing=True, own_orders_in_book=True))
    sent = places(bench.tell(book(100, "48x300 | 52x300")))
    bench.accept(sent, 200)
    bid, ask = sent[0], ONE - sent[1].price
    bench.tell(book(1_000, f"{bid.price / 100:g}x{bid.size // SHARE} | {ask / 100:g}x{sent[1].size // SHARE}"))
    assert bench.engine.snapshot().markets[0].why == "no others in the book"


def test_an_unknown_price_of_what_is_held_halts() -> None:
    bench, sent = quoting(pnl_blind_s=1.0)
    bench.fill(sent[0], 10, 300)
    bench.engine.state.markets[MARKET.id].seen_at = Nanos(0)
    bench.tick(2_000)
    assert "could not be computed" in bench.engine.snapshot().why


def test_the_same_fill_told_under_another_trade_is_another_fill() -> None:
    bench, sent = quoting()
    for trade in ("a", "b"):
        bench.tell(OrderFilled(at(300), sent[0].order, trade, sent[0].price, Size(2 * SHARE)))
    assert bench.engine.state.portfolio.shares("yes") == 4 * SHARE


def test_the_screen_keeps_the_newest_fills_longer_than_the_portfolio() -> None:
    bench, sent = quoting(stale_after_s=3_600.0)
    bench.fill(sent[0], 5, 300)
    bench.tell(FillSettled(at(310), "t1", sent[0].order, True), Paused(at(320), "t"))
    for order in sent:
        bench.tell(OrderCancelled(at(400), order.order, Size(5 * SHARE if order is sent[0] else 0)))
    bench.tick(1_300_000)
    assert not bench.engine.state.portfolio.fills
    assert [(row.order, row.status) for row in bench.engine.snapshot().fills] == [(sent[0].order, "CONFIRMED")]
