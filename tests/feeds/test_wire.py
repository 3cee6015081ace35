"""The market channel on the wire: every kind of frame, and what it becomes."""

import json
from typing import Any

import pytest

from pmm_tui.core.events import BookChanged, BookReset, MarketResolved, TickSizeChanged, Traded
from pmm_tui.core.units import ONE, SHARE, Nanos, Price, Size, size_of
from pmm_tui.feeds.wire import FRAME_BYTES_MAX
from tests.feeds.frames import AT, BOOK, BUY, NO, SELL, TICK, TRADE, TS, YES, decoder, facts, frame, refused, text

CHANGED = BookChanged(AT, "0xm", Nanos(TS), ((BUY, Price(8_600), size_of("362.17")),), "hy", "hn", Price(8_600), Price(8_700))


@pytest.mark.parametrize("entries", [(YES, NO), (NO, YES)])
def test_the_mirrored_pair_is_one_change(entries: tuple[dict[str, Any], ...]) -> None:
    assert facts(frame(*entries)) == [CHANGED]
    assert facts(json.dumps(frame(*entries), indent=1).encode()) == [CHANGED], "spaces and bytes are the same frame"
    assert facts([frame(*entries)]) == [CHANGED]
    assert facts(frame(*entries, new_field={"a": [1, None]})) == [CHANGED], "a new field changes nothing"


def test_one_token_alone_is_enough() -> None:
    only_yes, only_no = facts(frame(YES))[0], facts(frame(NO))[0]
    assert isinstance(only_yes, BookChanged)
    assert isinstance(only_no, BookChanged)
    assert (only_yes.changes, only_yes.hash_yes, only_yes.hash_no) == (CHANGED.changes, "hy", "")
    assert (only_no.changes, only_no.hash_yes, only_no.hash_no) == (CHANGED.changes, "", "hn")
    assert (only_no.best_bid, only_no.best_ask) == (8_600, 8_700)


def test_several_levels_with_one_hash_are_one_change_and_with_more_several() -> None:
    more_yes, more_no = {**YES, "price": "0.85", "size": "0"}, {**NO, "price": "0.15", "size": "0"}
    both = ((BUY, 8_600, size_of("362.17")), (BUY, 8_500, 0))
    for entries in ((YES, NO, more_yes, more_no), (YES, more_yes, NO, more_no), (YES, more_yes)):
        found = facts(frame(*entries))
        assert [fact.changes for fact in found if isinstance(fact, BookChanged)] == [both]
    apart = facts(frame(YES, NO, {**more_yes, "hash": "hy2"}, {**more_no, "hash": "hn2"}))
    assert [(f.changes, f.hash_yes, f.hash_no) for f in apart if isinstance(f, BookChanged)] == [
        (both[:1], "hy", "hn"),
        (both[1:], "hy2", "hn2"),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": "0.15"},
        {"size": "362.18"},
        {"side": "BUY"},
        {"side": "HOLD"},
        {"asset_id": "444"},
        {"asset_id": "999"},
    ],
)
def test_two_tokens_that_disagree_are_refused(wrong: dict[str, str]) -> None:
    assert refused(frame(YES, {**NO, **wrong}))


def test_a_price_change_of_another_market_than_its_tokens_is_refused() -> None:
    assert refused(frame(YES, NO, market="0xo"))
    assert refused(frame(YES, NO, market="0xelse"))
    assert refused(frame())


def test_an_empty_side_is_said_with_0_and_1_and_unknown_with_nothing() -> None:
    empty = facts(frame({**YES, "best_bid": "0", "best_ask": "1"}, {**NO, "best_bid": "0", "best_ask": "1"}))[0]
    assert isinstance(empty, BookChanged)
    assert (empty.best_bid, empty.best_ask) == (0, ONE)
    for blank in ({"best_bid": "", "best_ask": ""}, {"best_bid": "0.86", "best_ask": ""}):
        unsaid = facts(frame({**YES, **blank}, {**NO, "best_bid": "", "best_ask": ""}))[0]
        assert isinstance(unsaid, BookChanged)
        assert unsaid.best_ask is None
        assert unsaid.changes == CHANGED.changes


