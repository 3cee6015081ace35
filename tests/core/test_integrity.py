"""The judge of the book: orders, batches, late frames and unsaid trade prices, on one small book with true hashes."""

import json
from pathlib import Path

import pytest
from msgspec import convert
from msgspec.structs import replace

from pmm_tui.core.events import BookChanged, BookReset, Event, Level, Ticked, TickSizeChanged, Traded
from pmm_tui.core.market import Market, Side
from pmm_tui.core.signals.checksum import book_hash, last_text
from pmm_tui.core.signals.integrity import PENDING_MAX, Integrity, IntegrityKnobs
from pmm_tui.core.units import MILLI, SECOND, SHARE, Nanos, Price, Size, price_of, size_of

MARKET = Market(id="0xm", slug="m", question="?", yes="111", no="222", tick=Price(100), min_size=Size(5 * SHARE))
BUY, SELL = Side.BUY, Side.SELL
BIDS: dict[int, int] = {4_900: 40 * SHARE, 5_000: 100 * SHARE}
ASKS: dict[int, int] = {5_500: 30 * SHARE, 5_300: 200 * SHARE}


def ns(ms: int) -> Nanos:
    return Nanos(ms * MILLI)


def wire(bids: dict[int, int], asks: dict[int, int]) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    ups = tuple((Price(p), Size(s)) for p, s in sorted(bids.items()) if s)
    downs = tuple((Price(p), Size(s)) for p, s in sorted(asks.items(), reverse=True) if s)
    return ups, downs


def hashed(token: str, ms: int, last: str = "0.500", tick: int = 100, **levels: int) -> str:
    """The venue's hash of the small book with some levels changed: b5100=3 is a bid, a5300=0 an ask that is gone."""
    bids = {**BIDS, **{int(k[1:]): s * SHARE for k, s in levels.items() if k[0] == "b"}}
    asks = {**ASKS, **{int(k[1:]): s * SHARE for k, s in levels.items() if k[0] == "a"}}
    return book_hash(MARKET, token, ns(ms), *wire(bids, asks), Price(tick), last)


def opening(ms: int = 1_000, last: str | None = "0.500") -> BookReset:
    return BookReset(ns(ms), MARKET.id, ns(ms), *wire(BIDS, ASKS), MARKET.yes, hashed(MARKET.yes, ms, last or "0.500"), last=last)


def changed(ms: int, level: str, size: int, at: int = 0, last: str = "0.500", tick: int = 100, **book: int) -> BookChanged:
    """One change, with true hashes of the small book after it and after everything in `book`."""
    book = {**book, level: size}
    side, price = BUY if level[0] == "b" else SELL, Price(int(level[1:]))
    hash_yes, hash_no = hashed(MARKET.yes, ms, last, tick, **book), hashed(MARKET.no, ms, last, tick, **book)
    return BookChanged(ns(at or ms), MARKET.id, ns(ms), ((side, price, Size(size * SHARE)),), hash_yes, hash_no)


def fed(*events: Event, until: int = 10_000, knobs: IntegrityKnobs | None = None, market: Market = MARKET) -> Integrity:
    integrity = Integrity(market, knobs or IntegrityKnobs())
    for event in events:
        integrity.frame(event)
    integrity.judge(ns(until))
    return integrity


def counts(integrity: Integrity) -> tuple[int, int, int, int]:
    return integrity.verified, integrity.mismatched, integrity.unverifiable, integrity.streak


def test_the_hash_of_the_official_clients_test(recordings: Path) -> None:
    vectors = json.loads((recordings / "vectors/from-official-tests.json").read_text())
    for vector in vectors["orderbook_hash"]:
        book = vector["book"]
        market = replace(
            MARKET, id=book["market"], yes=book["asset_id"], min_size=size_of(book["min_order_size"]), neg_risk=book["neg_risk"]
        )
        sides = [[(price_of(level["price"]), size_of(level["size"])) for level in book[side]] for side in ("bids", "asks")]
        ts = ns(int(book["timestamp"]))
        found = book_hash(market, market.yes, ts, sides[0], sides[1], price_of(book["tick_size"]), book["last_trade_price"])
        assert found == vector["hash"]


