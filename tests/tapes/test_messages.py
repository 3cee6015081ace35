"""Every single recorded message, market channel or not: the facts it becomes, or the reason why it becomes none."""

import json
from fnmatch import fnmatch
from pathlib import Path

import pytest

from pmm_tui.core.events import BookChanged, BookReset, Event, MarketResolved, TickSizeChanged, Traded
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import ONE, SHARE, Nanos, Price, Size, size_of
from pmm_tui.feeds.wire import Decoder

AT = Nanos(1)

FACTS: dict[str, list[object]] = {
    "polymarket/ws_market_book_msg.json": [(BookReset, 2, 2, 5_000, 5_100)],
    "polymarket/more/ws_messages/book.json": [(BookReset, 76, 86, 5_110, 5_140)],
    "polymarket-live-2026-07/ws_market_book.json": [(BookReset, 0, 5, 0, 9_950)],
    "polymarket/ws_market_last_trade_msg.json": [(Traded, 5_100, size_of("25"), Side.BUY)],
    "polymarket/more/ws_messages/last_trade_price.json": [(Traded, 4_910, size_of("85.36"), Side.SELL)],
    "polymarket-live-2026-07/ws_market_last_trade_price.json": [(Traded, 4_200, size_of("21.42857"), Side.BUY)],
    "polymarket/ws_market_price_change_msg.json": [(BookChanged, [(Side.BUY, 5_100, size_of("150"))], 5_100, 5_200)],
    "polymarket/more/ws_messages/price_change.json": [(BookChanged, [(Side.SELL, 5_140, size_of("21574.08"))], None, None)],
    "polymarket/more/ws_messages/price_change_v2.json": [
        (BookChanged, [(Side.BUY, 6_000, size_of("3300"))], 6_000, 7_000),
        (BookChanged, [(Side.BUY, 5_000, size_of("3400"))], 6_000, 7_000),
        (BookChanged, [(Side.BUY, 7_000, size_of("3400"))], 6_000, 7_000),
    ],
    "polymarket-live-2026-07/ws_market_price_change.json": [
        (BookChanged, [(Side.BUY, 800, size_of("2825.14"))], 5_100, 5_200),
        (BookChanged, [(Side.BUY, 900, size_of("60528.75"))], 5_100, 5_200),
        (BookChanged, [(Side.SELL, 5_700, size_of("240"))], 5_100, 5_200),
    ],
    "polymarket/ws_market_tick_size_msg.json": [(TickSizeChanged, 100)],
    "polymarket/more/ws_messages/tick_size_change.json": [(TickSizeChanged, 10)],
    "polymarket/ws_market_resolved_msg.json": [(MarketResolved, ONE)],
}
"""Market-channel messages that say something about a book."""

BOOKS = {
    "polymarket/clob_book_response.json": (5_000, 5_100),
    "polymarket/more/http_responses/book.json": (1_000, 1_400),
    "polymarket/ws_book_snapshot.json": (5_000, 5_100),
}
"""REST bodies, and one that has the form of one: best bid and ask. On the market channel they are untyped."""

IGNORED = {
    "polymarket/ws_market_best_bid_ask_msg.json": "best_bid_ask",  # says nothing that the book does not
    "polymarket/ws_market_new_market_msg.json": "new_market",  # about all markets; discovery asks Gamma
    "polymarket/more/ws_messages/order_*.json": "order",  # user channel
    "polymarket/more/ws_messages/user_trade*.json": "trade",  # user channel
    "polymarket/ws_user_order_msg.json": "order",  # user channel
    "polymarket/ws_user_order_fok_killed.json": "order",  # user channel
    "polymarket/ws_user_trade_msg.json": "trade",  # user channel
    "polymarket-live-2026-07/ws_user_order_*.json": "order",  # user channel
    # the rest has no event_type, so it is not of the market channel
    "polymarket/ws_*.json": "untyped",  # fixtures of a client that took the type off
    "polymarket/more/ws_messages/trades.json": "untyped",  # user channel, without its type
    "polymarket/clob_*.json": "untyped",  # REST
    "polymarket/gamma_*.json": "untyped",  # Gamma: has its own reader
    "polymarket/http_*.json": "untyped",  # private REST
    "polymarket/search_response.json": "untyped",  # Gamma
    "polymarket/more/http_responses/trades.json": "",
    "polymarket/more/http_responses/*.json": "untyped",  # REST
    "coinbase/http_accounts.json": "",
    "coinbase/*.json": "untyped",
    "hyperliquid/*.json": "untyped",
    "kraken/ws_futures_book_delta.json": "",
    "kraken/ws_futures_book_snapshot*.json": "",
    "kraken/ws_futures_trade.json": "",
    "kraken/*.json": "untyped",
}
"""Right in themselves and of no use to this decoder, first match. Empty: refused, see below."""

