"""The endpoints that need no key: the CLOB's market data, Gamma's keyset page, geoblock, version and time."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import ONE, SECOND, Nanos, dollars, price_text, shares
from pmm_tui.exchange import shapes
from pmm_tui.exchange.terms import Answer, Ask

if TYPE_CHECKING:
    from pmm_tui.exchange.matching import Matching

VOLUME = 250_000.0
"""Dollars a day, of every market: what a desk that chooses by volume asks for."""
NO_BOOK = "No orderbook exists for the requested token id"


def query(ask: Ask) -> dict[str, str]:
    """The query's last value of each name."""
    return {name: values[-1] for name, values in parse_qs(ask.query).items()}


def answer(matching: "Matching", ask: Ask, at: Nanos) -> Answer | None:
    """A public answer; None where the path is not a public one."""
    fixed: dict[str, Any] = {"/": {"version": 2}, "/version": {"version": 2}, "/ok": "OK", "/time": at // SECOND}
    fixed["/api/geoblock"] = {"blocked": False, "ip": ask.ip, "country": "IE", "region": "L"}
    if ask.method == "GET" and ask.path in fixed:
        return shapes.answer(fixed[ask.path])
    if ask.method == "POST" and ask.path == "/books":
        return _books(matching, ask, at)
    if ask.method != "GET":
        return None
    if ask.path in ("/gamma/markets/keyset", "/gamma/markets"):
        return _gamma(matching, ask, at)
    if ask.path.startswith("/clob-markets/"):
        market = _by_condition(matching, ask.path.removeprefix("/clob-markets/"))
        return shapes.error("market not found", 404) if market is None else shapes.answer(_terms(matching, market))
    if ask.path.startswith("/markets-by-token/"):
        market = matching.market_of(ask.path.removeprefix("/markets-by-token/"))
        if market is None:
            return shapes.error("market not found", 404)
        return shapes.answer({"condition_id": market.id, "primary_token_id": market.yes, "secondary_token_id": market.no})
    return _of_token(matching, ask, at)


def _by_condition(matching: "Matching", condition: str) -> Market | None:
    state = matching.markets.get(condition)
    return None if state is None else state.market


def _of_token(matching: "Matching", ask: Ask, at: Nanos) -> Answer | None:
    paths = ("/book", "/price", "/midpoint", "/spread", "/last-trade-price", "/tick-size", "/neg-risk", "/fee-rate")
    path, _, inner = ask.path.rpartition("/")
    if ask.path in paths:
        path, inner = ask.path, query(ask).get("token_id", "")
    if path not in paths:
        return None
    market = matching.market_of(inner)
    if not inner.isdigit():
        return shapes.error("Invalid token id")
    if market is None:
        return shapes.error(NO_BOOK, 404)
    bids, asks = matching.levels(inner, Side.BUY), matching.levels(inner, Side.SELL)
    bid, ask_price = (bids[0][0] if bids else 0), (asks[0][0] if asks else ONE)
    last = matching.last(market.id)
    side = query(ask).get("side", "BUY").upper()
    said: dict[str, Callable[[], Any]] = {
        "/book": lambda: shapes.book(matching, market, inner, at),
        "/price": lambda: {"price": price_text(bid if side == "BUY" else ask_price)},
        "/midpoint": lambda: {"mid": f"{(bid + ask_price) / 2 / ONE:.6f}".rstrip("0").rstrip(".")},
        "/spread": lambda: {"spread": price_text(ask_price - bid)},
        "/last-trade-price": lambda: {"price": last or "0.5", "side": ""},
        "/tick-size": lambda: {"minimum_tick_size": dollars(matching.tick(market.id))},
        "/neg-risk": lambda: {"neg_risk": market.neg_risk},
        "/fee-rate": lambda: {"base_fee": 1000 if market.fees.rate else 0},
    }
    return shapes.answer(said[path]())


def _books(matching: "Matching", ask: Ask, at: Nanos) -> Answer:
    try:
        tokens = [one["token_id"] for one in msgspec.json.decode(ask.body, type=list[dict[str, str]])]
    except (msgspec.DecodeError, KeyError):
        return shapes.error("Invalid payload")
    known = [(token, market) for token in tokens if (market := matching.market_of(token)) is not None]
    return shapes.answer([shapes.book(matching, market, token, at) for token, market in known])


def _terms(matching: "Matching", market: Market) -> dict[str, Any]:
    cap = 1000 if market.fees.rate else 0
    tokens = [{"t": market.yes, "o": market.outcomes[0]}, {"t": market.no, "o": market.outcomes[1]}]
    said: dict[str, Any] = {"gst": None, "r": None, "t": tokens, "mos": shares(market.min_size), "mts": dollars(matching.tick(market.id))}
    said |= {"mbf": cap, "tbf": cap, "rfqe": False, "itode": False, "ibce": False}
    said |= {"fd": {"r": market.fees.rate, "e": market.fees.exponent, "to": True}, "oas": 0}
    return said | ({"nr": True} if market.neg_risk else {})


def iso(at: Nanos) -> str:
    """A time as Gamma and the CLOB write it."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _gamma_market(matching: "Matching", number: int, market: Market) -> dict[str, Any]:
    said: dict[str, Any] = {"id": str(number), "slug": market.slug, "question": market.question, "conditionId": market.id}
    pair = (f'["{market.outcomes[0]}", "{market.outcomes[1]}"]', f'["{market.yes}", "{market.no}"]')
    pit = matching.markets[market.id]
    mid, best = _touch(matching, market)
    yes = pit.payout if pit.payout is not None else mid
    prices = f'["{price_text(yes)}", "{price_text(ONE - yes)}"]'
    said |= {"outcomes": pair[0], "outcomePrices": prices, "clobTokenIds": pair[1], "active": True, "closed": pit.closed}
    said |= {"archived": False, "acceptingOrders": not pit.closed, "enableOrderBook": True, "negRisk": market.neg_risk}
    said |= best | {"volume24hr": VOLUME, "liquidityNum": VOLUME}
    said |= {"umaResolutionStatus": "resolved"} if pit.payout is not None else {}
    said |= {"endDate": iso(market.closes)} if market.closes else {}
    said |= {"eventStartTime": iso(market.opens)} if market.opens else {}
    said |= {"orderMinSize": shares(market.min_size), "orderPriceMinTickSize": dollars(matching.tick(market.id))}
    said |= {"rewardsMinSize": shares(market.rewards.min_size), "rewardsMaxSpread": market.rewards.max_spread_cents}
    fees = {"rate": market.fees.rate, "exponent": market.fees.exponent, "takerOnly": True, "rebateRate": market.fees.rebate_share}
    said |= {"feesEnabled": market.fees.rate > 0, "feeSchedule": fees}
    return said | ({"version": "v2"} if market.protocol == 3 else {})


def _touch(matching: "Matching", market: Market) -> tuple[int, dict[str, Any]]:
    """The mid of YES (half a dollar where the book has not two sides), and the touch as Gamma tells it."""
    bids, asks = matching.levels(market.yes, Side.BUY), matching.levels(market.yes, Side.SELL)
    if not bids or not asks:
        return ONE // 2, {}
    bid, ask = bids[0][0], asks[0][0]
    return (bid + ask) // 2, {"bestBid": dollars(bid), "bestAsk": dollars(ask), "spread": dollars(ask - bid)}


def _gamma(matching: "Matching", ask: Ask, at: Nanos) -> Answer:
    asked = parse_qs(ask.query)
    names = {name for what in ("slug", "condition_ids", "clob_token_ids") for name in asked.get(what, ())}
    closed = asked.get("closed", ["false"])[-1] == "true"
    try:
        limit = max(1, min(100, int(asked.get("limit", ["20"])[-1])))
        start = max(0, int(asked.get("after_cursor", asked.get("offset", ["0"]))[-1]))
    except ValueError:
        return shapes.error("invalid pagination")
    listed = [(n, pit.market) for n, pit in enumerate(matching.markets.values(), 1) if pit.closed is closed]
    found = [(n, one) for n, one in listed if not names or names & {one.slug, one.id, one.yes, one.no}]
    page = [_gamma_market(matching, n, one) for n, one in found[start : start + limit]]
    if ask.path == "/gamma/markets":
        return shapes.answer(page, headers={"deprecation": "true", "sunset": "Fri, 01 May 2026"})
    following = {"next_cursor": str(start + limit)} if start + limit < len(found) else {}
    return shapes.answer({"markets": page, **following})
