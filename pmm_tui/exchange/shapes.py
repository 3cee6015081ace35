"""The venue's JSON: key order, decimal spelling and types, as its wire has them."""

from hashlib import sha1
from typing import TYPE_CHECKING, Any

import msgspec

from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import MILLI, SECOND, Nanos, price_text, size_text
from pmm_tui.exchange.terms import Answer, Order, Part, Trade

if TYPE_CHECKING:
    from pmm_tui.exchange.matching import Matching


def text(value: Any) -> str:
    """Compact JSON, keys in the order given."""
    return msgspec.json.encode(value).decode()


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """A JSON response."""
    return Answer(status, msgspec.json.encode(value), headers or {})


def error(said: str, status: int = 400) -> Answer:
    """The venue's `{"error": ...}`."""
    return answer({"error": said}, status)


def number(value: float) -> float | int:
    """A JSON number as the venue writes it: 5, not 5.0."""
    return int(value) if value == int(value) else value


def milli(at: Nanos) -> str:
    """Milliseconds since the epoch, as text."""
    return str(at // MILLI)


def second(at: Nanos) -> str:
    """Seconds since the epoch, as text."""
    return str(at // SECOND)


def outcome(market: Market, token: str) -> str:
    """The name of a token's outcome."""
    return market.outcomes[0] if token == market.yes else market.outcomes[1]


def levels(matching: "Matching", token: str, side: Side) -> list[dict[str, str]]:
    """One side of a token's book, best level last."""
    return [{"price": price_text(price), "size": size_text(size)} for price, size in reversed(matching.levels(token, side))]


def book(matching: "Matching", market: Market, token: str, at: Nanos) -> dict[str, Any]:
    """GET /book, its sha1 in `hash` (py-clob-client, generate_orderbook_summary_hash)."""
    said: dict[str, Any] = {
        "market": market.id,
        "asset_id": token,
        "timestamp": milli(at),
        "hash": "",
        "bids": levels(matching, token, Side.BUY),
        "asks": levels(matching, token, Side.SELL),
        "min_order_size": size_text(market.min_size),
        "tick_size": price_text(matching.tick(market.id)),
        "neg_risk": market.neg_risk,
        "last_trade_price": matching.last(market.id),
    }
    said["hash"] = sha1(msgspec.json.encode(said), usedforsecurity=False).hexdigest()
    return said


def order(one: Order, market: Market) -> dict[str, Any]:
    """An order of /data/orders and /data/order/{id}."""
    return {
        "id": one.id,
        "status": one.status,
        "owner": one.owner,
        "maker_address": one.wallet,
        "market": one.market,
        "asset_id": one.token,
        "side": one.side.value,
        "original_size": size_text(one.size),
        "size_matched": size_text(one.matched),
        "price": price_text(one.price),
        "outcome": outcome(market, one.token),
        "expiration": second(one.expires),
        "order_type": one.lasts.value,
        "associate_trades": list(one.trades),
        "created_at": one.created // SECOND,
    }


def order_told(kind: str, one: Order, market: Market, at: Nanos) -> dict[str, Any]:
    """An `order` event of the user channel."""
    return {
        "id": one.id,
        "owner": one.owner,
        "market": one.market,
        "asset_id": one.token,
        "side": one.side.value,
        "order_owner": one.owner,
        "original_size": size_text(one.size),
        "size_matched": size_text(one.matched),
        "price": price_text(one.price),
        "associate_trades": list(one.trades),
        "outcome": outcome(market, one.token),
        "type": kind,
        "created_at": second(one.created),
        "expiration": second(one.expires),
        "order_type": one.lasts.value,
        "status": one.status,
        "maker_address": one.wallet,
        "timestamp": milli(at),
        "event_type": "order",
    }


def _part(part: Part, market: Market, indexed: bool) -> dict[str, Any]:
    said: dict[str, Any] = {
        "order_id": part.order,
        "owner": part.owner,
        "maker_address": part.wallet,
        "matched_amount": size_text(part.size),
        "price": price_text(part.price),
        "fee_rate_bps": "0",
        "asset_id": part.token,
        "outcome": outcome(market, part.token),
    }
    if indexed:
        said["outcome_index"] = 0 if part.token == market.yes else 1
    said["side"] = part.side.value
    return said


def trade(one: Trade, market: Market, taker: bool) -> dict[str, Any]:
    """A trade of /data/trades."""
    return {
        "id": one.id,
        "taker_order_id": one.taker,
        "market": one.market,
        "asset_id": one.token,
        "side": one.side.value,
        "size": size_text(one.size),
        "fee_rate_bps": "0",
        "price": price_text(one.price),
        "status": one.status,
        "match_time": second(one.at),
        "last_update": second(one.updated),
        "outcome": outcome(market, one.token),
        "bucket_index": one.bucket,
        "owner": one.owner,
        "maker_address": one.wallet,
        "transaction_hash": one.tx,
        "trader_side": "TAKER" if taker else "MAKER",
        "maker_orders": [_part(part, market, False) for part in one.parts],
    }


def trade_told(one: Trade, market: Market, owner: str, at: Nanos) -> dict[str, Any]:
    """A `trade` event of the user channel, as one owner in it gets it."""
    return {
        "event_type": "trade",
        "type": "TRADE",
        "id": one.id,
        "taker_order_id": one.taker,
        "market": one.market,
        "asset_id": one.token,
        "side": one.side.value,
        "size": size_text(one.size),
        "fee_rate_bps": "0",
        "price": price_text(one.price),
        "status": one.status,
        "match_time": second(one.at),
        "last_update": second(one.updated),
        "outcome": outcome(market, one.token),
        "owner": one.owner,
        "trade_owner": owner,
        "maker_address": one.wallet,
        "transaction_hash": one.tx or None,
        "bucket_index": one.bucket,
        "maker_orders": [_part(part, market, True) for part in one.parts],
        "trader_side": "TAKER" if one.owner == owner else "MAKER",
        "timestamp": milli(at),
    }
