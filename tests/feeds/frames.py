"""Frames of the market channel as the venue writes them, and a decoder that knows their market."""

import json
from typing import Any

from pmm_tui.core.events import Event
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import SHARE, Nanos, Price, Size
from pmm_tui.feeds.wire import Decoder

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
