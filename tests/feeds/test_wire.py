import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmm_tui.core.events import BookChanged, BookReset, Event, MarketResolved, TickSizeChanged, Traded
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import ONE, SHARE, Nanos, Price, Size, size_of
from pmm_tui.feeds.wire import FRAME_BYTES_MAX, Decoder

MARKET = Market(id="0xm", slug="m", question="?", yes="111", no="222", tick=Price(100), min_size=Size(5 * SHARE))
OTHER = Market(id="0xo", slug="o", question="?", yes="333", no="444", tick=Price(10), min_size=Size(5 * SHARE))
AT = Nanos(1_776_808_414_720_000_000)
TS = 1_776_808_414_710_000_000
BUY, SELL = Side.BUY, Side.SELL

YES = {"asset_id": "111", "price": "0.86", "size": "362.17", "side": "BUY", "hash": "hy", "best_bid": "0.86", "best_ask": "0.87"}
NO = {"asset_id": "222", "price": "0.14", "size": "362.17", "side": "SELL", "hash": "hn", "best_bid": "0.13", "best_ask": "0.14"}
BOOK: dict[str, Any] = {
    "market": "0xm",
    "asset_id": "111",
    "timestamp": "1776808414710",
    "hash": "h",
    "bids": [{"price": "0.01", "size": "12902.69"}, {"price": "0.5", "size": "10"}],
    "asks": [{"price": "0.99", "size": "3"}, {"price": "0.52", "size": "7.5"}],
    "tick_size": "0.01",
    "event_type": "book",
    "last_trade_price": "0.130",
}
TRADE = {
    "market": "0xm",
    "asset_id": "111",
    "price": "0.87",
    "size": "13.7931",
    "fee_rate_bps": "1000",
    "side": "BUY",
    "timestamp": "1776808414710",
    "event_type": "last_trade_price",
    "transaction_hash": "0x6893",
}
TICK = {
    "market": "0xm",
    "asset_id": "111",
    "old_tick_size": "0.01",
    "new_tick_size": "0.001",
    "timestamp": "1776808414710",
    "event_type": "tick_size_change",
}


def frame(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"market": "0xm", "price_changes": list(entries), "timestamp": "1776808414710", "event_type": "price_change", **more}


def text(message: object) -> str:
    return json.dumps(message, separators=(",", ":"))


def decoder() -> Decoder:
    made = Decoder()
    made.know(MARKET)
    made.know(OTHER)
    return made


def facts(message: object) -> list[Event]:
    made = decoder()
    found = made.decode(message if isinstance(message, str | bytes) else text(message), AT)
    assert (made.malformed, made.ignored) == (0, {})
    return found


def refused(message: object) -> bool:
    """Counted as malformed, no fact, nothing raised."""
    made = decoder()
    found = made.decode(message if isinstance(message, str | bytes) else text(message), AT)
    return found == [] and made.malformed == 1 and not made.ignored


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


BAD_NUMBERS = [
    "NaN",
    "nan",
    "Infinity",
    "-inf",
    "1e400",
    "1e-2",
    "٣",
    "0.٣",
    "",
    " 0.5",
    "0.5 ",
    "+0.5",
    "-0.5",
    "0x1",
    "0.5.5",
    "1_0",
    "½",
]


@pytest.mark.parametrize("number", [*BAD_NUMBERS, "0", "1", "1.5", "0.12345", "9" * 5_000])
def test_f12_a_price_is_an_ascii_decimal_inside_0_and_1(number: str) -> None:
    assert refused(frame({**YES, "price": number}, {**NO, "price": number}))
    assert refused(frame({**YES, "price": number}))
    assert refused({**BOOK, "bids": [{"price": number, "size": "1"}]})


@pytest.mark.parametrize("number", [*BAD_NUMBERS, "1000000000000.1", "0.1234567", "9" * 5_000])
def test_f12_a_size_is_an_ascii_decimal_in_range(number: str) -> None:
    assert refused(frame({**YES, "size": number}, {**NO, "size": number}))
    assert refused({**BOOK, "asks": [{"price": "0.5", "size": number}]})


@pytest.mark.parametrize("number", ["٣" * 13, "-1", "1.5", "1_000", "", "9" * 16, "²"])
def test_f12_a_timestamp_is_digits(number: str) -> None:
    assert refused(frame(YES, NO, timestamp=number))


