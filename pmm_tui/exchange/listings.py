"""The public endpoints that list: the CLOB's markets, prices of many tokens, price history, rewards, and the Data API's positions."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import ONE, Nanos, dollars, price_text, shares
from pmm_tui.exchange import shapes
from pmm_tui.exchange.public import iso, query
from pmm_tui.exchange.terms import Answer, Ask

if TYPE_CHECKING:
    from pmm_tui.exchange.matching import Matching

TOKENS_MAX = 500
PAGE = 500
END = "LTE="
_BAD = "Invalid payload"


def answer(matching: "Matching", ask: Ask, at: Nanos) -> Answer | None:
    """A listing; None where the path is none."""
    if ask.method == "POST":
        many = _MANY.get(ask.path)
        return None if many is None else _of_many(matching, ask, many)
    if ask.path.startswith("/data-api/"):
        return _positions(matching, ask)
    if ask.path.startswith("/markets/"):
        pit = matching.markets.get(ask.path.removeprefix("/markets/"))
        return shapes.error("market not found", 404) if pit is None else shapes.answer(market_row(matching, pit.market))
    if ask.path in ("/markets", "/sampling-markets"):
        return _page([market_row(matching, one) for one in _listed(matching, ask)])
    if ask.path in ("/simplified-markets", "/sampling-simplified-markets"):
        names = ("condition_id", "rewards", "tokens", "active", "closed", "archived", "accepting_orders")
        rows = [market_row(matching, one) for one in _listed(matching, ask)]
        return _page([{name: row[name] for name in names} for row in rows])
    if ask.path == "/prices-history":
        return shapes.answer({"history": []})
    if ask.path == "/rewards/markets/current":
        return _page([{"condition_id": one.id, **_rewards(one)} for one in _listed(matching, ask) if one.rewards.max_spread_cents])
    if ask.path == "/rebates/current":
        wallet = query(ask).get("maker_address", "").lower()
        paid = {name: matching.accrual.rebate(name, wallet) for name in matching.markets}
        return shapes.answer([{"condition_id": name, "rebated_fees_usdc": f"{cash / 1e6:.6f}"} for name, cash in paid.items() if cash])
    return None


def _listed(matching: "Matching", ask: Ask) -> list[Market]:
    """Every market, or those with liquidity rewards where only such are asked for."""
    sampled = "sampling" in ask.path
    return [pit.market for pit in matching.markets.values() if not sampled or (pit.market.rewards.max_spread_cents and not pit.closed)]


def _page(rows: list[dict[str, Any]]) -> Answer:
    return shapes.answer({"limit": PAGE, "next_cursor": END, "count": len(rows), "data": rows})


def _rewards(market: Market) -> dict[str, Any]:
    rates = [{"asset_address": "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB", "rewards_daily_rate": market.rewards.daily_usd}]
    return {
        "max_spread": market.rewards.max_spread_cents,
        "min_size": shares(market.rewards.min_size),
        "rates": rates if market.rewards.daily_usd else None,
    }


def market_row(matching: "Matching", market: Market) -> dict[str, Any]:
    """A CLOB market object: numbers are JSON numbers here (GET /markets/{condition id})."""
    pit = matching.markets[market.id]
    tokens = [_token(matching, market, token) for token in (market.yes, market.no)]
    return {
        "accepting_order_timestamp": iso(market.opens) if market.opens else None,
        "accepting_orders": not pit.closed,
        "active": True,
        "archived": False,
        "closed": pit.closed,
        "condition_id": market.id,
        "description": market.question,
        "enable_order_book": True,
        "end_date_iso": iso(market.closes) if market.closes else None,
        "fpmm": "",
        "game_start_time": None,
        "icon": "",
        "image": "",
        "is_50_50_outcome": False,
        "maker_base_fee": 0,
        "market_slug": market.slug,
        "minimum_order_size": shares(market.min_size),
        "minimum_tick_size": dollars(matching.tick(market.id)),
        "neg_risk": market.neg_risk,
        "neg_risk_market_id": "",
        "neg_risk_request_id": "",
        "notifications_enabled": True,
        "question": market.question,
        "question_id": market.id,
        "rewards": _rewards(market),
        "seconds_delay": 0,
        "tags": [],
        "taker_base_fee": 1000 if market.fees.rate else 0,
        "tokens": tokens,
    }


def _token(matching: "Matching", market: Market, token: str) -> dict[str, Any]:
    pit = matching.markets[market.id]
    payout = None if pit.payout is None else pit.payout if token == market.yes else ONE - pit.payout
    bid, ask = _touch(matching, token)
    price = dollars(payout) if payout is not None else (bid + ask) / 2 / ONE
    return {"outcome": shapes.outcome(market, token), "price": price, "token_id": token, "winner": payout == ONE}


def _touch(matching: "Matching", token: str) -> tuple[int, int]:
    bids, asks = matching.levels(token, Side.BUY), matching.levels(token, Side.SELL)
    return (bids[0][0] if bids else 0), (asks[0][0] if asks else ONE)


def _price(matching: "Matching", token: str, side: str) -> Any:
    bid, ask = _touch(matching, token)
    return {side: dollars(bid if side == "BUY" else ask)}


def _middle(matching: "Matching", token: str, side: str) -> Any:
    bid, ask = _touch(matching, token)
    return f"{(bid + ask) / 2 / ONE:.6f}".rstrip("0").rstrip(".")


def _spread(matching: "Matching", token: str, side: str) -> Any:
    bid, ask = _touch(matching, token)
    return price_text(ask - bid)


def _last(matching: "Matching", token: str, side: str) -> Any:
    market = matching.market_of(token)
    price = matching.last(market.id) if market is not None else ""
    return {"token_id": token, "price": price or "0.5", "side": "BUY" if price else ""}


Many = Callable[["Matching", str, str], Any]
_MANY: dict[str, Many] = {"/prices": _price, "/midpoints": _middle, "/spreads": _spread, "/last-trades-prices": _last}


def _of_many(matching: "Matching", ask: Ask, one: Many) -> Answer:
    try:
        asked = msgspec.json.decode(ask.body, type=list[dict[str, str]])
        wanted = [(row["token_id"], row.get("side", "BUY").upper()) for row in asked]
    except (msgspec.DecodeError, KeyError):
        return shapes.error(_BAD)
    if len(wanted) > TOKENS_MAX:
        return shapes.error(_BAD)
    known = [(token, side) for token, side in wanted if matching.market_of(token) is not None]
    if ask.path == "/last-trades-prices":
        return shapes.answer([one(matching, token, side) for token, side in known])
    if ask.path == "/prices":
        merged: dict[str, dict[str, float]] = {}
        for token, side in known:
            merged.setdefault(token, {}).update(one(matching, token, side))
        return shapes.answer(merged)
    return shapes.answer({token: one(matching, token, side) for token, side in known})


def _positions(matching: "Matching", ask: Ask) -> Answer | None:
    """Positions of a wallet, in the spelling of the first (camel case) or the second Data API."""
    wallet = query(ask).get("user", "").lower()
    held = list(_held(matching, wallet))
    if ask.path == "/data-api/positions":
        return shapes.answer([_first(matching, wallet, market, token, size) for market, token, size in held])
    if ask.path == "/data-api/v2/positions":
        rows = [_second(matching, wallet, market, token, size) for market, token, size in held]
        return shapes.answer({"data": rows, "pagination": {"limit": PAGE, "offset": 0, "has_more": False, "next_cursor": None}})
    return None


def _held(matching: "Matching", wallet: str) -> Iterable[tuple[Market, str, int]]:
    for token, size in matching.wallet(wallet).shares.items():
        market = matching.market_of(token)
        if market is not None:
            yield market, token, size


def _first(matching: "Matching", wallet: str, market: Market, token: str, size: int) -> dict[str, Any]:
    row = _token(matching, market, token)
    return {
        "proxyWallet": wallet,
        "asset": token,
        "conditionId": market.id,
        "size": shares(size),
        "curPrice": row["price"],
        "currentValue": row["price"] * shares(size),
        "title": market.question,
        "slug": market.slug,
        "outcome": row["outcome"],
        "redeemable": matching.markets[market.id].payout is not None,
        "mergeable": all(matching.shares(wallet, one) > 0 for one in (market.yes, market.no)),
    }


def _second(matching: "Matching", wallet: str, market: Market, token: str, size: int) -> dict[str, Any]:
    row = _first(matching, wallet, market, token, size)
    return {
        "proxy_wallet": wallet,
        "condition_id": market.id,
        "token_id": token,
        "outcome": row["outcome"],
        "title": market.question,
        "status": "open",
        "current_size": str(row["size"]),
        "current_value": str(row["currentValue"]),
        "redeemable": row["redeemable"],
        "mergeable": row["mergeable"],
    }
