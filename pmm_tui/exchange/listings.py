"""The public endpoints that list: the CLOB's markets, and the Data API's positions."""

from collections.abc import Iterable
from typing import Any

from pmm_tui.core.market import Market
from pmm_tui.core.units import ONE, dollars, shares
from pmm_tui.exchange import shapes
from pmm_tui.exchange.gamma import iso
from pmm_tui.exchange.paging import page
from pmm_tui.exchange.public import NO_MARKET
from pmm_tui.exchange.rewards import rates
from pmm_tui.exchange.terms import Answer, Ask
from pmm_tui.exchange.view import View, query

POSITIONS_MAX = 500
_SIMPLE = ("condition_id", "rewards", "tokens", "active", "closed", "archived", "accepting_orders")


def answer(view: View, ask: Ask) -> Answer | None:
    """A listing; None where the path is none."""
    if ask.method != "GET":
        return None
    if ask.path.startswith("/data-api/"):
        return _positions(view, ask)
    if ask.path.startswith("/markets/"):
        market = view.market(ask.path.removeprefix("/markets/"))
        return shapes.error(NO_MARKET, 404) if market is None else shapes.answer(market_row(view, market))
    if ask.path in ("/markets", "/sampling-markets"):
        return page([market_row(view, one) for one in _listed(view, ask)], query(ask))
    if ask.path in ("/simplified-markets", "/sampling-simplified-markets"):
        rows = [market_row(view, one) for one in _listed(view, ask)]
        return page([{name: row[name] for name in _SIMPLE} for row in rows], query(ask))
    return None


def _listed(view: View, ask: Ask) -> list[Market]:
    """Every market, or those with liquidity rewards where only such are asked for."""
    sampled = "sampling" in ask.path
    pits = view.matching.markets.values()
    return [pit.market for pit in pits if not sampled or (pit.market.rewards.max_spread_cents and not pit.closed)]


def market_row(view: View, market: Market) -> dict[str, Any]:
    """A CLOB market object: numbers are JSON numbers here (GET /markets/{condition id})."""
    pit = view.matching.markets[market.id]
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
        "minimum_order_size": shapes.number(shares(market.min_size)),
        "minimum_tick_size": shapes.number(dollars(view.matching.tick(market.id))),
        "neg_risk": market.neg_risk,
        "neg_risk_market_id": "",
        "neg_risk_request_id": "",
        "notifications_enabled": True,
        "question": market.question,
        "question_id": market.id,
        "rewards": rates(market),
        "seconds_delay": 0,
        "tags": [],
        "taker_base_fee": 1000 if market.fees.rate else 0,
        "tokens": [token_row(view, market, token) for token in (market.yes, market.no)],
    }


def token_row(view: View, market: Market, token: str) -> dict[str, Any]:
    """One token of a market object: its price is the mid, or what it pays once that is known."""
    pit = view.matching.markets[market.id]
    payout = None if pit.payout is None else pit.payout if token == market.yes else ONE - pit.payout
    price = dollars(payout) if payout is not None else sum(view.touch(token)) / 2 / ONE
    return {"outcome": shapes.outcome(market, token), "price": shapes.number(price), "token_id": token, "winner": payout == ONE}


def _positions(view: View, ask: Ask) -> Answer | None:
    """Positions of a wallet, in the spelling of the first (camel case) or the second Data API."""
    asked = query(ask)
    wallet = asked.get("user", "").lower()
    try:
        limit, start = (max(0, int(asked.get(name, default))) for name, default in (("limit", "100"), ("offset", "0")))
    except ValueError:
        return shapes.error("invalid pagination")
    limit = min(limit, POSITIONS_MAX)
    held = list(_held(view, wallet))
    part = held[start : start + limit]
    if ask.path == "/data-api/positions":
        return shapes.answer([_first(view, wallet, market, token, size) for market, token, size in part])
    if ask.path == "/data-api/v2/positions":
        rows = [_second(view, wallet, market, token, size) for market, token, size in part]
        pages = {"limit": limit, "offset": start, "has_more": start + limit < len(held), "next_cursor": None}
        return shapes.answer({"data": rows, "pagination": pages})
    return None


def _held(view: View, wallet: str) -> Iterable[tuple[Market, str, int]]:
    for token, size in view.matching.wallet(wallet).shares.items():
        market = view.matching.market_of(token)
        if market is not None:
            yield market, token, size


def _first(view: View, wallet: str, market: Market, token: str, size: int) -> dict[str, Any]:
    row = token_row(view, market, token)
    return {
        "proxyWallet": wallet,
        "asset": token,
        "conditionId": market.id,
        "size": shapes.number(shares(size)),
        "currentValue": shapes.number(row["price"] * shares(size)),
        "curPrice": row["price"],
        "redeemable": view.matching.markets[market.id].payout is not None,
        "mergeable": all(view.matching.shares(wallet, one) > 0 for one in (market.yes, market.no)),
        "title": market.question,
        "slug": market.slug,
        "outcome": row["outcome"],
        "outcomeIndex": int(token == market.no),
        "oppositeOutcome": shapes.outcome(market, market.complement(token)),
        "oppositeAsset": market.complement(token),
        "negativeRisk": market.neg_risk,
    }


def _second(view: View, wallet: str, market: Market, token: str, size: int) -> dict[str, Any]:
    row = _first(view, wallet, market, token, size)
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