@pytest.mark.parametrize("value", [0.86, None, True, [], {}, 1e400, float("nan")])
def test_f12_a_number_is_a_string(value: object) -> None:
    for field in ("price", "size", "best_bid"):
        assert refused(frame({**YES, field: value}, NO))


def doubled(message: object, key: str) -> str:
    """The message with the first `key` written twice in its object."""
    plain = text(message)
    start = plain.index(f'"{key}":')
    return f'{plain[:start]}"{key}":"0.5",{plain[start:]}'


@pytest.mark.parametrize("key", ["price", "size", "side", "asset_id", "hash", "best_bid", "market", "timestamp", "event_type"])
def test_f12_a_key_twice_in_one_object_is_refused(key: str) -> None:
    assert refused(doubled(frame(YES, NO), key))
    assert refused(doubled(frame(YES, NO), key).encode())
    assert refused(doubled([frame(YES, NO)], key))
    if key not in ("side", "best_bid"):
        assert refused(doubled(BOOK, key))
        with pytest.raises(ValueError, match="twice"):
            decoder().rest_book(doubled({**BOOK, "neg_risk": False}, key), AT)


def test_f12_a_key_twice_does_not_hide_behind_one_that_is_missing() -> None:
    lacking = {k: v for k, v in YES.items() if k != "hash"}
    assert refused(doubled(frame(lacking, NO), "price"))
    assert refused(doubled({k: v for k, v in BOOK.items() if k != "hash"}, "price"))
    assert refused(doubled(TRADE, "price"))


def test_f12_a_colon_in_a_string_is_no_key() -> None:
    found = facts(frame({**YES, "hash": "a:b"}, NO))[0]
    assert isinstance(found, BookChanged)
    assert found.hash_yes == "a:b"


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "null",
        "true",
        '"PONG"',
        "NaN",
        "{",
        text(frame(YES, NO))[:-20],
        text(frame(YES, NO)) + "x",
        "[" * 100_000,
        '{"x":' * 100_000,
        '{"market":' + "[" * 100_000,
        '{"event_type":"book","x":' + "[" * 100_000,
        "9" * 5_000,
        '{"event_type":"price_change","price_changes":' + "9" * 5_000 + "}",
        b"\xff\xfe",
        b'{"market":"\xff"}',
        '{"market":"\ud800"}',
        " " * (FRAME_BYTES_MAX + 1),
        text({**BOOK, "bids": [{"price": "0.5", "size": "1"}] * 150_000}),
        "[[]]",
        '[336,{"a":[]}]',
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_f13_broken_deep_and_giant_frames_are_contained(raw: str | bytes) -> None:
    assert refused(raw)


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


def test_memory_is_bounded_however_many_sizes_come() -> None:
    made = decoder()
    for i in range(1, 40_000):
        size = f"{i}.25"
        assert made.decode(text(frame({**YES, "size": size}, {**NO, "size": size})), AT)
    assert len(made._sizes) <= 16_384


wild = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["0xm", "111", "222", "0.5", "BUY", "1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*BOOK, *TRADE, "price_changes", "changes", "winning_asset_id"]) | st.text(max_size=5), inner, max_size=6
        )
    ),
    max_leaves=20,
)


@given(wild, st.sampled_from(["price_change", "book", "last_trade_price", "tick_size_change", "market_resolved", "x"]))
def test_nothing_ever_raises_on_made_up_messages(message: object, kind: str) -> None:
    made = decoder()
    for shaped in (message, {**message, "event_type": kind} if isinstance(message, dict) else [message]):
        assert isinstance(made.decode(json.dumps(shaped), AT), list)


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_nothing_ever_raises_on_noise(raw: str | bytes) -> None:
    made = decoder()
    found = made.decode(raw, AT)
    assert found == []
    assert made.malformed + sum(made.ignored.values()) <= 1


@given(st.sampled_from([frame(YES, NO), BOOK, TRADE, TICK]), st.data())
def test_a_damaged_frame_is_refused_or_ignored_or_still_a_fact_but_never_raises(message: object, data: st.DataObject) -> None:
    plain = text(message)
    at = data.draw(st.integers(0, len(plain) - 1))
    damaged = plain[:at] + data.draw(st.text(max_size=3)) + plain[at + data.draw(st.integers(0, 5)) :]
    for fact in decoder().decode(damaged, AT):
        if isinstance(fact, BookChanged):
            assert all(0 < price < ONE and size >= 0 for _, price, size in fact.changes)