def test_neg_risk_and_both_tokens_make_different_hashes() -> None:
    risky = replace(MARKET, neg_risk=True)
    books = {book_hash(market, token, ns(1), *wire(BIDS, ASKS), MARKET.tick, "") for market in (MARKET, risky) for token in ("111", "222")}
    assert len(books) == 4


@pytest.mark.parametrize(("price", "text"), [(1_300, "0.130"), (10, "0.001"), (9_990, "0.999"), (5_000, "0.500"), (4_999, "0.4999")])
def test_a_last_trade_price_has_three_decimals_at_least(price: int, text: str) -> None:
    assert last_text(price) == text


def test_a_book_and_what_follows_verify_for_both_tokens() -> None:
    events = (opening(), changed(1_001, "b5100", 3), changed(1_002, "a5300", 0, b5100=3), changed(1_003, "b4900", 1, b5100=3, a5300=0))
    assert counts(fed(*events)) == (7, 0, 0, 0)


def test_nothing_is_judged_before_the_window_has_passed() -> None:
    integrity = fed(opening(), changed(1_001, "b5100", 3), until=1_049)
    assert counts(integrity) == (0, 0, 0, 0)
    integrity.judge(ns(1_050))
    assert counts(integrity) == (1, 0, 0, 0)
    integrity.judge(ns(1_051))
    assert counts(integrity) == (3, 0, 0, 0)


def test_the_window_is_a_knob() -> None:
    assert counts(fed(opening(), until=1_200, knobs=IntegrityKnobs(hash_lag_ms=201))) == (0, 0, 0, 0)
    assert counts(fed(opening(), until=1_200, knobs=IntegrityKnobs(hash_lag_ms=200))) == (1, 0, 0, 0)


def test_frames_that_are_late_within_the_window_are_put_in_their_place() -> None:
    late = changed(1_001, "b5100", 3, at=1_040)
    integrity = Integrity(MARKET)
    for event in (opening(), changed(1_002, "a5300", 0, b5100=3), late):
        integrity.frame(event)
        integrity.judge(event.at)
    integrity.judge(ns(1_052))
    assert counts(integrity) == (5, 0, 0, 0)


def test_a_frame_later_than_the_window_is_unverifiable_and_forgives_what_was_judged_without_it() -> None:
    integrity = fed(opening(), changed(1_002, "a5300", 0, b5100=3), until=1_100)
    assert counts(integrity) == (1, 2, 0, 2)
    integrity.frame(changed(1_001, "b5100", 3, at=1_101))
    integrity.judge(ns(1_200))
    assert counts(integrity) == (1, 2, 2, 0)
    integrity.frame(changed(1_003, "b5200", 1, at=1_201, b5100=3, a5300=0))
    integrity.judge(ns(1_300))
    assert counts(integrity) == (3, 2, 2, 0)


def test_a_late_writer_does_not_overwrite_a_later_one() -> None:
    integrity = fed(opening(), changed(1_005, "b5100", 9), until=1_100)
    integrity.frame(changed(1_001, "b5100", 3, at=1_101))
    integrity.frame(changed(1_006, "b5200", 1, at=1_102, b5100=9))
    integrity.judge(ns(1_200))
    assert counts(integrity) == (5, 0, 2, 0)


def test_a_book_comes_after_the_changes_of_its_millisecond() -> None:
    after = BookReset(
        ns(1_001), MARKET.id, ns(1_001), *wire({**BIDS, 5_100: 3 * SHARE}, ASKS), MARKET.no, hashed(MARKET.no, 1_001, b5100=3)
    )
    assert counts(fed(opening(), after, changed(1_001, "b5100", 3, at=1_002))) == (4, 0, 0, 0)


def test_one_batch_shares_one_hash_and_is_judged_whole() -> None:
    first, second = changed(1_001, "b5100", 3, b5200=4), changed(1_001, "b5200", 4, b5100=3)
    assert first.hash_yes == second.hash_yes
    assert counts(fed(opening(), first, second)) == (5, 0, 0, 0), "every frame's hash counts"


