"""The ordered list of shapers that turn a strategy's wishes into orders the venue can take: skew, widen, size, route, place.

A shaper never widens risk: sizes only shrink (two wishes at one price become one) and a wish that is held stays held. Before `place` a
price is a float dollar; after it every price is an integer on the grid, in the wish's own token's terms.
"""

from collections.abc import Callable
from math import ceil, floor, inf, sqrt
from typing import Annotated

from msgspec import Meta, Struct

from pmm_tui.core.market import Kind, Side
from pmm_tui.core.quoting.centre import linear_skew
from pmm_tui.core.quoting.quote import Quote
from pmm_tui.core.units import ONE, Price, Size, ceil_tick, dollars, floor_lot, floor_tick, shares, to_size
from pmm_tui.core.view import View

STRETCH = 2.0
"""An order below the venue's minimum for want of balance takes the minimum where that is within this many times the balance fraction."""

_MINUTE_ROOT = sqrt(60.0)
_GUARD = 1e-9
"""Of a tick: what a float may miss the grid by and still be on it."""


class ShapeKnobs(Struct, frozen=True):
    """From wishes to orders."""

    skew_eta: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="extra skew: all quotes move by -(position / max_position_size) x this x sigma per root minute; 0: none, as the "
            "centre is already skewed",
        ),
    ] = 0.0
    widen_last_s: Annotated[
        float, Meta(ge=0, le=86_400, description="quotes move apart during this long before the market ends, seconds")
    ] = 60.0
    widen_last_ticks: Annotated[
        float, Meta(ge=0, le=1_000, description="by how much each at the very end, ticks; it grows evenly from 0")
    ] = 2.0
    max_position_size: Annotated[float, Meta(gt=0, le=1e9, description="largest net position of one market either way, shares")] = 500.0
    max_balance_fraction_per_order: Annotated[
        float, Meta(gt=0, le=1, description="what one order may cost, as a part of the equity; selling what is held costs nothing")
    ] = 0.05
    bid_suppress_when_saturated: Annotated[
        bool, Meta(description="no bids while the net position is at max_position_size, and no asks while it is there on the NO side")
    ] = True
    shrink_to_position_limit: Annotated[
        bool, Meta(description="shrink quotes so that the position stays within max_position_size should all of a side fill")
    ] = True
    asks_only_against_inventory: Annotated[
        bool, Meta(description="ask only for shares that are held: no ask opens a NO position, not even by complement_routing")
    ] = False
    complement_routing: Annotated[
        bool,
        Meta(description="what an ask lacks in shares becomes a buy of the complement at 1 - p; a bid first sells the complement held"),
    ] = True


Shaper = Callable[[list[Quote], View, ShapeKnobs], list[Quote]]


def skew(quotes: list[Quote], view: View, knobs: ShapeKnobs) -> list[Quote]:
    """Move all quotes against the inventory by the product rule, where that is switched on."""
    if not knobs.skew_eta or not view.net:
        return quotes
    shift = linear_skew(shares(view.net), knobs.max_position_size, knobs.skew_eta, view.sigma * _MINUTE_ROOT)
    yes = view.market.yes
    return [_moved(quote, shift if quote.token == yes else -shift) for quote in quotes]


def widen(quotes: list[Quote], view: View, knobs: ShapeKnobs) -> list[Quote]:
    """Move bids down and asks up as the market's end comes near: the last minute of a binary decides most of its price."""
    left = view.seconds_left
    if left >= knobs.widen_last_s or not knobs.widen_last_ticks:
        return quotes
    extra = dollars(view.tick) * knobs.widen_last_ticks * (1.0 - max(0.0, left) / knobs.widen_last_s)
    return [_moved(quote, -extra if quote.side is Side.BUY else extra) for quote in quotes]


