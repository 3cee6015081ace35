"""What a fault script has the exchange itself do: races, failures on chain, another tick, an early end."""

from typing import Any

from msgspec import structs

from pmm_tui.core.market import Side
from pmm_tui.core.units import DOLLAR, LOT, ONE, SHARE, Cash, Nanos, Price, Size, price_of
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.terms import Lasts, Order

RACER = "racer"
"""The wallet of whoever is faster than a cancel."""


def carry_out(matching: Matching, what: str, given: dict[str, Any], at: Nanos) -> None:
    """One act; what it cannot be done to is left alone."""
    named = str(given.get("market", ""))
    markets = [name for name, pit in matching.markets.items() if not pit.closed and named in ("", name)]
    if what == "tick_change":
        for market in markets:
            matching.retick(market, price_of(str(given["tick"])), at)
    elif what == "early_resolution":
        for market in markets:
            matching.resolve(market, Price(int(given["payout_yes"] * ONE)) if given["payout_yes"] <= 1 else Price(given["payout_yes"]), at)
    elif what == "clear_book":
        for market in markets:
            matching.cancel_where("", at, market=market)
    elif what == "match_then_fail":
        matching.settling.fail_share = float(given["share"]) if given["on"] else matching.rules.fail_share
    elif what == "retrying":
        matching.settling.retry_share = float(given["share"]) if given["on"] else matching.rules.retry_share
        matching.settling.retry_ms = int(given.get("ms", matching.rules.retry_ms)) if given["on"] else matching.rules.retry_ms
    elif what == "cancel_races_fill":
        wanted = given["orders"] or [one.id for pit in matching.markets.values() for one in pit.ladder.orders() if one.owner]
        for order in wanted:
            race(matching, str(order), float(given["part"]), at)
    elif what == "overfill":
        for order in {one.wallet: one for pit in matching.markets.values() for one in pit.ladder.orders() if one.owner}.values():
            overfill(matching, order, Size(round(given["shares"] * 100) * LOT), at)
    elif markets:
        _by_hand(matching, what, given, markets[0], at)


def _by_hand(matching: Matching, what: str, given: dict[str, Any], market: str, at: Nanos) -> None:
    """What happens to every wallet that ever posted an order with a key, past its desk."""
    pit = matching.markets[market]
    if what == "fee_change":
        fees = structs.replace(pit.market.fees, rate=float(given["rate"]))
        pit.market = structs.replace(pit.market, fees=fees)
        return
    size = Size(round(given["shares"] * SHARE))
    for wallet, owner in sorted({(order.wallet, order.owner) for order in matching.orders.values() if order.owner}):
        if what == "order_by_hand":
            name = f"0x{len(matching.orders):032x}{int(at):032x}"
            lasts = Lasts.GTC if given["rests"] else Lasts.FAK
            price = Price(round(given["price"] * ONE))
            side = Side(str(given["side"]))
            matching.place(Order(name, wallet, owner, market, pit.market.yes, side, price, size, lasts, False, at), at)
        elif what == "balance_moves":
            matching.deposit(wallet, Cash(round(given["dollars"] * DOLLAR)))
            matching.give(wallet, pit.market.yes, size)
        elif what == "pairs_by_hand":
            done = matching.split if size > 0 else matching.merge
            done(wallet, market, Size(abs(size)))


def overfill(matching: Matching, order: Order, more: Size, at: Nanos) -> None:
    """A resting order is filled whole, and then some."""
    ladder, true = matching.markets[order.market].ladder, order.size
    ladder.shrink(order, Size(true + more))
    race(matching, order.id, 1.0, at)
    order.size = true


def race(matching: Matching, name: str, part: float, at: Nanos) -> None:
    """Somebody takes a part of a resting order, and all that is ahead of it, just before it would be cancelled."""
    order = matching.orders.get(name)
    if order is None or order.status != "LIVE":
        return
    pit = matching.markets[order.market]
    ahead = pit.ladder.ahead_of(order)
    size = Size(ahead + max(int(order.rest * part) // LOT * LOT, LOT))
    matching.unlimited(RACER)
    market = pit.market
    token, price = (order.token, order.price)
    number = len(matching.trades) + int(at)
    taker = Order(f"race-{number}", RACER, "", market.id, token, order.side.other, price, size, Lasts.FAK, False, at)
    matching.place(taker, at)