def test_the_order_within_a_millisecond_is_found_by_hash() -> None:
    first, then = changed(1_001, "b5100", 3), changed(1_001, "b5100", 4)
    last = changed(1_001, "a5300", 1, b5100=4)
    for arrived in ((first, then, last), (last, then, first), (then, last, first)):
        integrity = fed(opening(), *arrived, changed(1_002, "b5200", 1, b5100=4, a5300=1))
        assert counts(integrity) == (9, 0, 0, 0)


def test_a_hash_that_knows_the_next_change_already_or_not_the_last_one_yet_verifies() -> None:
    early = changed(1_002, "a5300", 0, b5100=3, b5200=5)
    events = (opening(), changed(1_001, "b5100", 3), early, changed(1_003, "b5200", 5, b5100=3, a5300=0))
    assert counts(fed(*events)) == (7, 0, 0, 0)
    apart = (opening(), changed(1_001, "b5100", 3), changed(1_002, "a5300", 0), changed(1_003, "b5200", 5, b5100=3, a5300=0))
    assert counts(fed(*apart)) == (7, 0, 0, 0)


@pytest.mark.fault("F08")
def test_a_corrupt_hash_is_a_mismatch_and_the_book_goes_on() -> None:
    events = (
        opening(),
        replace(changed(1_001, "b5100", 3), hash_yes="0" * 40, hash_no="f" * 40),
        changed(1_002, "b5200", 1, b5100=3),
    )
    assert counts(fed(*events[:2])) == (1, 2, 0, 2)
    assert counts(fed(*events)) == (3, 2, 0, 0)


def test_one_tokens_corrupt_hash_is_one_mismatch() -> None:
    event = changed(1_001, "b5100", 3)
    assert counts(fed(opening(), replace(event, hash_no="0" * 40))) == (2, 1, 0, 1)
    assert counts(fed(opening(), replace(event, hash_yes=""))) == (2, 0, 0, 0), "one token's hash alone will do"


def test_a_lost_change_makes_a_streak_and_the_next_book_ends_it() -> None:
    known = {"b5100": 3}
    events = [changed(1_000 + i, "b5200", i, last="0.500", **known) for i in range(2, 40)]
    integrity = fed(opening(), *events)
    assert counts(integrity) == (1, 76, 0, 76)
    book = BookReset(
        ns(1_050),
        MARKET.id,
        ns(1_050),
        *wire({**BIDS, 5_100: 3 * SHARE, 5_200: 39 * SHARE}, ASKS),
        MARKET.yes,
        hashed(MARKET.yes, 1_050, b5100=3, b5200=39),
    )
    integrity.frame(book)
    integrity.frame(changed(1_051, "a5300", 1, b5100=3, b5200=39))
    integrity.judge(ns(20_000))
    assert counts(integrity) == (4, 76, 0, 0)


def test_the_last_trade_price_moves_before_its_trade_is_announced_and_takes_the_makers_side() -> None:
    taken = changed(1_001, "a5300", 150, last="0.530")
    assert counts(fed(opening(), taken)) == (3, 0, 0, 0), "the level that was hit"
    mirrored = changed(1_001, "a5300", 150, last="0.470")
    assert counts(fed(opening(), mirrored)) == (3, 0, 0, 0), "or the same on the complement"
    trade = Traded(ns(1_030), MARKET.id, ns(1_030), Price(5_500), Size(SHARE), BUY)
    after = changed(1_002, "b5100", 1, last="0.450", a5300=150)
    assert counts(fed(opening(), mirrored, after, trade)) == (5, 0, 0, 0), "heard of later, within the window"
    assert counts(fed(opening(), mirrored, after)) == (3, 2, 0, 2)