def size(quotes: list[Quote], view: View, knobs: ShapeKnobs) -> list[Quote]:
    """Shrink each wish to what position, inventory and balance allow, best levels first, in lots of 0.01 share; hold what is too small.

    The limits are shared: what a level takes of them is gone for the next. The list comes out sorted by level.
    """
    market = view.market
    limit, net = to_size(knobs.max_position_size), view.net
    room = {True: max(0, limit - net), False: max(0, limit + net)}
    held_shares = {market.yes: int(view.yes), market.no: int(view.no)}
    free = {market.yes: int(floor_lot(view.free_yes)), market.no: int(floor_lot(view.free_no))}
    budget = knobs.max_balance_fraction_per_order * max(0, view.equity)
    cost_min = dollars(view.tick)
    sized = []
    for quote in sorted(quotes, key=_level):
        price, token, sells = quote.price, quote.token, quote.side is Side.SELL
        if quote.held or not -inf < price < inf:
            sized.append(quote)
            continue
        long = (token == market.yes) is not sells
        if knobs.bid_suppress_when_saturated and (net >= limit if long else net <= -limit):
            sized.append(_held(quote, "position is at its limit"))
            continue
        lot, why = int(quote.size), ""
        if knobs.asks_only_against_inventory and sells and held_shares[token] < lot:
            lot, why = held_shares[token], "no inventory to sell"
        if knobs.shrink_to_position_limit and room[long] < lot:
            lot, why = room[long], "position limit"
        closes = token if sells else market.complement(token)
        owned = free[closes] if sells or knobs.complement_routing else 0
        if owned < market.min_size:
            owned = 0  # too few to sell: route will buy all of it
        cost = max(cost_min, 1.0 - price if sells else price)
        afford = owned + _affordable(budget / cost, lot - owned, market.min_size)
        if afford < lot:
            lot, why = afford, "balance fraction per order"
        lot = floor_lot(lot)
        if lot < market.min_size or lot <= 0:
            sized.append(_held(quote, why if why and lot <= 0 else f"below minimum size: {why}" if why else "below minimum size"))
            continue
        room[long] -= lot
        free[closes] = max(0, free[closes] - lot)
        if sells:
            held_shares[token] -= lot
        sized.append(quote if lot == quote.size else _resized(quote, lot))
    return sized


def _affordable(shares_paid: float, lot: int, min_size: int) -> int:
    """Of `lot` shares to buy, how many the balance fraction pays; the venue's minimum where that is within STRETCH times the fraction."""
    if shares_paid < min_size <= lot and shares_paid * STRETCH >= min_size:
        return min_size
    return int(shares_paid)


def route(quotes: list[Quote], view: View, knobs: ShapeKnobs) -> list[Quote]:
    """Say which token each wish trades: sell what is free of the one, and buy the other at 1 - p with what is wished beyond that.

    Both legs together are the wish, so the net exposure is never doubled. All wishes share the free shares and the cash, in the order of
    the list. A selling leg below the venue's minimum goes into the buying leg, a buying leg below it is held, and it shrinks to the cash.
    """
    market = view.market
    free = {market.yes: int(floor_lot(view.free_yes)), market.no: int(floor_lot(view.free_no))}
    cash = float(view.cash)
    price_min, smallest = dollars(view.tick), max(1, market.min_size)
    routed = []
    for quote in quotes:
        price, token, sells = quote.price, quote.token, quote.side is Side.SELL
        if quote.held or not -inf < price < inf:
            routed.append(quote)
            continue
        other = market.complement(token)
        sell_token, buy_token = (token, other) if sells else (other, token)
        buys = knobs.complement_routing or not sells
        sell = min(quote.size, free[sell_token]) if knobs.complement_routing or sells else 0
        if sell < smallest and buys:
            sell = 0
        buy = quote.size - sell if buys else 0
        if sell >= smallest:
            free[sell_token] -= sell
            routed.append(_leg(quote, sell_token, Side.SELL, sell))
        elif not buys:
            routed.append(_held(quote, "below minimum size: no inventory to sell" if sell else "no inventory to sell"))
        if not buy:
            continue
        leg = _leg(quote, buy_token, Side.BUY, buy)
        pay = max(price_min, leg.price)
        if buy >= smallest and buy * pay > cash:
            buy = floor_lot(int(max(0.0, cash) / pay))
            leg = _held(leg, "not enough cash") if buy < smallest else _resized(leg, buy)
        elif buy < smallest:
            leg = _held(leg, "below minimum size")
        if not leg.held:
            cash -= buy * pay
        routed.append(leg)
    return routed


