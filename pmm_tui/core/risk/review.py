"""The reviewers of wishes, in order: guards, caps, resolution, kill. They hold or shrink a wish, they make none, and none disappears."""

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct

from pmm_tui.core.market import Side
from pmm_tui.core.quoting.quote import Quote
from pmm_tui.core.units import ONE, Cash, Nanos, Size, floor_lot, pays
from pmm_tui.core.view import View


class RiskKnobs(Struct, frozen=True):
    """Limits and guards."""

    stale_after_s: Annotated[
        float, Meta(ge=0.5, le=3600, description="pull quotes when a market was not heard of for this long, seconds")
    ] = 10.0
    crossed_after_ms: Annotated[
        int, Meta(ge=0, le=60_000, description="resync a book that stays crossed for this long, milliseconds; quotes are pulled at once")
    ] = 500
    astray_after_ms: Annotated[
        int, Meta(ge=0, le=60_000, description="resync a book whose touch differs from the one the venue tells for this long, milliseconds")
    ] = 1_000
    hash_streak_max: Annotated[int, Meta(ge=1, le=1000, description="this many wrong book hashes in a row stop quoting and resync")] = 8
    warm_up_s: Annotated[float, Meta(ge=0, le=3600, description="watch a market for this long before the first quote, seconds")] = 2.0
    max_market_pct: Annotated[
        float, Meta(gt=0, le=100, description="capital committed to one market at the worst, percent of the equity")
    ] = 100.0
    max_cluster_pct: Annotated[
        float, Meta(gt=0, le=100, description="capital committed to markets with one driver at the worst, percent of the equity")
    ] = 100.0
    max_total_pct: Annotated[float, Meta(gt=0, le=100, description="capital committed in all at the worst, percent of the equity")] = 100.0
    max_open_orders: Annotated[int, Meta(ge=1, le=10_000, description="live orders in all")] = 200
    failed_trades_max: Annotated[
        int, Meta(ge=0, le=1000, description="more trades than this undone by the chain within ten minutes kill")
    ] = 2
    failed_hold_s: Annotated[
        float, Meta(ge=0, le=3600, description="no quotes in a market for this long after a trade of ours failed on chain, seconds")
    ] = 60.0
    stop_before_close_s: Annotated[float, Meta(ge=0, le=86_400, description="stop quoting this long before a market ends, seconds")] = 30.0
    min_price: Annotated[
        float, Meta(ge=0, lt=0.5, description="no quotes while the mid is below this, or above one minus this, dollars")
    ] = 0.03


class Standing(Struct):
    """What reviewers know beside the view: why the market or the desk may not quote, and what capital is committed at the worst."""

    hold: str = ""
    """A guard's reason, worked out when the facts came in; empty when all is well."""
    killed: str = ""
    market_usd: Cash = Cash(0)
    cluster_usd: Cash = Cash(0)
    total_usd: Cash = Cash(0)
    orders: int = 0
    """Live orders of the other markets."""


Reviewer = Callable[[list[Quote], View, Standing, RiskKnobs], list[Quote]]


def held(quote: Quote, why: str) -> Quote:
    """The same wish, withheld; the first reason stays."""
    if quote.held:
        return quote
    return Quote(quote.strategy, quote.token, quote.side, quote.price, quote.size, quote.level, quote.kind, why)


def _sized(quote: Quote, size: Size) -> Quote:
    return Quote(quote.strategy, quote.token, quote.side, quote.price, size, quote.level, quote.kind, quote.held)


def hold_all(quotes: list[Quote], why: str) -> list[Quote]:
    """Withhold every wish for one reason."""
    return [held(quote, why) for quote in quotes]


def guards(quotes: list[Quote], view: View, standing: Standing, knobs: RiskKnobs) -> list[Quote]:
    """Data and operator guards: stale, crossed, feed lost, warming up, paused, account mismatch. Their reason stands in `standing.hold`."""
    return hold_all(quotes, standing.hold) if standing.hold else quotes


def caps(quotes: list[Quote], view: View, standing: Standing, knobs: RiskKnobs) -> list[Quote]:
    """Capital and order-count caps, in the order of the ladder: what does not fit is shrunk to what does, or held.

    `standing` holds what is committed without this market's replaceable orders, so that a requote is not counted twice.
    """
    equity = max(0, view.equity)
    free = min(
        equity * knobs.max_market_pct / 100 - standing.market_usd,
        equity * knobs.max_cluster_pct / 100 - standing.cluster_usd,
        equity * knobs.max_total_pct / 100 - standing.total_usd,
    )
    count = standing.orders
    reviewed = []
    for quote in quotes:
        if quote.held:
            reviewed.append(quote)
            continue
        if count >= knobs.max_open_orders:
            reviewed.append(held(quote, f"{knobs.max_open_orders} open orders"))
            continue
        if quote.side is Side.BUY:
            price = int(quote.price)
            needs = pays(price, quote.size)
            if needs > free:
                size = floor_lot(Size(max(0, int(free)) * ONE // price))
                if size < view.market.min_size:
                    reviewed.append(held(quote, "capital cap"))
                    continue
                quote = _sized(quote, size)
                needs = pays(price, size)
            free -= needs
        count += 1
        reviewed.append(quote)
    return reviewed


def resolution(quotes: list[Quote], view: View, standing: Standing, knobs: RiskKnobs) -> list[Quote]:
    """The end of the market: too near in time, or already decided in price."""
    if view.seconds_left <= knobs.stop_before_close_s:
        return hold_all(quotes, f"ends in {max(0.0, view.seconds_left):.0f} s")
    middle = (view.bid + view.ask) / 2
    edge = knobs.min_price * ONE
    if middle < edge or middle > ONE - edge:
        return hold_all(quotes, f"price beyond {knobs.min_price * 100:g}¢ or {100 - knobs.min_price * 100:g}¢")
    return quotes


def kill(quotes: list[Quote], view: View, standing: Standing, knobs: RiskKnobs) -> list[Quote]:
    """The kill switch: nothing passes."""
    return hold_all(quotes, standing.killed) if standing.killed else quotes


REVIEW: tuple[Reviewer, ...] = (guards, caps, resolution, kill)


def stale(seen_at: Nanos, now: Nanos, knobs: RiskKnobs) -> bool:
    """Whether a market was not heard of for too long."""
    return now - seen_at > knobs.stale_after_s * 1e9
