"""What the venue answers: one function for each fact about orders and fills. Like `apply`, these write the state."""

from pmm_tui.core.commands import Alert, Cancel, CancelAll, Sync, Watch
from pmm_tui.core.events import (
    ExternalFilled,
    FillSettled,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSigned,
    OrderUncertain,
)
from pmm_tui.core.market import Kind
from pmm_tui.core.orders import queue
from pmm_tui.core.orders.life import Order, Status, move
from pmm_tui.core.portfolio import DUST
from pmm_tui.core.risk import kill
from pmm_tui.core.state import Backoff, MarketState, State
from pmm_tui.core.units import Nanos, size_text

FAILED_WITHIN_NS = 600_000_000_000


def order_moved(state: State, event: OrderAccepted | OrderUncertain) -> MarketState | None:
    """An answer about one order that ends nothing."""
    order, market = find(state, event.order)
    if order is None or market is None:
        return None
    known_again(market, order)
    fresh = not order.accepted_at
    move(order, event)
    if fresh and order.accepted_at:
        queue.joined(order, market.book, market.market.yes, state.knobs.desk.own_orders_in_book)
    if isinstance(event, OrderUncertain):
        state.note("warn", f"order {order.id} uncertain: {event.reason}")
        ask(state, order)
    else:
        _accepted(market, order)
        if order.status is Status.CANCELLING:  # the cancel overtook the order and found nothing: ask again
            order.asked_at = state.now
            state.out.append(Cancel(order.id))
    return market


def _accepted(market: MarketState, order: Order) -> None:
    """The refusals of its side are over; what the balance did not cover stays small until the account was seen to match."""
    before = market.backoff.pop((order.token, order.side), None)
    if before is not None and before.short:
        market.backoff[(order.token, order.side)] = Backoff(before.until, 0, before.short)


def order_signed(state: State, event: OrderSigned) -> MarketState | None:
    """Its id at the venue, before it leaves."""
    order, _ = find(state, event.order)
    if order is not None:
        order.venue_id = event.venue_id
    return None


def order_rejected(state: State, event: OrderRejected) -> MarketState | None:
    """A definitive no: count why, and let the side wait before it asks again."""
    order, market = find(state, event.order)
    if order is None or market is None or not move(order, event):
        return None
    code = event.code or "other"
    state.rejects[code] = state.rejects.get(code, 0) + 1
    before = market.backoff.get((order.token, order.side), Backoff(Nanos(0), 0, 0))
    wait_ms = min(60_000, state.knobs.desk.reject_backoff_ms * 2**before.times)
    until = Nanos(event.at + wait_ms * 1_000_000)
    short = min(before.short + (code == "balance"), 8)
    market.backoff[(order.token, order.side)] = Backoff(until, min(before.times + 1, 8), short)
    market.retry_at = max(market.retry_at, until)
    if code == "balance":
        ask(state, order)  # what the account really holds
    elif code == "tick":
        state.out.append(Watch(order.market))  # the grid is not the one we know
    what = market.told(order.side, order.size, order.token, order.price)
    state.note("warn", f"order {order.id} {what} refused: {event.reason}")
    ended(state, market, order)
    return market


def order_cancelled(state: State, event: OrderCancelled) -> MarketState | None:
    """It rests no more, but fills may still be owed."""
    order, market = find(state, event.order)
    if order is None or market is None:
        return None
    asked = order.status is Status.CANCELLING
    move(order, event)
    if not asked:
        state.note("info", f"order {order.id} cancelled by the venue: {event.reason or 'no reason given'}")
        market.urgent = True
    if order.status is Status.SETTLING:
        ask(state, order)
    ended(state, market, order)
    return market


def order_filled(state: State, event: OrderFilled) -> MarketState | None:
    """A part of an order traded. A fill is booked always, once."""
    order = state.live.get(event.order) or state.finished.get(event.order)
    market = state.markets.get(order.market) if order is not None else None
    if order is None or market is None:
        state.note("alarm", f"a fill of order {event.order}, which is not ours")
        state.foreign += 1
        return None
    if state.portfolio.knows(event):
        return None
    move(order, event)
    fill = state.portfolio.book(order, event, market.quoted_mid_of(order.token))
    state.recent.append(fill)
    state.fills_in[order.market] = state.fills_in.get(order.market, 0) + 1
    state.note("info", f"fill {market.told(fill.side, fill.size, fill.token, fill.price)}")
    _settled_up(state, market)
    ended(state, market, order)
    if order.filled > order.size + DUST:
        trip(state, f"order {order.id} was filled beyond its size: {size_text(order.filled)} of {size_text(order.size)}")
    market.changed = market.urgent = True
    return market


