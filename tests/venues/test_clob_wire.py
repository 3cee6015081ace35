"""The venue's private shapes are read in both spellings, our own piece of a trade is ours, and nothing broken is guessed at."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmm_tui.core.market import Side
from pmm_tui.core.units import Size, size_text
from pmm_tui.venues.clob.port import Piece
from pmm_tui.venues.clob.troubles import clean
from pmm_tui.venues.clob.wire import OrderNews, is_fixed, leg_of, own_pieces, pieces, standings, status_of, user_news
from tests.venues.clob_scene import CONDITION, EOA, ID, OWNER, TOKEN, order_row, trade_row

OTHER = "0x" + "0e" * 20
NO = "2"
YES = TOKEN
MINE = "0x" + "a1" * 32


def maker(**over: Any) -> dict[str, Any]:
    """A maker's entry of ours."""
    return {
        "order_id": MINE, "owner": OWNER, "maker_address": EOA, "matched_amount": "4.5", "price": "0.52", "fee_rate_bps": "0",
        "asset_id": YES, "outcome": "Yes", "outcome_index": 0, "side": "SELL",
    } | over  # fmt: skip


def made(side: str, token: str, *makers: dict[str, Any], **over: Any) -> dict[str, Any]:
    """A trade of a stranger who took, against these makers."""
    stranger = {"owner": "x", "maker_address": OTHER, "trader_side": "MAKER", "taker_order_id": "0x" + "ff" * 32}
    return trade_row(**stranger, side=side, asset_id=token, maker_orders=list(makers), **over)


# --- our piece of a trade ---------------------------------------------------------------------------------------------------------------

CROSSINGS = [
    ("complementary: their buy, our offer", "BUY", YES, maker(side="SELL"), Side.SELL, YES),
    ("complementary: their sale, our bid", "SELL", YES, maker(side="BUY"), Side.BUY, YES),
    ("mint: they buy NO, we buy YES", "BUY", NO, maker(side="BUY", price="0.48"), Side.BUY, YES),
    ("merge: they sell NO, we sell YES", "SELL", NO, maker(side="SELL", price="0.48"), Side.SELL, YES),
]


@pytest.mark.parametrize(("side", "token", "entry", "ours", "on"), [row[1:] for row in CROSSINGS], ids=[row[0] for row in CROSSINGS])
@pytest.mark.parametrize("told", [True, False], ids=["side told", "side left out"])
def test_F50_a_makers_piece_is_its_own_entry_on_its_own_token(
    side: str, token: str, entry: dict[str, Any], ours: Side, on: str, told: bool
) -> None:
    entry = entry if told else {name: value for name, value in entry.items() if name != "side"}
    [piece] = pieces(made(side, token, entry, price="0.9", size="100"), OWNER, EOA)
    assert (piece.side, piece.token, piece.size, piece.maker, piece.order) == (ours, on, 4_500_000, True, MINE)
    assert piece.price == (4800 if entry["price"] == "0.48" else 5200)


def test_F51_several_orders_of_ours_in_one_trade_are_several_pieces_and_strangers_are_none() -> None:
    entries = [
        maker(),
        maker(order_id="0x" + "a2" * 32, matched_amount="1"),
        maker(order_id="0x" + "a3" * 32, maker_address=OTHER, owner="y"),
    ]
    found = pieces(made("BUY", YES, *entries), OWNER, EOA.lower())
    assert [(piece.order[:4], piece.size) for piece in found] == [("0xa1", 4_500_000), ("0xa2", 1_000_000)]
    assert {piece.trade for piece in found} == {"t1"}


def test_what_we_took_is_the_top_of_the_trade_and_not_its_makers() -> None:
    [piece] = pieces(trade_row(maker_orders=[maker(maker_address=OTHER, owner="y")]), OWNER, EOA)
    assert piece == Piece(
        trade="t1", order=ID, market=CONDITION, token=YES, side=Side.BUY, price=piece.price, size=Size(10_000_000), maker=False,
        status="CONFIRMED", at_s=1_700_000_000,
    )  # fmt: skip
    assert piece.price == 5200


