"""Rewards and rebates: what markets offer to their makers, and what a maker has earned by the accrued samples."""

from datetime import UTC, date, datetime
from typing import Any

from pmm_tui.core.market import Market
from pmm_tui.core.units import ONE, SECOND, Nanos, shares
from pmm_tui.exchange import shapes
from pmm_tui.exchange.earnings import DAY_S
from pmm_tui.exchange.paging import page
from pmm_tui.exchange.terms import Answer, Ask
from pmm_tui.exchange.view import View, query

PUSD = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
USER_PAGE = 100
USER_PATHS = ("/rewards/user", "/rewards/user/total", "/rewards/user/percentages", "/rewards/user/markets")
_BAD_DATE = "invalid date"
_FAR = "2500-12-31"
"""The end of a reward that has none."""


def rates(market: Market) -> dict[str, Any]:
    """The `rewards` of a CLOB market object."""
    daily = [{"asset_address": PUSD, "rewards_daily_rate": shapes.number(market.rewards.daily_usd)}]
    return {
        "max_spread": shapes.number(market.rewards.max_spread_cents),
        "min_size": shapes.number(shares(market.rewards.min_size)),
        "rates": daily if market.rewards.daily_usd else None,
    }


def answer(view: View, ask: Ask, at: Nanos) -> Answer | None:
    """A public answer about rewards or rebates; None where the path is none."""
    if ask.method != "GET":
        return None
    offered = [pit.market for pit in view.matching.markets.values() if pit.market.rewards.max_spread_cents and not pit.closed]
    if ask.path == "/rewards/markets/current":
        return page([_current(one, number) for number, one in enumerate(offered, 1)], query(ask))
    if ask.path.startswith("/rewards/markets/"):
        name = ask.path.removeprefix("/rewards/markets/")
        return page([_market(view, one) for one in offered if one.id == name], query(ask))
    return _rebates(view, ask, at) if ask.path == "/rebates/current" else None


def _config(market: Market) -> dict[str, Any]:
    start = _day(market.opens // SECOND) if market.opens else "2024-01-01"
    daily = shapes.number(market.rewards.daily_usd)
    return {"asset_address": PUSD, "start_date": start, "end_date": _FAR, "rate_per_day": daily, "total_rewards": 0}


def _terms(market: Market) -> dict[str, Any]:
    return {
        "rewards_max_spread": shapes.number(market.rewards.max_spread_cents),
        "rewards_min_size": shapes.number(shares(market.rewards.min_size)),
    }


def _current(market: Market, number: int) -> dict[str, Any]:
    daily = shapes.number(market.rewards.daily_usd)
    config = {"id": number, **_config(market)}
    rates_ = {"sponsored_daily_rate": 0, "sponsors_count": 0, "native_daily_rate": daily, "total_daily_rate": daily}
    return {"condition_id": market.id, "rewards_config": [config], **_terms(market), **rates_}


def _tokens(view: View, market: Market) -> list[dict[str, Any]]:
    tokens = (market.yes, market.no)
    prices = [shapes.number(sum(view.touch(token)) / 2 / ONE) for token in tokens]
    return [{"token_id": one, "outcome": shapes.outcome(market, one), "price": price} for one, price in zip(tokens, prices, strict=True)]


def _words(market: Market) -> dict[str, Any]:
    return {"condition_id": market.id, "question": market.question, "market_slug": market.slug, "event_slug": market.slug, "image": ""}


def _market(view: View, market: Market) -> dict[str, Any]:
    scored = {"market_competitiveness": shapes.number(view.earnings.competition(market.id))}
    return {**_words(market), **_terms(market), **scored, "tokens": _tokens(view, market), "rewards_config": [_config(market)]}


def _rebates(view: View, ask: Ask, at: Nanos) -> Answer:
    asked = query(ask)
    wallet = asked.get("maker_address", "").lower()
    day = asked.get("date", _day(at // SECOND))
    paid = {name: view.matching.accrual.rebate(name, wallet) for name in view.matching.markets}
    said = {"date": day, "asset_address": PUSD, "maker_address": wallet}
    return shapes.answer(
        [said | {"condition_id": name, "rebated_fees_usdc": f"{cash / 1e6:.6f}"} for name, cash in paid.items() if cash]
    )


# --- what one account has earned ----------------------------------------------------------------------------------------------------------


def of_user(view: View, ask: Ask, wallets: set[str], at: Nanos) -> Answer:
    """One of USER_PATHS for the account whose wallets these are. `date` is a day of UTC, today where it is left out."""
    asked = query(ask)
    if ask.path == "/rewards/user/percentages":
        return shapes.answer({market: shapes.number(round(100 * share, 6)) for market, share in view.earnings.shares(wallets).items()})
    try:
        day = (date.fromisoformat(asked["date"]) - date(1970, 1, 1)).days if "date" in asked else at // (DAY_S * SECOND)
    except ValueError:
        return shapes.error(_BAD_DATE)
    when = f"{_day(day * DAY_S)}T00:00:00Z"
    earned = view.earnings.of(day, wallets)
    if ask.path == "/rewards/user/total":
        return shapes.answer(_total(when, earned))
    if ask.path == "/rewards/user/markets":
        rows = [_earned(view, market, pit.market, wallets, earned) for market, pit in view.matching.markets.items() if market in earned]
        return page(rows, asked, USER_PAGE)
    rows = [
        {"date": when, "condition_id": market, "asset_address": PUSD, "maker_address": wallet, "earnings": _usd(dollars), "asset_rate": 1}
        for market, (wallet, dollars) in earned.items()
    ]
    return page(rows, asked, USER_PAGE)


def _total(when: str, earned: dict[str, tuple[str, float]]) -> list[dict[str, Any]]:
    if not earned:
        return []
    wallet, _ = max(earned.values(), key=lambda one: one[1])
    dollars = _usd(sum(sum_ for _, sum_ in earned.values()))
    return [{"date": when, "asset_address": PUSD, "maker_address": wallet, "earnings": dollars, "asset_rate": 1}]


def _earned(view: View, name: str, market: Market, wallets: set[str], earned: dict[str, tuple[str, float]]) -> dict[str, Any]:
    wallet, dollars = earned[name]
    percent = shapes.number(round(100 * view.earnings.shares(wallets).get(name, 0.0), 6))
    gained = [{"asset_address": PUSD, "earnings": _usd(dollars), "asset_rate": 1}]
    return {**_market(view, market), "maker_address": wallet, "earning_percentage": percent, "earnings": gained}


def _usd(dollars: float) -> float | int:
    return shapes.number(round(dollars, 6))


def _day(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d")
