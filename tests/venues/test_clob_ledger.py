"""The ledger: whatever comes in whatever order, each fact is told once, and what is forgotten is never taken for news."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pmm_tui.core.commands import Place
from pmm_tui.core.events import (
    Event,
    ExternalFilled,
    FillSettled,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderUncertain,
)
from pmm_tui.core.market import Side
from pmm_tui.core.units import SECOND, SHARE, Nanos, Price, Size
from pmm_tui.venues.clob.ledger import Entry, Ledger, Stage
from pmm_tui.venues.clob.port import Piece, Signed, Standing
from pmm_tui.venues.clob.wire import OrderNews
from tests.venues.scripted_clob import MARKET, START, WALLET

Learned = Callable[[Ledger, Entry], list[Event]]


def at(seconds: float) -> Nanos:
    return Nanos(START + round(seconds * SECOND))


def sent(ledger: Ledger, number: int = 1, stage: Stage = Stage.POSTING, shares: float = 10) -> Entry:
    place = Place(number, MARKET.id, MARKET.yes, Side.BUY, Price(4_900), Size(round(shares * SHARE)))
    entry = ledger.add(place, Signed(number, f"0xID{number}", None), "", at(0))
    ledger._move(entry, stage, at(0))
    return entry


def fresh() -> Ledger:
    ledger = Ledger()
    ledger.markets[MARKET.id] = MARKET
    return ledger


def piece(
    trade: str = "t1", order: str = "0xid1", status: str = "MATCHED", shares: float = 4, maker: bool = True, after_s: int = 0
) -> Piece:
    size = Size(round(shares * SHARE))
    return Piece(trade, order, MARKET.id, MARKET.yes, Side.BUY, Price(4_900), size, maker, status, START // SECOND + after_s)


def news(kind: str, status: str, matched: float | None = 0) -> OrderNews:
    size = None if matched is None else Size(round(matched * SHARE))
    return OrderNews(kind, "0xid1", MARKET.id, MARKET.yes, Side.BUY, Price(4_900), Size(10 * SHARE), size, status, WALLET, at(1))


def kinds(facts: list[Event]) -> list[str]:
    return [type(fact).__name__ for fact in facts]


class TestOutcomes:
    def test_one_answer_is_one_fact(self) -> None:
        ledger = fresh()
        entry = sent(ledger)
        assert ledger.booked(entry, at(1)) == [OrderAccepted(at(1), 1, "0xid1")]
        assert ledger.booked(entry, at(2)) == [] == ledger.gave_up(entry, at(2), "late") == ledger.refused(entry, at(2), "no", "other")
        assert ledger.over(entry, at(3), None, "cancelled") == [OrderCancelled(at(3), 1, Size(0), "cancelled")]
        assert ledger.over(entry, at(4), None, "again") == [] == ledger.booked(entry, at(4))

    def test_F21_silence_is_ended_by_whatever_proves_something(self) -> None:
        proofs: list[tuple[Learned, list[str]]] = [
            (lambda ledger, entry: ledger.booked(entry, at(2)), ["OrderAccepted"]),
            (lambda ledger, entry: ledger.hear([piece()], at(2), True), ["OrderAccepted", "OrderFilled"]),
            (lambda ledger, entry: ledger.news(news("PLACEMENT", "LIVE"), at(2)), ["OrderAccepted"]),
            (lambda ledger, entry: ledger.news(news("CANCELLATION", "CANCELED", 4), at(2)), ["OrderCancelled"]),
            (lambda ledger, entry: ledger.never(entry, at(2), "absent"), ["OrderCancelled"]),
            (lambda ledger, entry: ledger.refused(entry, at(2), "no", "other"), ["OrderRejected"]),
        ]
        for proof, told in proofs:
            ledger = fresh()
            entry = sent(ledger)
            assert kinds(ledger.gave_up(entry, at(1), "timeout")) == ["OrderUncertain"]
            assert kinds(proof(ledger, entry)) == told

    def test_F29_a_trade_proves_an_order_that_the_answer_denies(self) -> None:
        denials: list[Learned] = [
            lambda ledger, entry: ledger.gave_up(entry, at(2), "timeout"),
            lambda ledger, entry: ledger.refused(entry, at(2), "no", "other"),
        ]
        for deny in denials:
            ledger = fresh()
            entry = sent(ledger)
            assert kinds(ledger.hear([piece()], at(1), True)) == ["OrderFilled"]
            assert kinds(deny(ledger, entry)) == ["OrderAccepted"] and entry.stage is Stage.BOOKED

    def test_what_the_venue_matched_is_told_even_where_no_trade_was_seen_yet(self) -> None:
        ledger = fresh()
        entry = sent(ledger)
        ledger.hear([piece(shares=4)], at(1), True)
        assert entry.final(Size(10 * SHARE)) == 10 * SHARE
        assert entry.final(Size(4 * SHARE + 9_999)) == 4 * SHARE == entry.final(Size(0))
        assert ledger.news(news("CANCELLATION", "CANCELED_EXPIRED_ORDER", 6), at(2)) == [
            OrderCancelled(at(2), 1, Size(6 * SHARE), "canceled expired order")
        ]

    def test_news_without_a_size_matched_is_not_nothing_matched(self) -> None:
        ledger = fresh()
        sent(ledger)
        ledger.hear([piece(shares=4)], at(1), True)
        assert ledger.news(news("CANCELLATION", "CANCELED", None), at(2)) == [OrderCancelled(at(2), 1, Size(4 * SHARE), "canceled")]

    def test_ids_are_one_whatever_their_case(self) -> None:
        ledger = fresh()
        sent(ledger)
        assert ledger.find("0xId1") is ledger.entries[1] and ledger.find("0xid2") is None


STATUSES = st.sampled_from(["MATCHED", "MINED", "RETRYING", "CONFIRMED", "FAILED"])


class TestTrades:
    @given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), STATUSES, st.booleans()), max_size=40))
    def test_F47_each_fill_and_each_end_once(self, told: list[tuple[int, int, str, bool]]) -> None:
        """Any repetition, any order, either way: a fill for each (trade, order), then one end at most, and never an end before its fill."""
        ledger, facts = fresh(), list[Event]()
        sent(ledger, 1, Stage.BOOKED)
        sent(ledger, 2, Stage.BOOKED)
        for trade, order, status, channel in told:
            facts += ledger.hear([piece(f"t{trade}", f"0xid{order}", status, 1)], at(1), channel)
        fills = [(fact.trade, fact.order) for fact in facts if isinstance(fact, OrderFilled | ExternalFilled)]
        assert len(fills) == len(set(fills)) == len({(trade, order) for trade, order, *_ in told})
        ends = [(fact.trade, fact.order) for fact in facts if isinstance(fact, FillSettled)]
        assert len(ends) == len(set(ends)) and set(ends) <= set(fills)
        for trade, order, status, _ in told:
            first = next(one for one in told if one[:2] == (trade, order) and one[2] in ("CONFIRMED", "FAILED")) if status in (
                "CONFIRMED", "FAILED") else None  # fmt: skip
            if first is not None:
                number = ledger.numbers.get(f"0xid{order}", ledger.foreign.get(f"0xid{order}"))
                assert FillSettled(at(1), f"t{trade}", number or 0, first[2] == "CONFIRMED") in facts
        assert ledger.entries[1].traded == SHARE * len({trade for trade, order, *_ in told if order == 1})

    def test_F51_one_trade_with_several_of_our_orders(self) -> None:
        ledger = fresh()
        sent(ledger, 1, Stage.BOOKED)
        sent(ledger, 2, Stage.BOOKED)
        facts = ledger.hear([piece(order="0xid1"), piece(order="0xid2", shares=6)], at(1), True)
        assert [(fact.order, fact.size) for fact in facts if isinstance(fact, OrderFilled)] == [(1, 4 * SHARE), (2, 6 * SHARE)]

    def test_a_taker_pays_and_a_maker_does_not(self) -> None:
        ledger = fresh()
        sent(ledger, 1, Stage.BOOKED)
        (made, took) = ledger.hear([piece("a", shares=100), piece("b", shares=100, maker=False)], at(1), True)
        assert isinstance(made, OrderFilled) and isinstance(took, OrderFilled)
        assert (made.fee, took.fee) == (0, 1_749_300)

    def test_again_tells_fills_with_their_ends(self) -> None:
        ledger = fresh()
        sent(ledger, 1, Stage.BOOKED)
        ledger.hear([piece("a"), piece("b", status="FAILED"), piece("c", "0xelse")], at(1), True)
        assert kinds(ledger.again((1,), at(2))) == ["OrderFilled", "OrderFilled", "FillSettled"]
        assert ledger.again((2,), at(2)) == []

    def test_trades_of_before_the_run_are_never_told(self) -> None:
        ledger = fresh()
        ledger.begin(at(0))
        assert ledger.opened([piece("old"), piece("older", status="CONFIRMED")], at(0)) == 1
        assert ledger.hear([piece("old", status="CONFIRMED"), piece("ancient", after_s=-901)], at(1), True) == []

    def test_F52_stale_is_what_a_reading_shows_and_the_channel_never_tells(self) -> None:
        ledger = fresh()
        sent(ledger, 1, Stage.BOOKED)
        ledger.hear([piece("a")], at(10), channel=False)
        assert ledger.stale(at(0), at(12.9), 3) == "" and ledger.stale(at(0), at(13), 3) == "a"
        assert ledger.stale(at(11), at(20), 3) == ""
        ledger.hear([piece("a", status="MINED")], at(14), channel=True)
        assert ledger.stale(at(0), at(20), 3) == ""


class TestExternal:
    def test_the_same_order_keeps_its_number(self) -> None:
        ledger = fresh()
        sent(ledger, 1, Stage.BOOKED)
        standing = Standing("0xHand", MARKET.id, MARKET.yes, Side.SELL, Price(6_000), Size(9 * SHARE), Size(2 * SHARE), "LIVE")
        own = structs.replace(standing, id="0xID1")
        (one,) = ledger.external([standing, own])
        assert (one.order, one.rest, one.side, one.venue_id) == (-1, 7 * SHARE, Side.SELL, "0xHand")
        (filled,) = ledger.hear([piece("t", "0xhand")], at(1), True)
        assert isinstance(filled, ExternalFilled) and filled.order == -1
        assert ledger.external([standing])[0].order == -1


class TestMemory:
    def test_trades_are_read_from_before_the_oldest_that_matters(self) -> None:
        ledger, now_s = fresh(), START // SECOND
        assert ledger.since_s(at(0)) == now_s - 60
        ledger.read_at = at(1_000)
        assert ledger.since_s(at(1_000)) == now_s + 940
        entry = sent(ledger)
        ledger.hear([piece(after_s=-30)], at(1), True)
        assert ledger.since_s(at(1_000)) == now_s - 90
        ledger.hear([piece(after_s=-30, status="CONFIRMED")], at(2), True)
        assert ledger.since_s(at(1_000)) == now_s - 60
        ledger.over(entry, at(3), None, "")
        assert ledger.since_s(at(1_000)) == now_s + 940

    @pytest.mark.fault("F69")
    def test_what_is_over_is_forgotten_and_not_taken_for_news(self) -> None:
        ledger = fresh()
        for number in (1, 2, 3):
            sent(ledger, number, Stage.BOOKED)
        ledger.hear([piece("a", "0xid1", "CONFIRMED"), piece("b", "0xid2")], at(1), True)
        for number in (1, 2):
            ledger.over(ledger.entries[number], at(2), None, "")
        ledger.read_at = at(2_000)
        ledger.forget(at(2_000))
        assert sorted(ledger.entries) == [2, 3] and list(ledger.trades) == [("b", "0xid2")]
        assert ledger.hear([piece("a", "0xid1", "CONFIRMED")], at(2_001), False) == []
        assert not ledger.is_absent(1) and not ledger.is_absent(3) and ledger.is_absent(4)

    def test_nothing_is_forgotten_that_no_reading_has_passed(self) -> None:
        ledger = fresh()
        entry = sent(ledger, 1, Stage.BOOKED)
        ledger.hear([piece("a", "0xid1", "CONFIRMED")], at(1), True)
        ledger.over(entry, at(2), None, "")
        ledger.read_at = at(30)
        ledger.forget(at(5_000))
        assert ledger.entries and ledger.trades


def test_an_unsigned_order_has_no_id_and_is_refused_once() -> None:
    ledger = fresh()
    entry = ledger.add(Place(1, "?", "1", Side.BUY, Price(1), Size(1)), None, "the market is not known", at(0))
    assert entry.id == "" and ledger.numbers == {}
    assert ledger.refused(entry, at(0), entry.why, "closed") == [OrderRejected(at(0), 1, "the market is not known", "closed")]
    assert ledger.refused(entry, at(0), entry.why, "closed") == []
    assert OrderUncertain not in map(type, ledger.gave_up(entry, at(0), ""))