def test_the_formats_before_2025_09_15() -> None:
    listed = {
        "asset_id": "222",
        "market": "0xm",
        "changes": [{"price": "0.4", "side": "SELL", "size": "3300"}, {"price": "0.6", "side": "BUY", "size": "0"}],
        "hash": "h",
        "timestamp": "1776808414710",
        "event_type": "price_change",
    }
    assert facts(listed) == [
        BookChanged(AT, "0xm", Nanos(TS), ((BUY, Price(6_000), size_of("3300")), (SELL, Price(4_000), Size(0))), "", "h")
    ]
    single = {**{k: v for k, v in listed.items() if k != "changes"}, "price": "0.514", "side": "SELL", "size": "21574.08"}
    assert facts(single) == [BookChanged(AT, "0xm", Nanos(TS), ((BUY, Price(4_860), size_of("21574.08")),), "", "h")]
    assert refused({**listed, "changes": []})


def test_a_book_in_yes_terms() -> None:
    bids = ((Price(100), size_of("12902.69")), (Price(5_000), size_of("10")))
    asks = ((Price(9_900), size_of("3")), (Price(5_200), size_of("7.5")))
    assert facts(BOOK) == [BookReset(AT, "0xm", Nanos(TS), bids, asks, "111", "h", Price(100), "0.130")]
    mirrored = {
        **BOOK,
        "asset_id": "222",
        "bids": [{"price": "0.01", "size": "3"}, {"price": "0.48", "size": "7.5"}],
        "asks": [{"price": "0.99", "size": "12902.69"}, {"price": "0.5", "size": "10"}],
    }
    assert facts(mirrored) == [BookReset(AT, "0xm", Nanos(TS), bids, asks, "222", "h", Price(100), "0.130")]
    turned = {**BOOK, "bids": BOOK["bids"][::-1], "asks": BOOK["asks"][::-1]}
    assert facts([BOOK, turned]) == facts(BOOK) * 2, "best last, whatever order they came in"


def test_a_book_in_mid_stream_says_neither_tick_nor_last_trade() -> None:
    short = {k: v for k, v in BOOK.items() if k not in ("tick_size", "last_trade_price")}
    found = facts(short)[0]
    assert isinstance(found, BookReset)
    assert (found.tick, found.last, found.rest) == (0, None, False)
    never = facts({**BOOK, "last_trade_price": "", "bids": [], "asks": []})[0]
    assert isinstance(never, BookReset)
    assert (never.last, never.bids, never.asks) == ("", (), ())


@pytest.mark.parametrize(
    "wrong",
    [
        {"bids": None},
        {"asks": "x"},
        {"bids": [{"price": "0.5"}]},
        {"bids": [{"price": "0.5", "size": "1"}, {"price": "0.50", "size": "2"}]},
        {"tick_size": "0.02"},
        {"tick_size": "0"},
        {"last_trade_price": "NaN"},
        {"timestamp": ""},
        {"asset_id": "333"},
        {"market": "0xelse"},
    ],
)
def test_a_wrong_book_is_refused(wrong: dict[str, Any]) -> None:
    assert refused({**BOOK, **wrong})


def test_a_trade_in_yes_terms() -> None:
    assert facts(TRADE) == [Traded(AT, "0xm", Nanos(TS), Price(8_700), size_of("13.7931"), BUY, "0.87")]
    assert facts({**TRADE, "asset_id": "222"}) == [Traded(AT, "0xm", Nanos(TS), Price(1_300), size_of("13.7931"), SELL, "0.87")]


@pytest.mark.parametrize("wrong", [{"side": ""}, {"size": "0"}, {"price": "1"}, {"price": ""}, {"size": "-1"}, {"timestamp": "now"}])
def test_a_wrong_trade_is_refused(wrong: dict[str, str]) -> None:
    assert refused({**TRADE, **wrong})


