"""The venue's book hash: what is hashed, and how it is spelled (py-clob-client, generate_orderbook_summary_hash).

The sha1 of compact JSON with the keys in this order: market, asset_id, timestamp, hash (empty), bids, asks, min_order_size, tick_size,
neg_risk, last_trade_price; levels best last, numbers as strings.
"""

from collections.abc import Iterable
from hashlib import sha1

from pmm_tui.core.events import Level
from pmm_tui.core.market import Market
from pmm_tui.core.units import MILLI, Nanos, Price, mirror, price_text, size_text


def level_text(price: int, size: int) -> str:
    """One level as the hash has it."""
    return f'{{"price":"{price_text(price)}","size":"{size_text(size)}"}}'


def last_text(price: int) -> str:
    """A trade price as the hash has it: three decimals, four where the price needs them."""
    return f"{price / 10_000:.4f}" if price % 10 else f"{price / 10_000:.3f}"


def texts(market: Market, token: str, bids: Iterable[Level], asks: Iterable[Level]) -> tuple[str, str]:
    """The token's own bids and asks as the hash has them, from a book in YES terms, best last."""
    if token == market.no:
        return ",".join(level_text(mirror(p), s) for p, s in asks), ",".join(level_text(mirror(p), s) for p, s in bids)
    return ",".join(level_text(p, s) for p, s in bids), ",".join(level_text(p, s) for p, s in asks)


def body(market: Market, token: str, ts: Nanos, bids: str, asks: str) -> bytes:
    """The hashed text up to the tick: what a book fixes by itself."""
    head = f'{{"market":"{market.id}","asset_id":"{token}","timestamp":"{ts // MILLI}","hash":""'
    return f'{head},"bids":[{bids}],"asks":[{asks}],"min_order_size":"{size_text(market.min_size)}","tick_size":"'.encode()


def tail(market: Market, tick: Price, last: str) -> bytes:
    """The rest: what a frame in mid-stream does not say."""
    return f'{price_text(tick)}","neg_risk":{"true" if market.neg_risk else "false"},"last_trade_price":"{last}"}}'.encode()


def book_hash(market: Market, token: str, ts: Nanos, bids: Iterable[Level], asks: Iterable[Level], tick: Price, last: str) -> str:
    """The hash of `token`'s book (sha1, hex). Levels are in YES terms, best last; `last` is last_trade_price as the venue writes it."""
    whole = body(market, token, ts, *texts(market, token, bids, asks)) + tail(market, tick, last)
    return sha1(whole, usedforsecurity=False).hexdigest()
