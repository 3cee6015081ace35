"""The market channel on the wire: numbers that are none, keys twice, broken, deep and giant frames, and noise."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmm_tui.core.events import BookChanged
from pmm_tui.core.units import ONE
from pmm_tui.feeds.wire import FRAME_BYTES_MAX
from tests.feeds.frames import AT, BOOK, NO, TICK, TRADE, YES, decoder, facts, frame, refused, text

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