def place(quotes: list[Quote], view: View, knobs: ShapeKnobs) -> list[Quote]:
    """The one crossing from float to Price: BUY down and SELL up to the token's grid, inside (0, 1), post-only safe, never across our own.

    Wishes that land on one price of one token and side become one. A price that is not finite ends here: held, with Price 0 in its place.
    Held wishes get a Price too, so that they can be shown; nothing else of them changes. Run again, it changes nothing.
    """
    market, tick, bid, ask = view.market, view.tick, view.bid, view.ask
    top = ONE - tick
    placed: list[Quote] = []
    where: dict[tuple[str, Side, int, Kind], int] = {}
    bid_max, ask_min = 0, int(ONE)
    for quote in quotes:
        buy, yes = quote.side is Side.BUY, quote.token == market.yes
        price = _on_grid(quote.price, buy, tick)
        if price is None:
            placed.append(_priced(quote, 0, quote.held or "price is not finite"))
            continue
        if quote.held:
            placed.append(_priced(quote, min(max(0, price), ONE), quote.held))
            continue
        if quote.kind is Kind.POST_ONLY:
            opposite = (ask if yes else ONE - bid) if buy else (bid if yes else ONE - ask)
            if buy and price >= opposite:
                price = floor_tick(opposite - 1, tick)
            elif not buy and price <= opposite:
                price = ceil_tick(opposite + 1, tick)
        price = min(price, top) if buy else max(price, tick)
        if not tick <= price <= top:
            placed.append(_priced(quote, min(max(0, price), ONE), "price is off the grid's end"))
            continue
        key = (quote.token, quote.side, price, quote.kind)
        index = where.setdefault(key, len(placed))
        if index < len(placed):
            placed[index] = _resized(placed[index], placed[index].size + quote.size)
            continue
        placed.append(_priced(quote, price, ""))
        if buy is yes:
            bid_max = max(bid_max, price if yes else ONE - price)
        else:
            ask_min = min(ask_min, price if yes else ONE - price)
    return placed if bid_max < ask_min else _uncrossed(placed, market.yes, ask_min)


def _uncrossed(quotes: list[Quote], yes: str, ask_min: int) -> list[Quote]:
    """Hold what would bid, in YES terms, at or above our own best ask: own YES bid + own NO bid must stay below a dollar."""
    checked = []
    for quote in quotes:
        mine, price = quote.token == yes, int(quote.price)
        crosses = (quote.side is Side.BUY) is mine and (price if mine else ONE - price) >= ask_min
        checked.append(_held(quote, "would cross our own quote") if crosses and not quote.held else quote)
    return checked


SHAPE: tuple[Shaper, ...] = (skew, widen, size, route, place)


def _on_grid(price: float | Price, buy: bool, tick: int) -> int | None:
    """A price in Price units, down to the grid for a buy and up for a sell; None where it is not finite."""
    if isinstance(price, int):
        return floor_tick(price, tick) if buy else ceil_tick(price, tick)
    if not -inf < price < inf:
        return None
    steps = min(max(price, -1.0), 2.0) * ONE / tick
    return tick * (floor(steps + _GUARD) if buy else ceil(steps - _GUARD))


def _level(quote: Quote) -> int:
    return quote.level


def _moved(quote: Quote, by: float) -> Quote:
    if quote.held:
        return quote
    return Quote(quote.strategy, quote.token, quote.side, quote.price + by, quote.size, quote.level, quote.kind)


def _resized(quote: Quote, lot: int) -> Quote:
    return Quote(quote.strategy, quote.token, quote.side, quote.price, Size(lot), quote.level, quote.kind)


def _priced(quote: Quote, price: int, held: str) -> Quote:
    return Quote(quote.strategy, quote.token, quote.side, Price(price), quote.size, quote.level, quote.kind, held)


def _held(quote: Quote, why: str) -> Quote:
    return Quote(quote.strategy, quote.token, quote.side, quote.price, quote.size, quote.level, quote.kind, why)


def _leg(quote: Quote, token: str, side: Side, lot: int) -> Quote:
    """The part of a wish that trades `token`; on the complement the price is 1 - p."""
    if token == quote.token and lot == quote.size:
        return quote
    price = quote.price if token == quote.token else 1.0 - quote.price
    return Quote(quote.strategy, token, side, price, Size(lot), quote.level, quote.kind)