REFUSED = {
    "polymarket/data_api_*.json": "numbers are not strings: another api",
    "polymarket/more/http_responses/trades.json": "numbers are not strings: another api",
    "polymarket/rtds_*.json": "numbers are not strings: the reference price socket",
    "coinbase/http_accounts.json": "a field of ours with another type",
    "kraken/ws_futures_book_*.json": "a field of ours with another type",
    "kraken/ws_futures_trade.json": "numbers are not strings",
    "*/ws-2021.raw": "a recorder's lines, with its clock before the frame: not JSON",
    "binance-ws-2021.raw": "a recorder's lines, with its clock before the frame: not JSON",
}


def first_match(name: str, table: dict[str, str]) -> str:
    return next((said for pattern, said in table.items() if fnmatch(name, pattern)), "")


def known_to(raw: bytes) -> Decoder:
    """A decoder that knows every market the message names; its first token is taken as YES."""
    decoder = Decoder()
    try:
        message = json.loads(raw)
    except ValueError:
        return decoder
    known: set[str] = set()
    for item in message if isinstance(message, list) else [message]:
        if not isinstance(item, dict) or not isinstance(item.get("market"), str):
            continue
        named = [entry["asset_id"] for entry in item.get("price_changes", [])] + item.get("assets_ids", []) + [item.get("asset_id")]
        tokens = [token for token in dict.fromkeys(named) if token]
        if tokens and item["market"] not in known:
            known.add(item["market"])
            yes, no = (*tokens, "0")[:2]
            decoder.know(Market(item["market"], "", "", yes, no, Price(100), Size(5 * SHARE)))
    return decoder


def said(fact: Event) -> object:
    """A fact as the table above writes it."""
    if isinstance(fact, BookReset):
        return BookReset, len(fact.bids), len(fact.asks), fact.bids[-1][0] if fact.bids else 0, fact.asks[-1][0] if fact.asks else ONE
    if isinstance(fact, BookChanged):
        return BookChanged, list(fact.changes), fact.best_bid, fact.best_ask
    if isinstance(fact, Traded):
        return Traded, fact.price, fact.size, fact.side
    if isinstance(fact, TickSizeChanged):
        return TickSizeChanged, fact.tick
    assert isinstance(fact, MarketResolved)
    return MarketResolved, fact.payout_yes


@pytest.fixture(scope="module")
def messages(recordings: Path) -> dict[str, bytes]:
    folder = recordings / "messages"
    if not folder.is_dir():
        pytest.skip("recordings not here: messages")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.*")) if path.is_file()}


def test_every_message_becomes_its_facts_or_is_turned_away_for_its_reason(messages: dict[str, bytes]) -> None:
    assert len(messages) >= 180
    for name, raw in messages.items():
        if name.endswith(".raw"):
            continue
        decoder = known_to(raw)
        facts = decoder.decode(raw, AT)
        if name in FACTS:
            assert [said(fact) for fact in facts] == FACTS[name], name
            assert (decoder.malformed, decoder.ignored) == (0, {}), name
        elif kind := first_match(name, IGNORED):
            assert facts == [], name
            assert (decoder.malformed, set(decoder.ignored)) == (0, {kind}), name
        else:
            assert first_match(name, REFUSED), f"{name} is in no table"
            assert (facts, decoder.malformed, decoder.ignored) == ([], 1, {}), name


def test_the_recorders_own_lines_are_refused_one_by_one(messages: dict[str, bytes]) -> None:
    raws = {name: raw for name, raw in messages.items() if name.endswith(".raw")}
    assert len(raws) == 3
    for name, raw in raws.items():
        assert first_match(name, REFUSED), name
        decoder = Decoder()
        lines = raw.splitlines()
        assert all(decoder.decode(line, AT) == [] for line in lines)
        assert decoder.malformed == len(lines) > 200


def test_only_books_are_read_as_the_answer_to_a_book_request(messages: dict[str, bytes]) -> None:
    channel = {name for name, rows in FACTS.items() if isinstance(rows[0], tuple) and rows[0][0] is BookReset}
    for name, raw in messages.items():
        try:
            book = known_to(raw).rest_book(raw, AT)
        except ValueError:
            assert name not in BOOKS, name
            continue
        assert name in BOOKS or name in channel, name
        if name in BOOKS:
            assert (book.bids[-1][0], book.asks[-1][0], book.rest) == (*BOOKS[name], True), name