def test_a_trade_with_ourselves_is_two_pieces() -> None:
    found = pieces(trade_row(maker_orders=[maker()]), OWNER, EOA)
    assert sorted((piece.maker, piece.order) for piece in found) == [(False, ID), (True, MINE)]


def test_F56_a_piece_is_ours_by_wallet_whatever_key_placed_it_and_by_key_only_where_no_wallet_is_named() -> None:
    assert len(pieces(made("BUY", YES, maker(owner="the web page's key")), OWNER, EOA)) == 1
    assert pieces(made("BUY", YES, maker(maker_address=OTHER)), OWNER, EOA) == []
    assert len(pieces(made("BUY", YES, maker(maker_address="")), OWNER, EOA)) == 1


def test_whose_the_top_of_a_trade_is_says_trader_side_and_only_without_it_the_address() -> None:
    # REST was seen to put the asking wallet there although it was the maker.
    [piece] = pieces(made("BUY", YES, maker()) | {"maker_address": EOA}, OWNER, EOA)
    assert piece.maker
    assert [one.maker for one in pieces(trade_row(trader_side=""), OWNER, EOA)] == [False]
    assert [one.maker for one in pieces(trade_row(trader_side="", maker_orders=[maker()]), OWNER, EOA)] == [True]
    assert pieces(trade_row(trader_side="", maker_address=OTHER), OWNER, EOA) == []


@pytest.mark.parametrize(("side", "price"), [("BUY", 5234), ("SELL", 5233)])
def test_an_average_finer_than_the_desks_prices_is_rounded_against_us(side: str, price: int) -> None:
    assert pieces(trade_row(side=side, price="0.523333333333"), OWNER, EOA)[0].price == price
    assert pieces(trade_row(side=side, price="0.52330000"), OWNER, EOA)[0].price == 5233


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("MATCHED", "MATCHED"),
        ("TRADE_STATUS_MINED", "MINED"),
        ("confirmed", "CONFIRMED"),
        ("MATCHED_NOT_BROADCASTED", "MATCHED"),
        ("TRADE_STATUS_MATCHED_NOT_BROADCASTED", "MATCHED"),
        ("TRADE_STATUS_FAILED", "FAILED"),
        ("SOMETHING_NEW", "SOMETHING_NEW"),
        ("ORDER_STATUS_LIVE", "LIVE"),
        ("CANCELED_order couldn't be fully filled.", "CANCELED_ORDER COULDN'T BE FULLY FILLED."),
        (None, ""),
    ],
)
def test_F15_a_status_is_bare_with_and_without_its_prefix_and_a_new_one_is_passed_on(said: Any, status: str) -> None:
    assert status_of(said) == status