def test_a_tick_and_a_result() -> None:
    assert facts(TICK) == [TickSizeChanged(AT, "0xm", Nanos(TS), Price(10))]
    assert refused({**TICK, "new_tick_size": "0.003"})
    result = {"event_type": "market_resolved", "market": "0xm", "assets_ids": ["111", "222"], "winning_outcome": "Yes", "tags": []}
    assert facts({**result, "winning_asset_id": "111"}) == [MarketResolved(AT, "0xm", ONE)]
    assert facts({**result, "winning_asset_id": "222"}) == [MarketResolved(AT, "0xm", Price(0))]
    assert refused({**result, "winning_asset_id": ""})


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("PONG", "PONG"),
        (b"PONG", "PONG"),
        ({"event_type": "best_bid_ask", "market": "0xm", "asset_id": "111", "best_bid": "0.1"}, "best_bid_ask"),
        ({"event_type": "new_market", "market": "0xn", "tags": ["x"], "active": True}, "new_market"),
        ({"event_type": "made_up", "price": 1.5}, "made_up"),
        ([{"event_type": "made_up", "price": {}}], "made_up"),
        ({"event_type": "\x1b]0;title\x07"}, "other"),
        ({"market": "0xm"}, "untyped"),
        ({**TRADE, "asset_id": "999", "market": "0xelse"}, "unknown token"),
        (frame({**YES, "asset_id": "999"}, {**NO, "asset_id": "998"}, market="0xelse"), "unknown token"),
        ({**TICK, "asset_id": "999", "market": "0xelse"}, "unknown token"),
    ],
)
def test_what_is_of_no_use_is_ignored_and_counted(message: object, why: str) -> None:
    made = decoder()
    assert made.decode(message if isinstance(message, str | bytes) else text(message), AT) == []
    assert (made.malformed, made.ignored) == (0, {why: 1})


def test_the_reasons_to_ignore_are_bounded() -> None:
    made = decoder()
    for i in range(200):
        made.decode(text({"event_type": f"kind_{i}"}), AT)
    assert len(made.ignored) == 51
    assert sum(made.ignored.values()) == 200


def test_one_bad_object_does_not_take_the_others_along() -> None:
    made = decoder()
    found = made.decode(text([BOOK, {**BOOK, "tick_size": "7"}, TRADE, {"event_type": "new_market"}]), AT)
    assert [type(fact) for fact in found] == [BookReset, Traded]
    assert (made.malformed, made.ignored) == (1, {"new_market": 1})
    assert made.decode("[]", AT) == []


def test_a_rest_book() -> None:
    made = decoder()
    body = {k: v for k, v in BOOK.items() if k != "event_type"} | {"min_order_size": "5", "neg_risk": False}
    found = made.rest_book(text(body) + "\n", AT)
    assert (found.rest, found.tick, found.last, found.token, found.hash, found.bids[-1]) == (
        True,
        100,
        "0.130",
        "111",
        "h",
        (5_000, 10 * SHARE),
    )
    for wrong in ({**body, "asset_id": "999"}, [body], {"error": "No orderbook exists for the requested token id"}, {**body, "bids": None}):
        with pytest.raises(ValueError, match="book refused"):
            made.rest_book(text(wrong), AT)
    with pytest.raises(ValueError, match="giant"):
        made.rest_book(b" " * (FRAME_BYTES_MAX + 1), AT)
    assert made.malformed == 5


@pytest.mark.fault("F69")
def test_memory_is_bounded_however_many_sizes_come() -> None:
    made = decoder()
    for i in range(1, 40_000):
        size = f"{i}.25"
        assert made.decode(text(frame({**YES, "size": size}, {**NO, "size": size})), AT)
    assert len(made._sizes) <= 4_096


@pytest.mark.fault("F69")
def test_a_market_that_is_forgotten_is_of_no_use_any_more_and_the_others_are() -> None:
    made = decoder()
    market, raw = made._tokens[YES["asset_id"]][0], text(frame(YES, NO))
    assert made.decode(raw, AT)
    made.forget(market)
    made.forget(market)
    assert made.decode(raw, AT) == [] and made.ignored == {"unknown token": 1} and not made.malformed
    made.know(market)
    assert made.decode(raw, AT)