def test_a_last_trade_price_that_was_never_said_is_searched_for_once_a_judgement() -> None:
    assert counts(fed(opening(last=None))) == (1, 0, 0, 0)
    unknown = replace(opening(last=None), hash="")
    events = (unknown, changed(1_001, "b5100", 3, last="0.777"), changed(1_002, "b5200", 3, last="0.777", b5100=3))
    assert counts(fed(*events)) == (4, 0, 0, 0)
    assert counts(fed(unknown, changed(1_001, "b5100", 3, last=""))) == (2, 0, 0, 0), "no trade yet"
    assert counts(fed(unknown, changed(1_001, "b5100", 3, last="0.1234"))) == (0, 0, 2, 0), "not found: not known, not wrong"


def test_the_announced_tick_and_the_hashes_need_not_be_in_step() -> None:
    announced = TickSizeChanged(ns(1_002), MARKET.id, ns(1_002), Price(10))
    events = (opening(), announced, changed(1_001, "b5100", 3), changed(1_003, "b5200", 3, tick=10, b5100=3))
    assert counts(fed(*events)) == (5, 0, 0, 0)


def test_a_book_that_says_its_tick_is_judged_by_it() -> None:
    event = replace(opening(), tick=Price(10), hash=hashed(MARKET.yes, 1_000, tick=10))
    assert counts(fed(event, changed(1_001, "b5100", 3, tick=10))) == (3, 0, 0, 0)


@pytest.mark.parametrize("unknown", [{"min_size": Size(0)}, {"tick": Price(0)}])
def test_what_cannot_be_known_is_unverifiable_and_not_wrong(unknown: dict[str, int]) -> None:
    market = convert({**{f: getattr(MARKET, f) for f in MARKET.__struct_fields__}, **unknown}, Market)
    assert counts(fed(opening(), changed(1_001, "b5100", 3), market=market)) == (0, 0, 3, 0)


def test_before_the_first_book_everything_is_unverifiable() -> None:
    assert counts(fed(changed(900, "b5100", 3), opening(), changed(1_001, "b5200", 3))) == (3, 0, 2, 0)


def test_after_a_resync_the_copy_waits_for_a_whole_book_and_keeps_what_is_newer() -> None:
    integrity = fed(opening(), changed(1_005, "b5100", 3), changed(1_010, "a5300", 7, b5100=3, b5200=1), until=1_100)
    assert counts(integrity) == (3, 2, 0, 2)
    integrity.reset()
    assert integrity.streak == 0
    rest = BookReset(ns(1_110), MARKET.id, ns(1_007), *wire({**BIDS, 5_100: 3 * SHARE, 5_200: SHARE}, ASKS), rest=True, last="0.500")
    rest = replace(rest, hash=hashed(MARKET.yes, 1_007, b5100=3, b5200=1))
    integrity.frame(rest)
    integrity.frame(changed(1_120, "b4800", 2, b5100=3, b5200=1, a5300=7))
    integrity.judge(ns(1_300))
    assert counts(integrity) == (6, 2, 0, 0), "the newer ask stayed, the lost bid came with the book"


def test_a_frame_without_a_hash_is_applied_and_counts_nothing() -> None:
    silent = replace(changed(1_001, "b5100", 3), hash_yes="", hash_no="")
    book = replace(opening(), hash="")
    assert counts(fed(book, silent)) == (0, 0, 0, 0)
    assert counts(fed(opening(), silent, changed(1_002, "b5200", 1, b5100=3))) == (3, 0, 0, 0)


def test_other_events_are_not_its_business() -> None:
    assert counts(fed(Ticked(ns(1)))) == (0, 0, 0, 0)


def test_a_queue_that_nobody_judges_is_given_up() -> None:
    integrity = Integrity(MARKET)
    integrity.frame(opening())
    silent = replace(changed(1_001, "b5100", 3), hash_no="")
    for _ in range(PENDING_MAX):
        integrity.frame(silent)
    assert counts(integrity) == (0, 0, PENDING_MAX, 0)
    integrity.judge(Nanos(10 * SECOND))
    assert counts(integrity) == (0, 0, PENDING_MAX + 1, 0), "without a whole book there is nothing to hold a hash against"