@pytest.mark.parametrize("said", ["1700000000", 1_700_000_000, "1700000000123", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20+00:00"])
def test_a_time_is_seconds_however_it_is_written(said: Any) -> None:
    assert pieces(trade_row(match_time=said), OWNER, EOA)[0].at_s == 1_700_000_000


# --- two spellings of a size ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(100, 100_000_000), st.integers(0, 100)), min_size=1, max_size=8))
def test_orders_mean_the_same_in_both_spellings(drawn: list[tuple[int, int]]) -> None:
    sizes = [(lots * 10_000, lots * 10_000 * part // 100) for lots, part in drawn]
    human = [order_row(n, original_size=size_text(size), size_matched=size_text(matched)) for n, (size, matched) in enumerate(sizes)]
    if all("." not in row["original_size"] + row["size_matched"] for row in human):
        human.append(order_row(99, original_size="5", size_matched="0.000001"))
    fixed = [order_row(n, original_size=str(size), size_matched=str(matched)) for n, (size, matched) in enumerate(sizes)]
    assert [(order.size, order.matched) for order in standings(fixed)] == sizes
    assert [(order.size, order.matched) for order in standings(human)][: len(sizes)] == sizes


def test_small_parts_take_the_spelling_of_the_answer_that_they_came_in() -> None:
    """0.25 of a share is 250000 base units, which alone could be a quarter of a million shares."""
    part = made("BUY", YES, maker(matched_amount="250000"), id="t2", size="250000")
    assert [piece.size for piece in own_pieces([part, trade_row(size="10000000")], OWNER, EOA, 0)] == [250_000, 10_000_000]
    assert [piece.size for piece in own_pieces([part, trade_row(size="9.5")], OWNER, EOA, 0)] == [250_000_000_000, 9_500_000]


WHALE = "0x" + "0f" * 20


@pytest.mark.parametrize(
    ("top", "whale", "ours", "size"),
    [
        ("1200000", "1199990", "10", 10_000_000),  # shares: a stranger has more than a million of them
        ("1200000000000", "1199990000000", "10000000", 10_000_000),
        ("1200000.5", "1199990.5", "10", 10_000_000),
    ],
)
@pytest.mark.parametrize("prefix", ["", "TRADE_STATUS_"])
def test_however_large_strangers_trade_our_own_size_is_ours(top: str, whale: str, ours: str, size: int, prefix: str) -> None:
    entries = [maker(maker_address=WHALE, owner="y", matched_amount=whale), maker(matched_amount=ours)]
    trade = made("BUY", YES, *entries, size=top, status=f"{prefix}MATCHED")
    assert [piece.size for piece in pieces(trade, OWNER, EOA)] == [size]
    other = made("BUY", YES, maker(order_id=ID, matched_amount="2" + ours[1:]), id="t2", size=ours, status=f"{prefix}CONFIRMED")
    assert [piece.size for piece in own_pieces([trade, other], OWNER, EOA, 0)] == [size, 2 * size]


SWEEP = [("300", "0.53"), ("600", "0.52")]


@pytest.mark.parametrize(("side", "token"), [("SELL", YES), ("BUY", YES), ("BUY", NO)])
def test_what_we_took_at_several_prices_is_told_leg_by_leg_in_our_own_terms(side: str, token: str) -> None:
    """The makers are on YES: who takes NO meets them on the complement."""
    legs = [maker(maker_address=OTHER, owner="y", matched_amount=size, price=price, side="BUY") for size, price in SWEEP]
    trade = trade_row(side=side, asset_id=token, size="900", price="0.523333333333", maker_orders=legs)
    [piece] = pieces(trade, OWNER, EOA)
    prices = (5300, 5200) if token == YES else (4700, 4800)
    assert piece.legs == tuple(zip(prices, (300_000_000, 600_000_000), strict=True)) and piece.size == 900_000_000
    assert pieces(trade | {"maker_orders": legs[:1]}, OWNER, EOA)[0].legs == (), "not all makers are told"
    alike = [leg | {"price": "0.53"} for leg in legs]
    assert pieces(trade | {"maker_orders": alike, "price": "0.53"}, OWNER, EOA)[0].legs == ()


def test_whole_shares_are_shares() -> None:
    assert [order.size for order in standings([order_row(1, original_size="999999", size_matched="0")])] == [999_999_000_000]
    assert not is_fixed(["5", "0", "", None])
    assert is_fixed(["1000000"])
    assert not is_fixed(["1000000", "0.5"])


@pytest.mark.parametrize("wrong", ["-1", "1e3", "NaN", "inf", "٣", "0x10", "", None, True, [], "9" * 60, "1.2345678"])
def test_F12_a_number_that_is_none_is_refused(wrong: Any) -> None:
    for row in (order_row(1, size_matched=wrong), order_row(1, price=wrong)):
        with pytest.raises(ValueError, match=r"."):
            standings([row])
    with pytest.raises(ValueError, match=r"."):
        own_pieces([trade_row(size=wrong), trade_row(size="1.5")], OWNER, EOA, 0)


@pytest.mark.parametrize(
    "over",
    [
        {"side": "HOLD"},
        {"id": ""},
        {"id": None},
        {"market": 5},
        {"match_time": "soon"},
        {"match_time": None},
        {"taker_order_id": ""},
        {"maker_orders": "x"},
        {"maker_orders": [5]},
        {"price": "1.5"},
        {"price": "0.5x"},
        {"price": "0.12345x"},
    ],
)
def test_F13_a_trade_that_is_none_is_refused(over: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        pieces(trade_row(**over), OWNER, EOA)


def test_bare_numbers_are_read_as_their_documents_show_them() -> None:
    [order] = standings([order_row(1, original_size=10, size_matched=2.5, price=0.52)])
    assert (order.size, order.matched, order.price) == (10_000_000, 2_500_000, 5200)


# --- the user channel -------------------------------------------------------------------------------------------------------------------


def placed(**over: Any) -> dict[str, Any]:
    """An `order` frame as the venue documents it."""
    return {
        "event_type": "order", "id": MINE, "owner": OWNER, "market": CONDITION, "asset_id": YES, "side": "BUY", "order_owner": OWNER,
        "original_size": "10", "size_matched": "0", "price": "0.52", "associate_trades": None, "outcome": "Yes", "type": "PLACEMENT",
        "created_at": "1782753357", "expiration": "0", "order_type": "GTC", "status": "LIVE", "maker_address": EOA,
        "timestamp": "1782753357257",
    } | over  # fmt: skip


def test_an_order_frame_tells_all_of_the_order() -> None:
    [news] = user_news(json.dumps(placed()), OWNER, EOA)
    assert isinstance(news, OrderNews)
    assert (news.kind, news.id, news.market, news.token, news.side) == ("PLACEMENT", MINE, CONDITION, YES, Side.BUY)
    assert (news.price, news.size, news.matched, news.status) == (5200, 10_000_000, 0, "LIVE")
    assert (news.maker, news.at) == (EOA.lower(), 1_782_753_357_257_000_000)


def test_a_cancellation_that_leaves_the_matched_size_empty_does_not_say_nothing_matched() -> None:
    killed = placed(type="CANCELLATION", status="CANCELED_no orders found", size_matched="", outcome="", created_at="")
    [news] = user_news(json.dumps(killed), OWNER, EOA)
    assert isinstance(news, OrderNews)
    assert (news.matched, news.status) == (None, "CANCELED_NO ORDERS FOUND")


def test_a_frame_is_an_object_or_an_array_and_unknown_kinds_and_pongs_tell_nothing() -> None:
    trade = made("BUY", YES, maker()) | {"event_type": "trade", "type": "TRADE"}
    both = user_news(json.dumps([placed(), {"event_type": "rebate"}, trade]), OWNER, EOA)
    assert [type(news) for news in both] == [OrderNews, Piece]
    assert user_news("PONG", OWNER, EOA) == user_news(b"PONG", OWNER, EOA) == user_news("[]", OWNER, EOA) == []
    assert user_news(json.dumps(made("BUY", YES) | {"event_type": "trade"}), OWNER, EOA) == []


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "null",
        "5",
        '"x"',
        "{",
        "[" * 100_000,
        "[null]",
        '{"event_type": NaN}',
        b"\xff\xfe{}",
        json.dumps([placed(), placed(id="")]),
        json.dumps(placed(side="x")),
        json.dumps(placed(price="2")),
        json.dumps({"event_type": "trade"}),
    ],
    ids=lambda raw: str(raw)[:20],
)
def test_F12_F13_a_broken_frame_is_refused_whole(raw: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        user_news(raw, OWNER, EOA)


FIELDS = st.sampled_from(["event_type", "id", "maker_orders", "size", "side", "price", "type"])
SCALARS = st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.sampled_from(["order", "trade"])
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(FIELDS | st.text(), inner))


@given(ANYTHING)
def test_no_json_whatsoever_raises_anything_but_a_value_error(drawn: Any) -> None:
    for frame in (
        drawn,
        [placed(id=drawn)],
        placed(original_size=drawn),
        trade_row(event_type="trade", maker_orders=drawn, match_time=drawn),
    ):
        try:
            assert isinstance(user_news(json.dumps(frame), OWNER, EOA), list)
        except ValueError:
            continue


# --- texts ------------------------------------------------------------------------------------------------------------------------------


def test_F14_a_text_is_one_bounded_line_without_control_characters() -> None:
    assert clean("a\x1b]0;evil\x07\n\u202eb") == "a ]0;evil   b"
    assert len(clean("x" * 10_000)) == 300
    assert clean(f"order {ID} is invalid") == f"order {ID} is invalid"
    assert clean("0x" + "ab" * 65) == "***"


def test_a_legs_status_is_in_lower_case_and_empty_where_it_was_refused() -> None:
    assert leg_of({"orderID": ID, "status": "LIVE"}).status == "live"
    assert leg_of({"orderID": "", "errorMsg": "no", "status": "live"}).status == ""