def external_filled(state: State, event: ExternalFilled) -> MarketState | None:
    """The wallet traded without the desk: money and shares moved all the same."""
    market = state.markets.get(event.market)
    told = OrderFilled(event.at, event.order, event.trade, event.price, event.size, event.fee, False, worth=event.worth)
    if market is None or state.portfolio.knows(told):
        return None
    order = Order(
        event.order, event.market, event.token, event.side, event.price, event.size, Kind.GTC, "external", 0, event.at, Status.DONE
    )
    fill = state.portfolio.book(order, told, None)
    state.recent.append(fill)
    state.foreign += 1
    text = f"EXTERNAL {market.told(fill.side, fill.size, fill.token, fill.price)}: not this desk's"
    state.note("alarm", text)
    state.out.append(Alert("alarm", "external", text))
    _settled_up(state, market)
    state.recount(market)
    market.changed = market.urgent = True
    return market


def _settled_up(state: State, market: MarketState) -> None:
    """A decided market pays whatever its late fills and settlements changed."""
    if market.payout is not None:
        terms, by_hand = market.market, state.knobs.desk.redeem_by_hand
        state.portfolio.resolve(terms.id, terms.yes, terms.no, market.payout, by_hand)


def fill_settled(state: State, event: FillSettled) -> MarketState | None:
    """A matched fill reached its end on chain."""
    fill = state.portfolio.settle_fill(event)
    if fill is None:
        return None
    market = state.markets.get(fill.market)
    if market is not None:
        _settled_up(state, market)
    if not event.ok:
        state.failed.append(event.at)
        bare = f"{fill.side.value} {size_text(fill.size)}"
        what = market.told(fill.side, fill.size, fill.token, fill.price) if market is not None else bare
        state.note("alarm", f"trade {fill.trade} failed on chain: {what} undone")
        state.out.append(Alert("alarm", f"failed:{fill.trade}", f"trade {fill.trade} failed on chain and was undone"))
        if market is not None:
            market.urgent = True
            market.failed_at = event.at
        recent = sum(at > event.at - FAILED_WITHIN_NS for at in state.failed)
        if recent > state.knobs.risk.failed_trades_max and not state.kill.stopped:
            trip(state, f"{recent} trades failed on chain within ten minutes")
    if market is not None:
        market.changed = True
        state.recount(market)
    return market


def find(state: State, order: int) -> tuple[Order | None, MarketState | None]:
    """A live order and its market."""
    found = state.live.get(order)
    return (found, state.markets[found.market]) if found is not None else (None, None)


def known_again(market: MarketState, order: Order) -> None:
    """News of an uncertain order: decide anew at once, for what rests after all may be unwanted by now, as in a paused market."""
    if order.status is Status.UNCERTAIN:
        market.changed = market.urgent = True


def asked(state: State) -> tuple[int, ...]:
    """The orders to ask the account about: every live one, and those whose fills are not settled yet.

    Never fewer: an account is compared with ours, which it only matches once we were told every fill in it (seeds 8 and 406 of the
    simulation).
    """
    return tuple(sorted(state.portfolio.owed() | state.live.keys()))


def ask(state: State, order: Order) -> None:
    """Ask the venue's account about one order now, and so about all."""
    order.asked_at = state.now
    state.out.append(Sync(asked(state)))


def ended(state: State, market: MarketState, order: Order) -> None:
    """Take a DONE order out of the live ones; it is remembered for a while, in case a fill comes late."""
    if order.status is Status.DONE and market.live.pop(order.id, None) is not None:
        del state.live[order.id]
        state.finished[order.id] = order
        market.changed = True
        market.urgent = market.urgent or market.waiting
    state.recount(market)


def trip(state: State, why: str) -> None:
    """Kill: close admission, cancel all, ask for the proof."""
    kill.trip(state.kill, why, state.now)
    state.note("alarm", f"KILL: {why}")
    withdraw(state)
    state.out.append(Alert("alarm", "kill", f"killed: {why}"))
    state.kill.asked_at = state.now
    state.kill.asks = 1


def withdraw(state: State) -> None:
    """Cancel everything, and ask the account for the proof; a flatten under way ends."""
    state.out += [CancelAll(), Sync(asked(state))]
    for market in state.markets.values():
        market.exiting = None
    for order in state.live.values():
        if order.status in (Status.OPEN, Status.SENT):
            order.status = Status.CANCELLING
            order.asked_at = order.unsure_at = state.now
    state.touch_all()
