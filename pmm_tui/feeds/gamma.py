"""One Gamma market object as facts: its terms, its result, and what targeting asks about it.

Gamma writes arrays as JSON strings and times in three spellings. What is missing or odd is refused by name.
"""

import math
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from pmm_tui.core.market import Fees, Market, Rewards
from pmm_tui.core.selection import Candidate
from pmm_tui.core.units import ONE, TICKS, Nanos, Price, Size, price_of, size_of

_CONDITION = re.compile(r"0x[0-9a-fA-F]{64}")
_TOKEN = re.compile(r"[0-9]{1,80}", re.ASCII)
_SERIES = re.compile(r"([a-z0-9]+)-updown-")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT_MAX = 400
_TOP = 1e15


class _FeeSchedule(Struct):
    rate: float
    exponent: float
    rebateRate: float = 0.0  # noqa: N815  the venue's spelling


class _Reward(Struct):
    rewardsDailyRate: float = 0.0  # noqa: N815  the venue's spelling


class _EventOf(Struct):
    slug: str = ""


class GammaMarket(Struct, rename="camel"):
    """The fields of a Gamma market object that the desk uses, with the types the venue sends (GET /markets/keyset)."""

    condition_id: str
    slug: str
    question: str
    outcomes: str | list[str]
    clob_token_ids: str | list[str]
    closed: bool
    active: bool = True
    archived: bool = False
    outcome_prices: str | list[str] | None = None
    order_price_min_tick_size: float | None = None
    order_min_size: float | None = None
    accepting_orders: bool | None = None
    enable_order_book: bool | None = None
    neg_risk: bool | None = None
    end_date: str | None = None
    start_date: str | None = None
    event_start_time: str | None = None
    game_start_time: str | None = None
    uma_resolution_status: str | None = None
    fees_enabled: bool | None = None
    fee_schedule: _FeeSchedule | None = None
    rewards_min_size: float | None = None
    rewards_max_spread: float | None = None
    clob_rewards: list[_Reward] | None = None
    events: list[_EventOf] | None = None
    version: str | None = None
    neg_risk_market_id: str | None = msgspec.field(default=None, name="negRiskMarketID")
    volume24hr: float | None = None
    best_bid: float | None = None
    best_ask: float | None = None


def read(said: Any) -> GammaMarket:
    """A Gamma object (decoded JSON, raw bytes, or already read) with its types checked; ValueError naming the field."""
    if isinstance(said, GammaMarket):
        return said
    try:
        if isinstance(said, bytes | str | msgspec.Raw):
            return msgspec.json.decode(said, type=GammaMarket)
        return msgspec.convert(said, GammaMarket)
    except (msgspec.DecodeError, RecursionError) as wrong:
        raise ValueError(f"Gamma market: {_printable(str(wrong))}") from None


def market_of(said: Any) -> Market:
    """The market that a Gamma object lists; ValueError naming the field where it is no binary market with an order book and known terms."""
    one = read(said)
    if not _CONDITION.fullmatch(one.condition_id):
        raise _odd("conditionId", one.condition_id, "0x and 64 hexadecimal digits")
    tokens = _pair("clobTokenIds", one.clob_token_ids)
    if not all(_TOKEN.fullmatch(token) for token in tokens) or tokens[0] == tokens[1]:
        raise _odd("clobTokenIds", tokens, "two different decimal token ids")
    outcomes = tuple(_printable(name) for name in _pair("outcomes", one.outcomes))
    if not all(outcomes) or outcomes[0] == outcomes[1]:
        raise _odd("outcomes", outcomes, "two different names")
    tick = price_of(_decimal("orderPriceMinTickSize", one.order_price_min_tick_size))
    if tick not in TICKS:
        raise _odd("orderPriceMinTickSize", one.order_price_min_tick_size, "0.1, 0.01, 0.005, 0.0025, 0.001 or 0.0001")
    if one.enable_order_book is False:
        raise _odd("enableOrderBook", False, "true: it has no order book")
    return Market(
        id=one.condition_id.lower(),
        slug=_printable(one.slug),
        question=_printable(one.question),
        yes=tokens[0],
        no=tokens[1],
        tick=tick,
        min_size=size_of(_decimal("orderMinSize", one.order_min_size)),
        outcomes=(outcomes[0], outcomes[1]),
        opens=_when("eventStartTime", one.event_start_time) or _when("startDate", one.start_date),
        closes=_when("endDate", one.end_date),
        cluster=_cluster(one),
        neg_risk=bool(one.neg_risk),
        protocol=3 if one.version == "v2" else 2,
        fees=_fees(one),
        rewards=_rewards(one),
    )


