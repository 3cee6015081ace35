"""Gamma: markets and their events, by keyset and by offset."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from pmm_tui.core.market import Market
from pmm_tui.core.units import ONE, SECOND, Nanos, dollars, price_text, shares
from pmm_tui.exchange import shapes
from pmm_tui.exchange.terms import Answer, Ask
from pmm_tui.exchange.view import View

VOLUME = 250_000
"""Dollars a day, of every market: what a desk that chooses by volume asks for."""
_DEPRECATED = {"deprecation": "true", "sunset": "Fri, 01 May 2026"}
_PAGE, _PAGE_MAX = 20, 100


def answer(view: View, ask: Ask) -> Answer | None:
    """A listing of Gamma; None where the path is none."""
    path = ask.path.removeprefix("/gamma")
    if ask.method != "GET" or path == ask.path:
        return None
    kind, _, form = path.removeprefix("/").partition("/")
    if kind not in ("markets", "events"):
        return None
    if form in ("", "keyset"):
        return _list(view, ask, kind, form == "keyset")
    return _one(view, kind, form)


def _list(view: View, ask: Ask, kind: str, keyset: bool) -> Answer:
    asked = parse_qs(ask.query)
    names = {name for what in ("slug", "condition_ids", "clob_token_ids", "id") for name in asked.get(what, ())}
    closed = asked.get("closed", ["false"])[-1] == "true"
    try:
        limit = max(1, min(_PAGE_MAX, int(asked.get("limit", [str(_PAGE)])[-1])))
        start = max(0, int(asked.get("after_cursor", asked.get("offset", ["0"]))[-1]))
    except ValueError:
        return shapes.error("invalid pagination")
    pits = enumerate(view.matching.markets.values(), 1)
    listed = [(number, pit.market) for number, pit in pits if pit.closed is closed]
    found = [(n, one) for n, one in listed if not names or names & {one.slug, one.id, one.yes, one.no, str(n)}]
    written = _event if kind == "events" else _whole
    page = [written(view, number, one) for number, one in found[start : start + limit]]
    if not keyset:
        return shapes.answer(page, headers=_DEPRECATED | {"warning": f'299 - "use /{kind}/keyset"'})
    following = {"next_cursor": str(start + limit)} if start + limit < len(found) else {}
    return shapes.answer({kind: page, **following})


def _one(view: View, kind: str, form: str) -> Answer:
    """/markets/{id}, /markets/slug/{slug}, and the same of events; an event has the number and the slug of its one market."""
    name = form.removeprefix("slug/")
    for number, pit in enumerate(view.matching.markets.values(), 1):
        if name == (pit.market.slug if form.startswith("slug/") else str(number)):
            return shapes.answer((_event if kind == "events" else _whole)(view, number, pit.market))
    return shapes.answer({"type": "not found error", "error": "id not found"}, 404)


def iso(at: Nanos) -> str:
    """A time as Gamma and the CLOB write it."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _whole(view: View, number: int, market: Market) -> dict[str, Any]:
    """A market as the list of markets has it, with its event."""
    event = {"id": str(number), "ticker": market.slug, "slug": market.slug, "title": market.question, "description": market.question}
    return _market(view, number, market, {"events": [event]})


def _market(view: View, number: int, market: Market, events: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"id": str(number), "question": market.question, "conditionId": market.id, "slug": market.slug}
    pair = (f'["{market.outcomes[0]}", "{market.outcomes[1]}"]', f'["{market.yes}", "{market.no}"]')
    pit = view.matching.markets[market.id]
    mid, best = _touch(view, market)
    yes = pit.payout if pit.payout is not None else mid
    said |= {"endDate": iso(market.closes)} if market.closes else {}
    said |= {"description": market.question, "outcomes": pair[0], "outcomePrices": f'["{price_text(yes)}", "{price_text(ONE - yes)}"]'}
    said |= {"active": True, "closed": pit.closed, "archived": False, "enableOrderBook": True}
    said |= {"orderPriceMinTickSize": dollars(view.matching.tick(market.id)), "orderMinSize": shapes.number(shares(market.min_size))}
    said |= {"volumeNum": VOLUME, "liquidityNum": VOLUME} | ({"endDateIso": iso(market.closes)[:10]} if market.closes else {})
    said |= {"volume24hr": VOLUME, "clobTokenIds": pair[1]}
    cap = 1000 if market.fees.rate else 0
    said |= {"makerBaseFee": cap, "takerBaseFee": cap, "acceptingOrders": not pit.closed, "negRisk": market.neg_risk} | events
    said |= {"rewardsMinSize": shapes.number(shares(market.rewards.min_size))}
    said |= {"rewardsMaxSpread": shapes.number(market.rewards.max_spread_cents)}
    said |= {"clobRewards": [{"rewardsDailyRate": shapes.number(market.rewards.daily_usd)}]} if market.rewards.daily_usd else {}
    said |= best | {"umaResolutionStatuses": "[]"}
    said |= {"umaResolutionStatus": "resolved"} if pit.payout is not None else {}
    said |= {"eventStartTime": iso(market.opens)} if market.opens else {}
    fees = {"rate": market.fees.rate, "exponent": shapes.number(market.fees.exponent), "takerOnly": True}
    fees["rebateRate"] = market.fees.rebate_share
    said |= {"holdingRewardsEnabled": False, "feesEnabled": market.fees.rate > 0, "feeSchedule": fees}
    return said | ({"version": "v2"} if market.protocol == 3 else {})


def _event(view: View, number: int, market: Market) -> dict[str, Any]:
    """Every market is its own event."""
    pit = view.matching.markets[market.id]
    said: dict[str, Any] = {"id": str(number), "ticker": market.slug, "slug": market.slug, "title": market.question}
    said |= {"description": market.question} | ({"endDate": iso(market.closes)} if market.closes else {})
    said |= {"active": True, "closed": pit.closed, "archived": False, "liquidity": VOLUME, "volume": VOLUME, "volume24hr": VOLUME}
    said |= {"enableOrderBook": True, "negRisk": market.neg_risk, "markets": [_market(view, number, market, {})], "tags": []}
    said |= {"enableNegRisk": market.neg_risk}
    said |= {"startTime": iso(market.opens)} if market.opens else {}
    return said | {"negRiskAugmented": False}


def _touch(view: View, market: Market) -> tuple[int, dict[str, Any]]:
    """The mid of YES (half a dollar where the book has not two sides), and the touch as Gamma tells it."""
    bid, ask = view.touch(market.yes)
    if bid <= 0 or ask >= ONE:
        return ONE // 2, {}
    last = view.matching.markets[market.id].last
    traded = {"lastTradePrice": dollars(last)} if last else {}
    return (bid + ask) // 2, {"spread": dollars(ask - bid), **traded, "bestBid": dollars(bid), "bestAsk": dollars(ask)}
