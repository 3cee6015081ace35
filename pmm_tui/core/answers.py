"""What the venue answers: one function for each fact about orders, fills and the account. Like `apply`, these write the state."""

from pmm_tui.core.commands import Alert, Cancel, CancelAll, Sync
from pmm_tui.core.events import (
    AccountSeen,
    FillSettled,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderUncertain,
)
from pmm_tui.core.orders.life import Order, Status, move
from pmm_tui.core.portfolio import DUST
from pmm_tui.core.risk import kill
from pmm_tui.core.state import MarketState, State
from pmm_tui.core.units import Nanos, cash_text, price_text, size_text

MISSES_APART_NS = 1_000_000_000


def order_moved(state: State, event: OrderAccepted | OrderUncertain) -> MarketState | None:
    """An answer about one order that ends nothing."""
    order, market = find(state, event.order)
    if order is None or market is None:
        return None
    _known_again(market, order)
    move(order, event)
    if isinstance(event, OrderUncertain):
        state.note("warn", f"order {order.id} uncertain: {event.reason}")
        ask(state, order)
    else:
        market.backoff.pop((order.token, order.side), None)
        if order.status is Status.CANCELLING:  # the cancel overtook the order and found nothing: ask again
            order.asked_at = state.now
            state.out.append(Cancel(order.id))
    return market


def order_rejected(state: State, event: OrderRejected) -> MarketState | None:
    """A definitive no: count why, and let the side wait before it asks again."""
    order, market = find(state, event.order)
    if order is None or market is None or not move(order, event):
        return None
    code = event.code or "other"
    state.rejects[code] = state.rejects.get(code, 0) + 1
    _, times = market.backoff.get((order.token, order.side), (Nanos(0), 0))
    wait_ms = min(60_000, state.knobs.desk.reject_backoff_ms * 2**times)
    market.backoff[(order.token, order.side)] = (Nanos(event.at + wait_ms * 1_000_000), min(times + 1, 8))
    state.note("warn", f"order {order.id} {order.side.value} {price_text(order.price)} refused: {event.reason}")
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
    state.note("info", f"fill {fill.side.value} {size_text(fill.size)} {market.outcome_of(fill.token)} @ {price_text(fill.price)}")
    if market.payout is not None:
        state.portfolio.resolve(market.market.id, market.market.yes, market.market.no, market.payout)
    ended(state, market, order)
    market.changed = market.urgent = True
    return market


def fill_settled(state: State, event: FillSettled) -> MarketState | None:
    """A matched fill reached its end on chain."""
    fill = state.portfolio.settle_fill(event)
    if fill is None:
        return None
    market = state.markets.get(fill.market)
    if market is not None and market.payout is not None:
        state.portfolio.resolve(market.market.id, market.market.yes, market.market.no, market.payout)
    if not event.ok:
        state.note("alarm", f"trade {fill.trade} failed on chain: {fill.side.value} {size_text(fill.size)} undone")
        state.out.append(Alert("alarm", f"failed:{fill.trade}", f"trade {fill.trade} failed on chain and was undone"))
        if market is not None:
            market.urgent = True
    if market is not None:
        market.changed = True
        state.recount(market)
    return market


def account_seen(state: State, event: AccountSeen) -> MarketState | None:
    """The venue's word on every order it knows, on cash and on shares."""
    for seen in event.orders:
        order, market = find(state, seen.order)
        if order is None or market is None:
            if seen.status == "open" and seen.order not in state.finished:
                state.foreign += 1
                state.note("alarm", f"the venue holds an order that is not ours: {seen.order}")
            continue
        if seen.status == "open":
            if order.status is Status.UNCERTAIN:
                _known_again(market, order)
                move(order, OrderAccepted(event.at, order.id))
        elif seen.status == "done":
            move(order, OrderCancelled(event.at, order.id, seen.matched, order.why or "the account says it is done"))
        elif seen.status == "absent" and state.now - order.sent_at >= state.knobs.desk.order_timeout_s * 1e9:
            # Younger, and the order may still be on its way: the question overtook it.
            move(order, OrderCancelled(event.at, order.id, order.filled, "the account says it never was"))
        ended(state, market, order)
    compare(state, event)
    if state.kill.phase == "killing" and not any(seen.status == "open" for seen in event.orders) and not state.live:
        state.kill.verified_at = event.at
        state.kill.phase = "killed"
        state.note("alarm", "kill verified: the venue's account holds no open order")
    return None


def compare(state: State, event: AccountSeen) -> None:
    """Their cash and shares against ours: twice wrong in a row holds all quotes, three times kills."""
    ours = {token: held.shares for token, held in state.portfolio.holdings.items() if held.shares}
    theirs = dict(event.positions)
    wrong = [token for token in sorted(ours.keys() | theirs.keys()) if abs(ours.get(token, 0) - theirs.get(token, 0)) > DUST]
    short = event.cash - state.portfolio.cash
    if not wrong and abs(short) <= DUST:
        if state.account_misses >= 2:
            state.note("info", "the venue's account matches ours again")
            state.touch_all()
        state.account_misses = 0
        return
    if state.account_misses and state.now - state.account_missed_at < MISSES_APART_NS:
        return  # the same answer twice, or two that were under way together: one miss
    state.account_misses += 1
    state.account_missed_at = state.now
    state.note("warn", f"account differs: cash by {cash_text(short)}, {len(wrong)} positions (time {state.account_misses} in a row)")
    if state.account_misses == 2:
        state.touch_all()
        state.out.append(Alert("alarm", "account", "the venue's account does not match ours"))
    if state.account_misses == 3:
        trip(state, f"the venue's account does not match ours: cash by {cash_text(short)}, {len(wrong)} positions")


def find(state: State, order: int) -> tuple[Order | None, MarketState | None]:
    """A live order and its market."""
    found = state.live.get(order)
    return (found, state.markets[found.market]) if found is not None else (None, None)


def _known_again(market: MarketState, order: Order) -> None:
    """News of an uncertain order: decide anew at once, for what rests after all may be unwanted by now, as in a paused market."""
    if order.status is Status.UNCERTAIN:
        market.changed = market.urgent = True


def asked(state: State) -> tuple[int, ...]:
    """The orders to ask the account about: every live one, and those whose fills are not settled yet.

    Never fewer: an account is compared with ours, which it only matches once we were told every fill in it (seeds 8 and 406 of the
    simulation).
    """
    unsettled = {fill.order for fill in state.portfolio.fills.values() if fill.status == "MATCHED"}
    return tuple(sorted(unsettled | state.live.keys()))


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
    state.note("alarm", f"KILLED: {why}")
    state.out += [CancelAll(), Sync(asked(state)), Alert("alarm", "kill", f"killed: {why}")]
    state.kill.asked_at = state.now
    state.kill.asks = 1
    for market in state.markets.values():
        market.exiting = None
    for order in state.live.values():
        if order.status in (Status.OPEN, Status.SENT):
            order.status = Status.CANCELLING
            order.asked_at = state.now
    state.touch_all()