def payout_of(said: Any) -> Price | None:
    """What one share of the first outcome pays, once that is certain; None while it is not.

    Certain: closed, prices exactly 1/0 or 0/1, and no resolution still proposed or disputed. An even split needs the word "resolved" as
    well: a market that closed without a trade shows 0.5/0.5 before it has a result.
    """
    one = read(said)
    if not one.closed or one.outcome_prices is None or one.uma_resolution_status not in (None, "", "resolved"):
        return None
    try:
        yes, no = (price_of(text) for text in _pair("outcomePrices", one.outcome_prices))
    except ValueError:
        return None  # a price finer than the grid or out of range is a last trade, not a result
    if (yes, no) in ((ONE, 0), (0, ONE)):
        return yes
    return yes if yes == no == ONE // 2 and one.uma_resolution_status == "resolved" else None


def accepting(said: Any) -> bool:
    """Whether the venue says that it takes orders for the market now."""
    one = read(said)
    return one.active and not one.closed and not one.archived and one.accepting_orders is not False


def candidate_of(said: Any) -> Candidate:
    """The market with what targeting asks about it; ValueError as `market_of`. An empty or unnamed side is bid 0, ask ONE."""
    one = read(said)
    return Candidate(
        market=market_of(one),
        volume_24h_usd=math.nan if one.volume24hr is None else _number("volume24hr", one.volume24hr),
        bid=price_of(_decimal("bestBid", one.best_bid or 0.0)),
        ask=price_of(_decimal("bestAsk", 1.0 if one.best_ask is None else one.best_ask)),
        starts=_when("gameStartTime", one.game_start_time),
        accepting=accepting(one),
    )


def _odd(field: str, found: object, allowed: str) -> ValueError:
    return ValueError(f"Gamma {field}: found {_printable(repr(found))[:120]}; allowed: {allowed}")


def _printable(text: str) -> str:
    """Titles are written by strangers: control, format and other invisible characters never reach a terminal."""
    return "".join(mark for mark in text[:_TEXT_MAX] if unicodedata.category(mark)[0] != "C").strip()


def _pair(field: str, said: str | list[str]) -> tuple[str, str]:
    try:
        items = msgspec.json.decode(said, type=list[str]) if isinstance(said, str) else said
    except (msgspec.DecodeError, RecursionError):
        raise _odd(field, said, "a JSON array of two strings") from None
    if len(items) != 2:
        raise _odd(field, said, "exactly two outcomes")
    return items[0], items[1]


def _number(field: str, value: float) -> float:
    if not 0 <= value < _TOP:
        raise _odd(field, value, "a number that is not negative")
    return value


def _decimal(field: str, value: float | None) -> str:
    """A JSON number as the shortest decimal that means it, without an exponent."""
    if value is None:
        raise ValueError(f"Gamma {field}: missing")
    text = f"{_number(field, value):.10f}".rstrip("0").rstrip(".")
    if float(text) != value:
        raise _odd(field, value, "at most ten decimals")
    return text


def _when(field: str, text: str | None) -> Nanos:
    """Nanoseconds since the epoch; 0 where the venue names no time."""
    if not text:
        return Nanos(0)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _odd(field, text, "an ISO 8601 time") from None
    if moment.tzinfo is None:
        raise _odd(field, text, "a time with its zone")
    return Nanos(max(0, (moment - _EPOCH) // timedelta(microseconds=1) * 1000))


def _cluster(one: GammaMarket) -> str:
    series = _SERIES.match(one.slug)
    if series:
        return series[1].upper()
    if one.events and one.events[0].slug:
        return _printable(one.events[0].slug)
    return one.neg_risk_market_id or ""


def _fees(one: GammaMarket) -> Fees:
    """Gamma feeSchedule; makerBaseFee and takerBaseFee are caps of an older design, not the fee."""
    if not one.fees_enabled:
        return Fees()
    if one.fee_schedule is None:
        raise ValueError("Gamma feeSchedule: missing, and feesEnabled is true")
    said = one.fee_schedule
    for field, value, most in (("rate", said.rate, 1.0), ("exponent", said.exponent, 10.0), ("rebateRate", said.rebateRate, 1.0)):
        if not 0 <= value <= most:
            raise _odd(f"feeSchedule.{field}", value, f"0 to {most:g}")
    return Fees(rate=said.rate, exponent=said.exponent, rebate_share=said.rebateRate)


def _rewards(one: GammaMarket) -> Rewards:
    # 0.0: the integer 0 of an empty sum would come back from a journal as 0.0, and two equal desks would not hash alike
    daily = sum((_number("clobRewards.rewardsDailyRate", reward.rewardsDailyRate) for reward in one.clob_rewards or []), 0.0)
    return Rewards(
        max_spread_cents=_number("rewardsMaxSpread", one.rewards_max_spread or 0.0),
        min_size=Size(size_of(_decimal("rewardsMinSize", one.rewards_min_size or 0.0))),
        daily_usd=daily,
    )
