"""Which markets deserve quotes: the targeting criteria as a pure function over what discovery found."""

import math
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct

from pmm_tui.core.market import Market
from pmm_tui.core.units import ONE, Nanos, Price, dollars, price_text

_DAY_NS = 86_400 * 10**9
_EVENT_OVER_NS = 7 * _DAY_NS
"""A start longer ago than this does not decide a market that still trades."""
_RESTART = {"restart": True}


class TargetingKnobs(Struct, frozen=True):
    """What a market must offer before the desk chooses it by itself. Markets that a profile names are never judged by these."""

    target_volume_24h_usd_min: Annotated[
        float, Meta(ge=0, le=1e12, description="traded in the last 24 hours, more than this, dollars", extra=_RESTART)
    ] = 100_000.0
    target_spread_pct_max: Annotated[
        float, Meta(gt=0, le=100, description="best ask minus best bid, less than this, percent of a dollar", extra=_RESTART)
    ] = 5.0
    target_days_to_end_min: Annotated[
        float, Meta(ge=0, le=3650, description="the market ends later than this, days from now; 0 also admits no named end", extra=_RESTART)
    ] = 30.0
    target_mid_distance_max: Annotated[
        float, Meta(ge=0, le=0.5, description="distance of the mid from 0.50, at most this, dollars", extra=_RESTART)
    ] = 0.20
    target_days_to_event_min: Annotated[
        float,
        Meta(
            ge=0, le=3650, description="the one event (a game) that decides a market starts later than this, days from now", extra=_RESTART
        ),
    ] = 30.0
    target_markets_max: Annotated[int, Meta(ge=1, le=500, description="quote at most this many markets of those found", extra=_RESTART)] = 1
    target_per_cluster_max: Annotated[
        int, Meta(ge=1, le=500, description="of the markets that one driver decides, at most this many: they are one bet", extra=_RESTART)
    ] = 1


class Candidate(Struct, frozen=True):
    """A market as discovery sees it, with what targeting asks for. bid 0 and ask ONE mean an empty side."""

    market: Market
    volume_24h_usd: float = math.nan
    """Dollars; NaN where the venue did not say."""
    bid: Price = Price(0)
    ask: Price = ONE
    starts: Nanos = Nanos(0)
    """When the one event that decides it starts; 0 where no such event is named."""
    accepting: bool = True
    """The venue takes orders for it now."""


def why_not(candidate: Candidate, now: Nanos, knobs: TargetingKnobs) -> str:
    """The first criterion that a market fails, in words; empty where it passes them all. What is unknown fails."""
    if not candidate.accepting:
        return "takes no orders"
    if not candidate.volume_24h_usd > knobs.target_volume_24h_usd_min:
        return f"24 h volume ${candidate.volume_24h_usd:,.0f} is not above ${knobs.target_volume_24h_usd_min:,.0f}"
    if candidate.bid <= 0 or candidate.ask >= ONE or candidate.bid >= candidate.ask:
        return "no two-sided book"
    spread = candidate.ask - candidate.bid
    if not dollars(spread) * 100 < knobs.target_spread_pct_max:
        return f"spread {price_text(spread)} is not below {knobs.target_spread_pct_max:g} %"
    mid = dollars(candidate.bid + candidate.ask) / 2
    # The venue's grid is 0.0001: half of it is far below any distance that matters, and far above float noise.
    if abs(mid - 0.5) > knobs.target_mid_distance_max + 1e-9:
        return f"mid {mid:.4g} is further than {knobs.target_mid_distance_max:g} from 0.50"
    return _too_soon(candidate, now, knobs)


def _too_soon(candidate: Candidate, now: Nanos, knobs: TargetingKnobs) -> str:
    closes, least = candidate.market.closes, knobs.target_days_to_end_min
    if not closes and least > 0:
        return "names no end"
    if closes and closes - now <= least * _DAY_NS:
        return f"ends in {max(0.0, (closes - now) / _DAY_NS):.1f} days, not more than {least:g}"
    away = candidate.starts - now
    if candidate.starts and -_EVENT_OVER_NS < away <= knobs.target_days_to_event_min * _DAY_NS:
        return f"one event decides it, {max(0.0, away / _DAY_NS):.1f} days away"
    return ""


def choose(candidates: Iterable[Candidate], now: Nanos, knobs: TargetingKnobs, taken: Iterable[Market] = ()) -> list[Market]:
    """New markets to quote, most traded first, so that with those already `taken` no limit is passed."""
    taken = tuple(taken)
    known = {market.id for market in taken}
    clusters = [market.cluster for market in taken if market.cluster]
    room = knobs.target_markets_max - len(taken)
    fit = [one for one in candidates if one.market.id not in known and not why_not(one, now, knobs)]
    chosen: dict[str, Market] = {}
    for one in sorted(fit, key=lambda one: (-one.volume_24h_usd, one.market.id)):
        if len(chosen) >= room:
            break
        cluster = one.market.cluster
        if one.market.id in chosen or (cluster and clusters.count(cluster) >= knobs.target_per_cluster_max):
            continue
        chosen[one.market.id] = one.market
        clusters.append(cluster)
    return list(chosen.values())
