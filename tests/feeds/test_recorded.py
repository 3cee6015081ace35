"""A tape as facts: frames decoded as live, listings told once, results told when they are certain."""

import json
from collections import Counter
from pathlib import Path

import pmm_tui
from pmm_tui.core.events import BookReset, Event, MarketClosed, MarketListed, MarketResolved, TickSizeChanged
from pmm_tui.core.units import ONE, Nanos, Price
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.lines import decode_fact, encode
from pmm_tui.record.recorded import facts
from pmm_tui.record.tape import GAMMA, MARKET, REST, TapeFrame, read_tape
from tests.tapes.make_demo_tape import token

DEMO = Path(pmm_tui.__file__).parent / "data" / "demo.tape.zst"
ID = "0x" + "ab" * 32
LISTING = {
    "conditionId": ID,
    "slug": "btc-updown-15m-1",
    "question": "Up or Down?",
    "outcomes": '["Up", "Down"]',
    "clobTokenIds": '["11", "22"]',
    "closed": False,
    "active": True,
    "orderMinSize": 5,
    "orderPriceMinTickSize": 0.01,
}
BIDS = [{"price": "0.4", "size": "9"}]
BOOK = {"market": ID, "asset_id": "11", "timestamp": "5", "hash": "", "bids": BIDS, "asks": [], "event_type": "book"}
REST_BOOK = {**BOOK, "min_order_size": "5", "tick_size": "0.01", "neg_risk": False, "last_trade_price": ""}


def frame(at: int, channel: str, body: object) -> TapeFrame:
    return TapeFrame(Nanos(at), channel, body if isinstance(body, str) else json.dumps(body))


def told(*frames: TapeFrame, wanted: tuple[str, ...] = ()) -> tuple[list[Event], Decoder]:
    decoder = Decoder()
    return list(facts(frames, decoder, wanted)), decoder


def test_a_listing_makes_its_frames_readable_and_is_told_once() -> None:
    frames = ((MARKET, BOOK), (GAMMA, LISTING), (MARKET, BOOK), (GAMMA, LISTING), (REST, REST_BOOK))
    found, _ = told(*(frame(at, channel, body) for at, (channel, body) in enumerate(frames, 1)))
    assert [type(fact) for fact in found] == [MarketListed, BookReset, BookReset]
    assert [fact.at for fact in found] == [2, 3, 5]
    assert isinstance(found[2], BookReset)
    assert found[2].rest


def test_changed_terms_are_told_again() -> None:
    found, _ = told(frame(1, GAMMA, LISTING), frame(2, GAMMA, {**LISTING, "orderPriceMinTickSize": 0.001}))
    assert [type(fact) for fact in found] == [MarketListed, MarketListed]


def test_a_market_closes_then_resolves_each_once() -> None:
    closed = {**LISTING, "closed": True}
    won = {**closed, "outcomePrices": '["0", "1"]'}
    found, _ = told(*(frame(at, GAMMA, body) for at, body in enumerate((LISTING, closed, closed, won, won, closed))))
    assert found[1:] == [MarketClosed(Nanos(1), ID), MarketResolved(Nanos(3), ID, Price(0))]


def test_what_cannot_be_read_is_counted_and_survived() -> None:
    found, decoder = told(
        frame(1, GAMMA, "{"),
        frame(2, GAMMA, {**LISTING, "conditionId": "x"}),
        frame(3, MARKET, "{"),
        frame(4, REST, "[]"),
        frame(5, "weather", "rain"),
        frame(6, GAMMA, "[" * 100_000),
        frame(7, GAMMA, LISTING),
    )
    assert [fact.at for fact in found] == [7]
    assert (decoder.malformed, decoder.ignored) == (5, {"channel": 1})


def test_time_never_runs_backwards() -> None:
    found, _ = told(frame(10, GAMMA, LISTING), frame(7, MARKET, BOOK), frame(12, MARKET, BOOK))
    assert [fact.at for fact in found] == [10, 10, 12]


def test_only_wanted_markets_are_listed() -> None:
    other = {**LISTING, "conditionId": "0x" + "cd" * 32, "slug": "eth-updown-15m-1", "clobTokenIds": '["33", "44"]'}
    frames = (frame(1, GAMMA, LISTING), frame(2, GAMMA, other), frame(3, GAMMA, {**other, "closed": True}))
    for name, count in (("", 2), ("auto", 2), ("btc-updown-15m-*", 1), (ID, 1), ("44", 1), ("eth-updown-15m-1", 1), ("x", 0)):
        found, _ = told(*frames, wanted=(name,) if name else ())
        assert sum(isinstance(fact, MarketListed) for fact in found) == count


def test_the_demo_tape_replays_to_its_payouts() -> None:
    decoder = Decoder()
    found = list(facts(read_tape(DEMO), decoder))
    kinds = Counter(type(fact) for fact in found)
    assert kinds == {MarketListed: 9, BookReset: 9_586, TickSizeChanged: 7, MarketResolved: 9}
    assert (decoder.malformed, decoder.ignored) == (0, {})
    assert [fact.payout_yes for fact in found if isinstance(fact, MarketResolved)] == [0, 0, 0, ONE, ONE, ONE, ONE, ONE, ONE]
    listed = [fact.market for fact in found if isinstance(fact, MarketListed)]
    for market in listed:
        assert (market.yes, market.tick, market.min_size, market.fees.rate) == (token(market.id, "UP"), 100, 5_000_000, 0.07)
    assert [market.closes - market.opens for market in listed] == [900 * 10**9] * 9


def test_a_down_book_is_told_in_yes_terms() -> None:
    found = [fact for fact in facts(read_tape(DEMO), Decoder()) if isinstance(fact, BookReset)]
    down = [fact for fact in found if fact.token == token(fact.market, "DOWN")]
    assert len(down) == 170
    for fact in down:
        near = min((one for one in found if one.market == fact.market and one is not fact), key=lambda one: abs(one.ts - fact.ts))
        if fact.bids and near.bids:
            assert abs(fact.bids[-1][0] - near.bids[-1][0]) <= 2_000


def test_every_fact_of_the_demo_reads_back_from_a_journal_as_the_same_bytes() -> None:
    for fact in facts(read_tape(DEMO), Decoder()):
        written = encode(fact)
        assert encode(decode_fact(written)) == written, "an int where a float is meant would give a replay another digest"
