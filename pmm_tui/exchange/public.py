"""The CLOB's endpoints that need no key: books, prices of one token and of many, their history, a market's terms, time, geoblock."""

from collections.abc import Callable
from typing import Any

import msgspec

from pmm_tui.core.market import Market
from pmm_tui.core.units import ONE, SECOND, Nanos, dollars, price_text, shares
from pmm_tui.exchange import shapes
from pmm_tui.exchange.gamma import iso
from pmm_tui.exchange.terms import Answer, Ask
from pmm_tui.exchange.view import View, query

NO_BOOK = "No orderbook exists for the requested token id"
NO_MARKET = "market not found"
BAD = "Invalid payload"
TOKENS_MAX = 500
HISTORIES_MAX = 20
_INTERVALS = {"1h": 3_600, "6h": 21_600, "1d": 86_400, "1w": 604_800, "1m": 2_592_000, "max": 10**12, "all": 10**12}
"""Seconds back from now; also the widest."""


def answer(view: View, ask: Ask, at: Nanos) -> Answer | None:
    """A public answer; None where the path is not a public one."""
    fixed: dict[str, Any] = {"/": {"version": 2}, "/version": {"version": 2}, "/ok": "OK", "/time": at // SECOND}
    fixed["/api/geoblock"] = {"blocked": False, "ip": ask.ip, "country": "IE", "region": "L"}
    if ask.method == "GET" and ask.path in fixed:
        return shapes.answer(fixed[ask.path])
    if ask.method in ("GET", "POST") and ask.path in _MANY:
        return _of_many(view, ask, at)
    if ask.path == "/batch-prices-history" and ask.method == "POST":
        return _histories(view, ask, at)
    if ask.method != "GET":
        return None
    if ask.path == "/prices-history":
        return _history(view, query(ask), at)
    if ask.path.startswith("/clob-markets/"):
        market = view.market(ask.path.removeprefix("/clob-markets/"))
        return shapes.error(NO_MARKET, 404) if market is None else shapes.answer(_terms(view, market))
    if ask.path.startswith("/markets-by-token/"):
        market = view.matching.market_of(ask.path.removeprefix("/markets-by-token/"))
        if market is None:
            return shapes.error(NO_MARKET, 404)
        return shapes.answer({"condition_id": market.id, "primary_token_id": market.yes, "secondary_token_id": market.no})
    return _of_token(view, ask, at)


# --- one token ----------------------------------------------------------------------------------------------------------------------------


def _of_token(view: View, ask: Ask, at: Nanos) -> Answer | None:
    paths = ("/book", "/price", "/midpoint", "/spread", "/last-trade-price", "/tick-size", "/neg-risk", "/fee-rate")
    path, _, inner = ask.path.rpartition("/")
    if ask.path in paths:
        path, inner = ask.path, query(ask).get("token_id", "")
    if path not in paths:
        return None
    market = view.matching.market_of(inner)
    if not inner.isdigit():
        return shapes.error("Invalid token id")
    if market is None:
        return shapes.error(NO_BOOK, 404)
    if path == "/book":
        said = shapes.answer(shapes.book(view.matching, market, inner, at))
        return msgspec.structs.replace(said, body=said.body + b"\n")  # every recorded one ends so
    side = query(ask).get("side", "BUY").upper()
    price, last_side = view.last(market.id)
    told: dict[str, Callable[[], Any]] = {
        "/price": lambda: {"price": price_text(view.price(inner, side))},
        "/midpoint": lambda: {"mid": _middle(view, inner)},
        "/spread": lambda: {"spread": _spread(view, inner)},
        "/last-trade-price": lambda: {"price": price, "side": last_side},
        "/tick-size": lambda: {"minimum_tick_size": shapes.number(dollars(view.matching.tick(market.id)))},
        "/neg-risk": lambda: {"neg_risk": market.neg_risk},
        "/fee-rate": lambda: {"base_fee": 1000 if market.fees.rate else 0},
    }
    return shapes.answer(told[path]())


def _middle(view: View, token: str) -> str:
    return f"{sum(view.touch(token)) / 2 / ONE:.6f}".rstrip("0").rstrip(".")


def _spread(view: View, token: str) -> str:
    bid, ask = view.touch(token)
    return price_text(ask - bid)


# --- many tokens --------------------------------------------------------------------------------------------------------------------------

_MANY = ("/books", "/prices", "/midpoints", "/spreads", "/last-trades-prices")


def _wanted(ask: Ask) -> list[tuple[str, str]] | None:
    """The tokens asked for with their sides (empty: both); None where the request is odd or asks for too many."""
    if ask.method == "GET":
        asked = query(ask)
        tokens = [token for token in asked.get("token_ids", "").split(",") if token]
        sides = [side for side in asked.get("sides", "").upper().split(",") if side] or [""] * len(tokens)
        wanted = list(zip(tokens, sides, strict=False)) if len(sides) == len(tokens) else []
    else:
        try:
            rows = msgspec.json.decode(ask.body, type=list[dict[str, str]])
            wanted = [(row["token_id"], row.get("side", "").upper()) for row in rows]
        except (msgspec.DecodeError, KeyError, RecursionError):
            return None
        if not rows:
            return []
    return wanted if 0 < len(wanted) <= TOKENS_MAX else None


def _of_many(view: View, ask: Ask, at: Nanos) -> Answer:
    wanted = _wanted(ask)
    if wanted is None:
        return shapes.error(BAD)
    known = {token: market for token, _ in wanted if (market := view.matching.market_of(token)) is not None}
    if ask.path == "/books":
        return shapes.answer([shapes.book(view.matching, market, token, at) for token, market in known.items()])
    if ask.path == "/last-trades-prices":
        lasts = [(token, *view.last(market.id)) for token, market in known.items()]
        return shapes.answer([{"token_id": token, "price": price, "side": side} for token, price, side in lasts])
    if ask.path == "/prices":
        priced: dict[str, dict[str, Any]] = {}
        for token, side in wanted:
            for one in (side,) if side else ("BUY", "SELL"):
                if token in known:
                    price = view.price(token, one)
                    priced.setdefault(token, {})[one] = shapes.number(dollars(price)) if view.habits.number_prices else price_text(price)
        return shapes.answer(priced)
    one_of = _middle if ask.path == "/midpoints" else _spread
    return shapes.answer({token: one_of(view, token) for token in known})


# --- history ------------------------------------------------------------------------------------------------------------------------------


def _history(view: View, asked: dict[str, str], at: Nanos) -> Answer:
    """GET /prices-history: mids by minute, of a token id (named `market`) and either a span or an interval back from now."""
    points = _points(view, asked.get("market", ""), asked, at)
    return shapes.error(points) if isinstance(points, str) else shapes.answer({"history": points})


def _histories(view: View, ask: Ask, at: Nanos) -> Answer:
    """POST /batch-prices-history: the same of several tokens, by token."""
    try:
        said = msgspec.json.decode(ask.body, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return shapes.error(BAD)
    tokens = said.get("markets")
    if not isinstance(tokens, list) or not 0 < len(tokens) <= HISTORIES_MAX:
        return shapes.error(BAD)
    names = {"start_ts": "startTs", "end_ts": "endTs", "interval": "interval", "fidelity": "fidelity"}
    asked = {new: str(said[old]) for old, new in names.items() if old in said}
    found = {str(token): _points(view, str(token), asked, at) for token in tokens}
    wrong = next((points for points in found.values() if isinstance(points, str)), None)
    return shapes.error(wrong) if wrong is not None else shapes.answer({"history": found})


def _points(view: View, token: str, asked: dict[str, str], at: Nanos) -> list[dict[str, float]] | str:
    """A token's history; why not, as a text."""
    now_s = at // SECOND
    interval = asked.get("interval", "" if "startTs" in asked or "endTs" in asked else "max")
    if interval not in ("", *_INTERVALS):
        return "invalid interval"
    try:
        start = int(asked.get("startTs", now_s - _INTERVALS[interval] if interval else 0))
        end, fidelity = int(asked.get("endTs", now_s)), int(asked.get("fidelity", "1"))
    except ValueError:
        return "invalid params"
    if fidelity < 1 or start > end:
        return "invalid params"
    market = view.matching.market_of(token)
    return [] if market is None else view.boards.history.of(market.id, token == market.yes, start, end, fidelity * 60)


def _terms(view: View, market: Market) -> dict[str, Any]:
    """Keys and their order as answers of 2026-09 had them, which leave out what is false or not there (the page tells all of them)."""
    cap, terms = 1000 if market.fees.rate else 0, market.rewards
    rewards: dict[str, Any] = {}
    if terms.min_size or terms.max_spread_cents:
        rewards = {"mi": shapes.number(shares(terms.min_size)), "ma": shapes.number(terms.max_spread_cents)}
        rewards |= {"e": True} if terms.daily_usd else {}
    tokens = [{"t": market.yes, "o": market.outcomes[0]}, {"t": market.no, "o": market.outcomes[1]}]
    tick = shapes.number(dollars(view.matching.tick(market.id)))
    said = {"r": rewards, "t": tokens, "c": market.id, "mos": shapes.number(shares(market.min_size)), "mts": tick, "mbf": cap, "tbf": cap}
    said |= {"itode": True} if view.habits.taker_hold_ms else {}
    said |= {"ao": True} if not view.matching.markets[market.id].closed else {}
    said |= {"nr": True} if market.neg_risk else {}
    said |= {"cbos": True} | ({"aot": iso(market.opens)} if market.opens else {}) | {"ibce": True}
    fees = {"r": shapes.number(market.fees.rate), "e": shapes.number(market.fees.exponent), "to": True}
    return said | ({"fd": fees} if market.fees.rate else {}) | {"v": "v2" if market.protocol == 3 else "v1"}
